"""What is paid for: units of AWS by the parts of a pipeline."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .prices import Prices

KINDS = {
    "transition": "transitions",
    "express_request": "Express executions",
    "express_gb_second": "Express executions",
    "lambda_request": "Lambda",
    "lambda_x86_64_gb_second": "Lambda",
    "lambda_arm64_gb_second": "Lambda",
    "s3_put": "S3",
    "s3_get": "S3",
    "s3_gb_month": "S3",
    "log_gb": "logs",
    "fargate_vcpu_hour": "jobs",
    "fargate_gb_hour": "jobs",
}
"""What each unit of the prices belongs to."""


@dataclass(slots=True)
class Usage:
    """The units that a step, a map or the rest of the state machine uses in one run.

    Args:
        name: Of the step or map.
        calls: Calls of its function or job.
        seconds: Seconds that all calls take together.
        units: Amounts by unit of the prices.
    """

    name: str
    calls: float = 0.0
    seconds: float = 0.0
    units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, unit: str, amount: float) -> None:
        """Add an amount of a unit of the prices."""
        self.units[unit] += amount

    def add_lambda(self, architecture: str, calls: float, seconds: float, memory_mb: float) -> None:
        """Add calls of a function.

        Args:
            architecture: ``x86_64`` or ``arm64``.
            calls: Their number.
            seconds: Seconds of all calls together.
            memory_mb: The function's memory.
        """
        self.add("lambda_request", calls)
        self.add(f"lambda_{architecture}_gb_second", seconds * memory_mb / 1024)

    def usd(self, prices: Prices) -> float:
        """Return the price in US dollars."""
        return sum(prices.of[unit] * amount for unit, amount in self.units.items())

    def by_kind(self, prices: Prices) -> dict[str, float]:
        """Return prices in US dollars by kind: transitions, Lambda, S3 and so on."""
        found: defaultdict[str, float] = defaultdict(float)
        for unit, amount in self.units.items():
            found[KINDS[unit]] += prices.of[unit] * amount
        return found
