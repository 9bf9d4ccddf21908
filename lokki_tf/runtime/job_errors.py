"""The function that raises a failed job's own error, so that the execution fails with it.

A state that only fails (``Fail``) fails again after a redrive. This function is called by a Task,
which a redrive repeats; then it returns, and the state machine goes back to the job. Its event::

    {"node": "train", "at": "s3://bucket/runs/…/train",
     "batch": {"Error": "States.TaskFailed", "Cause": "…"}, "redrives": 0, "now": 0}

- ``at``: where the job writes its error, without its id and ending, see :mod:`.jobs`; events of
  earlier versions have the whole, ``error``;
- ``batch``: what Step Functions reports of the job;
- ``redrives``: the execution's redrives when the job failed, and ``now``, those so far.
"""

from __future__ import annotations

import json
import linecache
import re

from . import store
from .names import ERROR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FAILED = "States.TaskFailed"  # the error of a job that ran and failed
_ABSENT = ("NoSuchKey", "AccessDenied", "403", "404")
_FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+), in (?P<name>.*)\n(?P<code>.*)')


def handle(event: dict[str, Any], context: Any = None) -> None:
    """Raise the job's error, unless the execution was redriven since.

    Args:
        event: As described at the top of this module.
        context: Lambda's context.

    Raises:
        Exception: An instance of a class with the error's name; its traceback shows the frames of
            the job.
    """
    if event["now"] != event["redrives"]:
        return
    batch = event["batch"]
    report = _left(event) if batch["Error"] == FAILED else None
    if report is None:
        report = {"errorType": batch["Error"], "errorMessage": batch.get("Cause", "")}
    kind: type[Exception] = type(report["errorType"], (Exception,), {})
    raise traced(kind(report["errorMessage"]), report.get("stackTrace", ()))


def _left(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the job has written; ``None`` if its container never started."""
    from botocore.exceptions import ClientError

    try:
        uri = event.get("error")
        if uri is None:
            uri = f"{event['at']}.{json.loads(event['batch']['Cause'])['JobId']}.{ERROR}"
    except (ValueError, KeyError, TypeError):
        return None  # Batch has not accepted the job
    try:
        report: dict[str, Any] = json.loads(store.read(uri))
    except ClientError as error:
        # S3 returns 403 for a missing object to a role that may not list the bucket.
        if error.response["Error"]["Code"] not in _ABSENT:
            raise
        return None
    return report


def traced(error: Exception, frames: Iterable[str]) -> Exception:
    """Return the error with a traceback of these frames, whose files need not exist.

    Args:
        error: The error.
        frames: As :func:`traceback.format_tb` writes them, the innermost last.
    """
    for frame in reversed(list(frames)):
        match = _FRAME.match(frame)
        if match is None:
            continue
        file, line = match["file"], int(match["line"])
        _remember(file, line, match["code"].strip())
        code = compile("raise error", file, "exec")
        code = code.replace(
            co_name=match["name"],
            co_firstlineno=line,
            co_linetable=_without_columns(len(code.co_code) // 2),
        )
        try:
            exec(code, {"error": error})
        except type(error) as raised:
            around = raised.__traceback__
            error = raised.with_traceback(around.tb_next if around else None)
    return error


def _without_columns(units: int) -> bytes:
    """Return a location table with the first line and no columns, so that none is marked.

    Source: CPython's ``Objects/locations.md``: entries of kind 13, each for up to 8 code units.

    Args:
        units: Number of code units, of two bytes each.
    """
    whole, rest = divmod(units, 8)
    lengths = [8] * whole + [rest] * (rest > 0)
    return b"".join(bytes((0x80 | 13 << 3 | length - 1, 0)) for length in lengths)


def _remember(file: str, line: int, code: str) -> None:
    """Make tracebacks show the line of a file that does not exist here."""
    known = linecache.cache.get(file)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    lines += [""] * (line - len(lines))
    lines[line - 1] = f"{code}\n"
    linecache.cache[file] = (0, None, lines, file)
