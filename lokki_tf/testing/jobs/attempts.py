"""One run of a job's program, as ``DescribeJobs`` shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

EXITED = "Essential container in task exited"


def now() -> int:
    """Return this moment in milliseconds."""
    return int(time.time() * 1000)


@dataclass
class Attempt:
    """One attempt.

    Args:
        number: from 1.
        stream: the log stream of its output.
        task_arn: the ARN of its task.
        started: when its program began.
        stopped: when it ended.
        exit_code: how its program ended.
        status_reason: why it ended.
        reason: what the container says to that.
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
        """What it adds to the container of ``DescribeJobs``."""
        found: dict[str, Any] = {
            "exitCode": self.exit_code,
            "logStreamName": self.stream if self.started is not None else None,
            "networkInterfaces": [],
            "reason": self.reason or None,
            "taskArn": self.task_arn,
        }
        return {key: value for key, value in found.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        """Return it as one of the ``attempts`` of ``DescribeJobs``."""
        times = {"startedAt": self.started, "stoppedAt": self.stopped}
        return {
            "container": self.container,
            **{key: value for key, value in times.items() if value is not None},
            "statusReason": self.status_reason,
        }
