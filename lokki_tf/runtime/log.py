"""The log of a step in Lambda: one JSON object per line, on stdout.

The names of events are those of local logs: ``step_start``, ``step_end``, ``step_skip``,
``step_fail``. It does not use :mod:`logging`, whose import takes milliseconds at every cold start.
"""

from __future__ import annotations

import json
import os
import sys
from time import gmtime, perf_counter, strftime, time

from .names import STEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "SYSTEM": 22, "SUCCESS": 25, "WARNING": 30, "ERROR": 40}

OWN = "_lokki_own"
"""Attribute of an error that is reported under another name: the original error."""
NO_TEXT = "(its text cannot be made)"
"""The text of an error whose ``__str__`` raises."""


class StepLog:
    """Logs one call of a step.

    Args:
        event: The event of the call; its ``log_level``, or the variable ``LOKKI_LOG_LEVEL``, is the
            lowest level that is written, else ``INFO``.
        context: Lambda's context, if any.
        item_path: Inside a map, the item path; the field ``place`` of lines.
    """

    def __init__(
        self, event: dict[str, Any], context: Any = None, item_path: str | None = None
    ) -> None:
        named = event.get("log_level") or os.environ.get("LOKKI_LOG_LEVEL") or "INFO"
        self._lowest = LEVELS.get(str(named).upper(), LEVELS["INFO"])
        request = getattr(context, "aws_request_id", None)
        about = {"run": event.get("run"), "node": event["node"]}
        about |= {"place": item_path, "request": request}
        step = os.environ.get(STEP)
        about |= {"step": step} if step != event["node"] else {}
        if "context" in event:
            about["attempt"] = event["context"]["attempt"] + 1
        self._asks = "asks" in event
        self._about = {name: value for name, value in about.items() if value is not None}
        self._began = perf_counter()

    def start(self) -> None:
        """Log that the call begins."""
        if not self._asks:  # else the job logs it, if it runs
            self._write("INFO", "step_start")

    def end(self, result: dict[str, Any]) -> None:
        """Log that the call has a result.

        Args:
            result: Its envelope.
        """
        if "skipped" in result:
            self._write("INFO", "step_skip", duration=self._took(), status="skipped")
            return
        if "met" in result:
            return  # the job that follows writes its own
        kinds = {"value": "inline", "ref": "reference", "items": "items"}
        kind = next((kinds[key] for key in kinds if key in result), None)
        self._write("INFO", "step_end", duration=self._took(), status="success", result=kind)

    def fail(self, error: BaseException) -> None:
        """Log that the call has raised.

        Args:
            error: The error; Lambda itself writes the traceback.
        """
        error = getattr(error, OWN, error)
        text = f"{type(error).__qualname__}: {text_of(error)}"
        self._write("ERROR", "step_fail", duration=self._took(), status="failed", error=text)

    def _took(self) -> float:
        return round(perf_counter() - self._began, 6)

    def _write(self, level: str, event: str, **more: Any) -> None:
        if LEVELS[level] < self._lowest:
            return
        now = time()
        stamp = f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(now))}.{int(now % 1 * 1000):03d}Z"
        line = {"level": level, "ts": stamp, "event": event, **self._about, **more}
        try:
            # One write, so that lines of threads are not mixed.
            sys.stdout.write(json.dumps(line, default=str) + "\n")
            sys.stdout.flush()
        except Exception:
            return  # a step may close or replace stdout; its result is more important


def text_of(error: BaseException) -> str:
    """Return an error's text, even if its ``__str__`` raises."""
    try:
        return str(error)
    except Exception:
        return NO_TEXT
