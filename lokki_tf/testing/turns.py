"""Serialize the requests to services that Terraform sends many parallel requests to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
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
        own = locks.setdefault(service, Lock()) if service in _SERVICES else nullcontext()
        with own:
            return application(environ, start_response)

    return wait
