"""Serialize the requests to services that Terraform sends many parallel requests to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from threading import Lock
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/")
"""Finds the service in the signature of a request."""
_SERVICES = {"batch", "ec2", "ecr", "events", "iam", "kms", "lambda", "logs", "s3", "scheduler"}
# Requests that may run a function, whose own requests to the same service must not wait for it.
_RUNS_CODE = re.compile(r"/(invocations|response-streaming-invocations|invoke-async/?)$")
_SENDS_TO_CODE = {"AWSEvents.PutEvents", "Logs_20140328.PutLogEvents"}


def in_turn(application: Wsgi) -> Wsgi:
    """Wrap a WSGI application, so that it handles one request to a service at a time.

    moto iterates over its dicts without locks. While Terraform creates or destroys thirty resources
    in parallel, a request that lists roles, functions or object versions would fail.
    """
    locks: dict[str, Lock] = {}

    def wait(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        service = scope["service"] if scope else ""
        if service not in _SERVICES or _may_run_code(environ):
            return application(environ, start_response)
        _read_body(environ)
        with locks.setdefault(service, Lock()):
            return application(environ, start_response)

    return wait


def _may_run_code(environ: dict[str, Any]) -> bool:
    return (
        environ.get("HTTP_X_AMZ_TARGET") in _SENDS_TO_CODE
        or _RUNS_CODE.search(environ.get("PATH_INFO", "")) is not None
    )


def _read_body(environ: dict[str, Any]) -> None:
    """Read a request completely: a client that stops sending must not block all others."""
    length = environ.get("CONTENT_LENGTH")
    if length or environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read(*([int(length)] if length else []))
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
