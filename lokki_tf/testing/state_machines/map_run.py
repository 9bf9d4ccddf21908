"""A Map Run: one run of a Distributed Map, with the data that ``DescribeMapRun`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from lokki_tf.testing.state_machines.statuses import PENDING, RUNNING
from lokki_tf.testing.state_machines.values import Json


class HasStatus(Protocol):
    """What a Map Run requires of its children."""

    @property
    def status(self) -> str:
        """The status of the execution."""


E = TypeVar("E", bound=HasStatus)

_COUNTS = {"SUCCEEDED": "succeeded", "FAILED": "failed", "TIMED_OUT": "timedOut"}


@dataclass(frozen=True)
class Tolerance:
    """How many items may fail before the Map Run fails.

    Args:
        count: The largest number of failed items; negative if the state sets no number.
        percentage: The largest percentage of failed items; negative if the state sets none.
    """

    count: float
    percentage: float

    def exceeded(self, failed: int, total: int) -> bool:
        """Return whether more items have failed than are tolerated."""
        if self.count < 0 and self.percentage < 0:
            return failed > 0
        return 0 <= self.count < failed or 0 <= self.percentage < failed * 100 / max(total, 1)


@dataclass
class MapRun(Generic[E]):
    """One run of a Distributed Map.

    Args:
        arn: The ARN of the Map Run.
        execution_arn: The ARN of the execution that contains the Map state.
        state_machine_arn: The state machine ARN of the children, which ends in ``/`` and the label.
        concurrency: The number of children that may run at a time; 0 for no limit.
        tolerance: How many items may fail.
        is_express: Whether the children are Express executions.
    """

    arn: str
    execution_arn: str
    state_machine_arn: str
    concurrency: int
    tolerance: Tolerance
    is_express: bool = False
    status: str = field(default=RUNNING, init=False)
    children: list[E] = field(default_factory=list, init=False)
    """The child executions, one for each item or batch."""
    weights: list[int] = field(default_factory=list, init=False)
    """The number of items of each child."""
    begun: set[int] = field(default_factory=set, init=False)
    """The positions of the children that have started."""
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    stop_date: datetime | None = field(default=None, init=False)
    results_written: bool = field(default=False, init=False)
    redrives: int = field(default=0, init=False)
    """How often the Map Run was redriven."""

    def end(self, status: str) -> None:
        """Record the end of the Map Run with its status."""
        self.status = status
        self.stop_date = datetime.now(UTC)

    def too_many_failed(self) -> bool:
        """Return whether more items have failed than are tolerated."""
        failed = sum(
            weight
            for child, weight in zip(self.children, self.weights, strict=True)
            if child.status in ("FAILED", "TIMED_OUT")
        )
        return self.tolerance.exceeded(failed, sum(self.weights))

    def item(self) -> dict[str, Json]:
        """Return the entry of the Map Run in the response of ``ListMapRuns``."""
        found = {
            "executionArn": self.execution_arn,
            "mapRunArn": self.arn,
            "stateMachineArn": self.state_machine_arn.rpartition("/")[0],
            "startDate": self.start_date,
            "stopDate": self.stop_date,
        }
        return {key: value for key, value in found.items() if value is not None}

    def describe(self) -> dict[str, Json]:
        """Return the response of ``DescribeMapRun``."""
        found = {
            "mapRunArn": self.arn,
            "executionArn": self.execution_arn,
            "status": self.status,
            "startDate": self.start_date,
            "stopDate": self.stop_date,
            "maxConcurrency": self.concurrency,
            "toleratedFailurePercentage": max(self.tolerance.percentage, 0.0),
            "toleratedFailureCount": int(max(self.tolerance.count, 0)),
            "itemCounts": self._counts(self.weights),
            "executionCounts": self._counts([1] * len(self.children)),
            "redriveCount": self.redrives,
        }
        return {key: value for key, value in found.items() if value is not None}

    def status_of(self, position: int) -> str:
        """Return a child's status, or ``PENDING`` if it has not started."""
        return self.children[position].status if position in self.begun else PENDING

    def _counts(self, weights: list[int]) -> dict[str, int]:
        names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted")
        counts = dict.fromkeys(names, 0)
        for position, weight in enumerate(weights):
            status = self.status_of(position)
            counts[_COUNTS.get(status, status.lower())] += weight
        written = sum(weights) - counts["pending"] if self.results_written else 0
        return {
            **counts,
            "total": sum(weights),
            "resultsWritten": written,
            "failuresNotRedrivable": 0,
            "pendingRedrive": 0,
        }
