"""What became of the nodes of a run, for those who show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

Status = OneOf["done", "cached", "skipped", "failed", "interrupted", "not run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a node.

    Args:
        status: ``cached`` where the result is that of an earlier run, ``skipped`` where the
            node's condition was false, ``interrupted`` where it began and did not end.
        start: When it began, in seconds from the start of the run.
        end: When it ended.
        attempts: How often it was tried; 0 if it never began.
    """

    status: Status
    start: float | None = None
    end: float | None = None
    attempts: int = 1

    @property
    def seconds(self) -> float | None:
        """How long it took, retries included; ``None`` if it has not begun and ended."""
        return None if self.start is None or self.end is None else self.end - self.start
