"""Failures as values: what a step with ``catch=`` returns if it fails."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field

from .call import OVERDUE, REPORTED_TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LONGEST_MESSAGE = 2_500
"""Characters of a failure's message."""
LONGEST_JSON = 4_000
"""Bytes of a message, and of the frames of a traceback, as JSON in JSON."""
_RUNTIME = "/lokki_runtime/"
_REPORTED = re.compile(r"(?P<own>\w+), reported as (?P<name>[\w.<>]+): (?P<message>.*)", re.DOTALL)
_MESSAGE = re.compile(r'\s*\{\s*"errorMessage":\s*(?P<text>"(?:[^"\\]|\\.)*"?)', re.DOTALL)


@dataclass(frozen=True)
class Failure:
    """The result of a step that has failed and whose error was caught.

    Two failures are equal if they differ in their tracebacks only.

    Args:
        error: The name of the error's class, or AWS's name of the error.
        message: Its text, up to 2,500 characters.
        step: The name of the step.
        traceback: The step's traceback as text; empty if there is none.
    """

    error: str
    message: str
    step: str
    traceback: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"step {self.step!r} failed: {self.error}: {self.message}"

    def _repr_html_(self) -> str:
        from html import escape

        shown = f"<p>{escape(str(self))}</p>"
        if not self.traceback:
            return shown
        return f"<details><summary>{shown}</summary><pre>{escape(self.traceback)}</pre></details>"


class PipelineFailed(Exception):
    """A pipeline that ``start_pipeline`` has started did not succeed."""


# Pickles contain this name, in bundles too.
Failure.__module__ = PipelineFailed.__module__ = "lokki_tf.runtime.failure"
if Failure.__module__ != __name__:
    from .aliases import make_known

    make_known()
    sys.modules.setdefault(Failure.__module__, sys.modules[__name__])


def received(envelope: Mapping[str, Any]) -> Failure:
    """Return the failure of an envelope that a state machine has made.

    Args:
        envelope: As described in :mod:`.envelope`.
    """
    failed = envelope["failed"]
    error, cause = own_error(failed.get("Error"), failed.get("Cause"))
    message = cut_text(message_of(cause or ""))
    return Failure(str(error), message, envelope["step"], trace_of(cause or ""))


def failure_of(error: BaseException, step: str, trace: str | None = None) -> Failure:
    """Return the failure for an error.

    Args:
        error: The error of the step.
        step: The name of the step.
        trace: Its traceback as text, if it is known.
    """
    import traceback

    try:
        message = cut_text(str(error))
    except Exception:
        message = "(its text cannot be made)"
    name = type(error).__name__
    if trace is None:
        fields = {"errorType": name, "errorMessage": message}
        frames = traceback.format_tb(short_traceback(error))
        trace = trace_of(json.dumps({**fields, "stackTrace": frames}))
    return Failure(name, message, step, trace)


def cut_text(text: str) -> str:
    """Return the beginning of a message that a state has room for.

    Args:
        text: The text of an error.
    """
    short = text[:LONGEST_MESSAGE]
    while nested_bytes(short) > LONGEST_JSON:
        short = short[: len(short) * LONGEST_JSON // nested_bytes(short)]
    return short


def nested_bytes(text: str) -> int:
    """Return the bytes of a text in JSON that is itself a string in JSON."""
    return len(json.dumps(json.dumps(text)))


def own_error(error: str | None, cause: str | None) -> tuple[str | None, str | None]:
    """Return error and cause under the error's own name.

    If a step retries or catches a base class, :mod:`.handler` reports the error under the base
    class's name. If only Lambda can end a call that takes too long, it has Lambda's own name.

    Args:
        error: Step Functions' name of the error.
        cause: Its cause: for a step's error, Lambda's JSON.
    """
    if error == REPORTED_TIMEOUT:
        name = TimeoutError.__name__
        return name, json.dumps({"errorType": name, "errorMessage": OVERDUE})
    fields = _fields(cause)
    match = _REPORTED.fullmatch(str(fields.get("errorMessage", "")))
    if match is None or match["name"] != error:
        return error, cause
    fields = {**fields, "errorType": match["own"], "errorMessage": match["message"]}
    return match["own"], json.dumps(fields)


def _fields(cause: str | None) -> dict[str, Any]:
    """Return the fields of a cause; only the message if it is incomplete, else none.

    Step Functions cuts a cause after 32,768 characters.
    """
    try:
        fields = json.loads(cause or "")
    except ValueError:
        match = _MESSAGE.match(cause or "")
        if match is None:
            return {}
        text = match["text"]
        # An escape at the end may be incomplete as well.
        tries = (text if text.endswith('"') else f'{text[: len(text) - n]}"' for n in range(13))
        for one in tries:
            try:
                return {"errorMessage": json.loads(one)}
            except ValueError:
                continue
        return {}
    return fields if isinstance(fields, dict) else {}


def message_of(cause: str) -> str:
    """Return the message in an event's cause: JSON of Lambda or Batch, or plain text.

    Args:
        cause: AWS's cause.
    """
    fields = _fields(cause)
    named = (fields[name] for name in ("errorMessage", "StatusReason") if name in fields)
    return str(next(named, cause))


def trace_of(cause: str) -> str:
    """Return the traceback of the step's own code in Lambda's cause; empty if there is none.

    Args:
        cause: AWS's cause.
    """
    fields = _fields(cause)
    lines = [str(line) for line in fields.get("stackTrace") or ()]
    if not lines or "errorType" not in fields:
        return ""
    end = f"{fields['errorType']}: {fields.get('errorMessage', '')}"
    # The lines of the runtime come before the step's own.
    own = max((index for index, line in enumerate(lines) if _RUNTIME in line), default=-1) + 1
    shown = "".join(lines[own:] or lines)
    return f"Traceback (most recent call last):\n{shown}{end}"


def short_traceback(error: BaseException) -> Any:
    """Return the innermost frames of an error's traceback that a state has room for."""
    import traceback

    frames, left = error.__traceback__, 0
    sizes = [nested_bytes(frame) for frame in traceback.format_tb(frames)]
    while sum(sizes[left:]) > LONGEST_JSON:
        left += 1
    for _ in range(left):
        frames = frames.tb_next if frames else None
    return frames


def is_final(name: str, catch: Mapping[str, Any]) -> bool:
    """Return whether an error of an item of a batch is caught, and not retried.

    Args:
        name: The name under which the error is reported.
        catch: As described in :mod:`.handler`.
    """
    known = {name, "States.ALL", "States.TaskFailed"}
    retrier = next((one for one in catch["again"] if known.intersection(one["errors"])), None)
    if retrier is not None and catch["attempt"] < retrier["retries"]:
        return False
    return bool(known.intersection(catch["errors"]))
