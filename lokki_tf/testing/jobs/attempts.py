"""An attempt: one run of a job's program, with the data that ``DescribeJobs`` returns."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

EXITED = "Essential container in task exited"


def now() -> int:
    """Return the current time in milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass
class Attempt:
    """One attempt of a job.

    Args:
        number: The number of the attempt, from 1.
        stream: The log stream of the program's output.
        task_arn: The ARN of the ECS task.
        started: The time when the program started, in milliseconds since 1970.
        stopped: The time when the program ended.
        exit_code: The exit code of the program.
        status_reason: The reason why the attempt ended.
        reason: Details about an error of the container.
    """

    number: int
    stream: str
    task_arn: str
    started: int | None = None
    stopped: int | None = None
    exit_code: int | None = None
    status_reason: str = EXITED
    reason: str = ""

    @property
    def container(self) -> dict[str, Any]:
        """The fields of the attempt in ``container`` of ``DescribeJobs``."""
        found: dict[str, Any] = {
            "exitCode": self.exit_code,
            "logStreamName": self.stream if self.started is not None else None,
            "networkInterfaces": [],
            "reason": self.reason or None,
            "taskArn": self.task_arn,
        }
        return {key: value for key, value in found.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        """Return the entry in ``attempts`` of ``DescribeJobs``."""
        times = {"startedAt": self.started, "stoppedAt": self.stopped}
        return {
            "container": self.container,
            **{key: value for key, value in times.items() if value is not None},
            "statusReason": self.status_reason,
        }
