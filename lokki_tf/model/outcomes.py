"""Outcomes of the nodes of a run, for display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

Status = OneOf["done", "cached", "skipped", "failed, caught", "failed", "interrupted", "not run"]


@dataclass(frozen=True, slots=True)
class MapItems:
    """The items of a map in a run.

    Args:
        total: Number of all items.
        failed: Number of items that have failed, caught ones included.
        first: Indices of the first failed items, as far as they are known; in a map inside a map,
            one index for each.
    """

    total: int
    failed: int = 0
    first: tuple[int | tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a node.

    Args:
        status: ``cached`` if the result is that of an earlier run, ``skipped`` if the node's
            condition was false, ``failed, caught`` if its result is a ``Failure``, ``interrupted``
            if it began and did not end.
        start: Its start, in seconds from the start of the run.
        end: Its end, in seconds from the start of the run.
        attempts: Number of attempts; 0 if it never began.
        items: Of a map: its items, if they are known.
    """

    status: Status
    start: float | None = None
    end: float | None = None
    attempts: int = 1
    items: MapItems | None = None

    @property
    def seconds(self) -> float | None:
        """Its duration, retries included; ``None`` if it has not begun and ended."""
        return None if self.start is None or self.end is None else self.end - self.start
