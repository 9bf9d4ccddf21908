"""Errors of steps in AWS: as exceptions, messages and tracebacks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lokki_tf.runtime.failures import own_error

_RUNTIME = "/lokki_runtime/"


class RemoteError(Exception):
    """What a step raised in AWS, under the name that Lambda gives it."""


def remote_error(details: Mapping[str, Any]) -> BaseException:
    """What a step raised, as an exception that shows as it did there.

    Args:
        details: ``error`` and ``cause`` as AWS has them.
    """
    name, cause = own_error(details.get("error"), details.get("cause"))
    kind: type[RemoteError] = type(name or "States.Runtime", (RemoteError,), {})
    return kind(message_of(cause or ""))


def message_of(cause: str) -> str:
    """The message in what AWS calls a cause: JSON of Lambda's or of Batch's, or plain text.

    Args:
        cause: As AWS has it.
    """
    try:
        told = json.loads(cause)
        return str(told["errorMessage"] if "errorMessage" in told else told["StatusReason"])
    except (ValueError, KeyError, TypeError):
        return cause


def trace_of(cause: str) -> str:
    """The traceback of the step's own code, as Lambda tells it in a cause; empty if it does not.

    Args:
        cause: As AWS has it.
    """
    try:
        told = json.loads(cause)
        lines = [str(line) for line in told["stackTrace"]]
        end = f"{told['errorType']}: {told['errorMessage']}"
    except (ValueError, KeyError, TypeError):
        return ""
    # Before the step's own lines stand those of what called it.
    own = max((index for index, line in enumerate(lines) if _RUNTIME in line), default=-1) + 1
    shown = "".join(lines[own:] or lines)
    return f"Traceback (most recent call last):\n{shown}{end}" if shown else ""
