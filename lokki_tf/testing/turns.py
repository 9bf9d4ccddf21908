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
# A request to one of these services never waits for another request to the same service.
_SERVICES = {"iam", "s3", "ec2", "ecr", "kms", "scheduler"}


def in_turn(application: Wsgi) -> Wsgi:
    """Wrap a WSGI application, so that it handles one request to a service at a time.

    moto iterates over its dicts without locks. While Terraform destroys thirty resources in
    parallel, a request that lists roles or object versions would fail.
    """
    locks: dict[str, Lock] = {}

    def wait(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        service = scope["service"] if scope else ""
        if service not in _SERVICES:
            return application(environ, start_response)
        _read_body(environ)
        with locks.setdefault(service, Lock()):
            return application(environ, start_response)

    return wait


def _read_body(environ: dict[str, Any]) -> None:
    """Read a request completely: a client that stops sending must not block all others."""
    length = environ.get("CONTENT_LENGTH")
    if length or environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read(*([int(length)] if length else []))
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
