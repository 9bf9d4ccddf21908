"""A Map Run: one run of a Distributed Map, with the data that ``DescribeMapRun`` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic

from lokki_tf.testing.state_machines.children import Children, E
from lokki_tf.testing.state_machines.statuses import FAILED, RUNNING, TIMED_OUT
from lokki_tf.testing.state_machines.values import Json

_NAMES = {TIMED_OUT: "timedOut"}


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
        return self.exceeded_if_set(failed, total)

    def exceeded_if_set(self, failed: int, total: int) -> bool:
        """Return whether the state sets a tolerance, and more items have failed."""
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
        definition: The states that the children run.
    """

    arn: str
    execution_arn: str
    state_machine_arn: str
    concurrency: int
    tolerance: Tolerance
    is_express: bool = False
    definition: Mapping[str, Json] = field(default_factory=dict)
    status: str = field(default=RUNNING, init=False)
    children: Children[E] = field(init=False)
    """The child executions, one for each item or batch."""
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    stop_date: datetime | None = field(default=None, init=False)
    redrives: int = field(default=0, init=False)
    """How often the Map Run was redriven."""

    @property
    def executions_prefix(self) -> str:
        """What the ARNs of the children begin with."""
        kind = "express" if self.is_express else "execution"
        return self.state_machine_arn.replace(":stateMachine:", f":{kind}:") + ":"

    def end(self, status: str) -> None:
        """Record the end of the Map Run with its status."""
        self.status = status
        self.stop_date = datetime.now(UTC)

    def too_many_failed(self) -> bool:
        """Return whether more items have failed than are tolerated."""
        counts = self.children.counts(items=True)
        return self.tolerance.exceeded(counts[FAILED] + counts[TIMED_OUT], sum(counts.values()))

    def item(self) -> dict[str, Json]:
        """Return the entry of the Map Run in the response of ``ListMapRuns``."""
        found = {
            "executionArn": self.execution_arn,
            "mapRunArn": self.arn,
            "stateMachineArn": self.state_machine_arn,  # with the label, observed
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
            "itemCounts": self._counts(items=True),
            "executionCounts": self._counts(items=False),
            "redriveCount": self.redrives,
        }
        return {key: value for key, value in found.items() if value is not None}

    def _counts(self, *, items: bool) -> dict[str, int]:
        found = self.children.counts(items=items)
        counts = {_NAMES.get(status, status.lower()): count for status, count in found.items()}
        total = sum(counts.values())
        return {
            **counts,
            "total": total,
            # Without a ResultWriter, too, as AWS answers, observed.
            "resultsWritten": total - counts["pending"] - counts["running"],
            "failuresNotRedrivable": 0,
            "pendingRedrive": 0,
        }
