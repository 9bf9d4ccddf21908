"""The result of an execution, as returned to tests by ``LocalAws.run`` and ``execute``."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TaskError:
    """An error that a task has in the place of a result, for ``LocalAws.mock``.

    Args:
        error: The error name, such as ``Glue.ConcurrentRunsExceededException``.
        cause: The description of the error.
    """

    error: str
    cause: str = ""


@dataclass(frozen=True)
class Execution:
    """An execution of a state machine that has ended.

    Args:
        arn: The execution's ARN.
        name: The execution's name.
        status: ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT`` or ``ABORTED``.
        output: The parsed output; None unless the execution succeeded.
        error: The error name, if the execution failed.
        cause: The description of the error, if the execution failed.
        history: The events, in the format of ``GetExecutionHistory``.
        duration: The duration in seconds.
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
        """Return a text with a shortened output, because notebooks store displayed values."""
        return (
            f"Execution(arn={self.arn!r}, status={self.status!r}, "
            f"output={reprlib.repr(self.output)}, error={self.error!r}, cause={self.cause!r})"
        )

    @property
    def succeeded(self) -> bool:
        """Whether the execution succeeded."""
        return self.status == "SUCCEEDED"

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> Execution:
        """Return the execution in a response of the server."""
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
