"""An execution as a test sees it when it has ended."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Execution:
    """How an execution of a state machine ended.

    Args:
        arn: its ARN.
        name: its name.
        status: ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``.
        output: its output, parsed; None unless it succeeded.
        error: the Error Name, if it failed.
        cause: the text that belongs to it.
        history: its events, as ``GetExecutionHistory`` returns them.
        duration: in seconds.
    """

    arn: str
    name: str
    status: str
    output: Any
    error: str | None
    cause: str | None
    history: list[dict[str, Any]]
    duration: float

    def __repr__(self) -> str:
        """Return it with its output shortened: a notebook keeps what a cell shows."""
        return (
            f"Execution(arn={self.arn!r}, status={self.status!r}, "
            f"output={reprlib.repr(self.output)}, error={self.error!r}, cause={self.cause!r})"
        )

    @property
    def succeeded(self) -> bool:
        """Whether it reached its end."""
        return self.status == "SUCCEEDED"

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Execution:
        """Read what the server tells of an execution."""
        output = description.get("output")
        return cls(
            arn=description["executionArn"],
            name=description["name"],
            status=description["status"],
            output=None if output is None else json.loads(output),
            error=description.get("error"),
            cause=description.get("cause"),
            history=description["history"],
            duration=description.get("stopDate", 0.0) - description["startDate"],
        )
