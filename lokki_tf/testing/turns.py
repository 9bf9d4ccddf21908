"""One request at a time for services of moto's that Terraform asks much of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from threading import Lock
from typing import Any

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/(?P<service>[^/]+)/")
"""Finds the service in the signature of a request."""
_SERVICES = {
    "iam",
    "s3",
    "ec2",
    "ecr",
    "kms",
    "scheduler",
}  # no request of theirs waits for another


def in_turn(application: Wsgi) -> Wsgi:
    """Let requests to the same service wait for each other.

    moto walks its dicts without locks: while Terraform destroys thirty resources at once, a list
    of roles or of an object's versions would break off.
    """
    locks: dict[str, Lock] = {}

    def wait(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        service = scope["service"] if scope else ""
        own = locks.setdefault(service, Lock()) if service in _SERVICES else nullcontext()
        with own:
            return application(environ, start_response)

    return wait
