"""Errors of steps in AWS: as exceptions, messages and tracebacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lokki_tf.runtime.failures import own_error

_RUNTIME = "/lokki_runtime/"


class RemoteError(Exception):
    """An error of a step in AWS, under the name that Lambda reports."""


def remote_error(details: Mapping[str, Any]) -> BaseException:
    """Return a step's error as an exception with the same class name and message.

    Args:
        details: ``error`` and ``cause`` of AWS's event.
    """
    name, cause = own_error(details.get("error"), details.get("cause"))
    kind: type[RemoteError] = type(name or "States.Runtime", (RemoteError,), {})
    return kind(message_of(cause or ""))


def message_of(cause: str) -> str:
    """Return the message in an event's cause: JSON of Lambda or Batch, or plain text.

    Args:
        cause: AWS's cause.
    """
    try:
        fields = json.loads(cause)
        return str(fields["errorMessage"] if "errorMessage" in fields else fields["StatusReason"])
    except (ValueError, KeyError, TypeError):
        return cause


def trace_of(cause: str) -> str:
    """Return the traceback of the step's own code in Lambda's cause; empty if there is none.

    Args:
        cause: AWS's cause.
    """
    try:
        fields = json.loads(cause)
        lines = [str(line) for line in fields["stackTrace"]]
        end = f"{fields['errorType']}: {fields['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return ""
    # The lines of the runtime come before the step's own.
    own = max((index for index, line in enumerate(lines) if _RUNTIME in line), default=-1) + 1
    shown = "".join(lines[own:] or lines)
    return f"Traceback (most recent call last):\n{shown}{end}" if shown else ""
