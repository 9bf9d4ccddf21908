"""The states that an execution has entered, each a visit, one inside the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class Visit:
    """A state that was entered, or an iteration of a map.

    Args:
        kind: ``Task``, ``Map``, ``Parallel`` and so on; ``Iteration``.
        name: The state's name, and then the node's.
        item: Index of the item around it.
        outer: The visit that contains it; ``None`` for the execution itself.
        began: When it was entered, or when its last attempt began.
        attempts: How many there were.
        failure: What the last attempt raised, until it is known whether there is another.
        skipped: Whether the step's condition was false.
        answer: URI of a job's answer.
        asks: Whether the task only decides whether a job runs.
        job: The job whose error a task raises.
        map_run: ARN of a Distributed Map's run.
        total: How many items a map has.
        done: How many have succeeded.
        failed: How many have not.
        told: Error and cause of a Distributed Map's run.
        is_told: Whether the failure of a map has been reported.
    """

    kind: str
    name: str
    item: int | None
    outer: Visit | None
    began: float
    attempts: int = 0
    failure: tuple[BaseException, float] | None = None
    skipped: bool = False
    answer: str | None = None
    asks: bool = False
    job: str | None = None
    map_run: str | None = None
    total: int | None = None
    done: int = 0
    failed: int = 0
    told: Mapping[str, Any] | None = None
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How far a Distributed Map is.

    Args:
        total: Its items.
        done: Those that have succeeded.
        failed: Those that have not.
    """

    total: int
    done: int
    failed: int


def up(visit: Visit | None, *, kind: str | None = None, name: str | None = None) -> Visit | None:
    """The nearest visit around, itself included, of a kind or a name."""
    while visit is not None:
        if kind in (None, visit.kind) and (
            name is None or visit.name == name or _again(visit, name)
        ):
            return visit
        visit = visit.outer
    return None


def _again(visit: Visit, name: str) -> bool:
    """Whether a state is a step's under another name: a routed pipeline's first, a condition."""
    names = (f"{visit.name} again", f"Condition of {visit.name}")
    return visit.kind in ("Task", "Aside") and name.startswith(names)
