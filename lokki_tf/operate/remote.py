"""Errors of steps in AWS: as exceptions, messages and tracebacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lokki_tf.runtime.failure import message_of, own_error, trace_of


class RemoteError(Exception):
    """An error of a step in AWS, under the name that Lambda reports."""

    trace = ""
    """The step's own traceback, as text; empty if it is not known."""


def remote_error(details: Mapping[str, Any]) -> BaseException:
    """Return a step's error as an exception with the same class name and message.

    Args:
        details: ``error`` and ``cause`` of AWS's event.
    """
    name, cause = own_error(details.get("error"), details.get("cause"))
    kind: type[RemoteError] = type(name or "States.Runtime", (RemoteError,), {})
    error = kind(message_of(cause or ""))
    error.trace = trace_of(cause or "")
    return error
