"""Nested visits of an execution: the states that it has entered."""

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
        attempts: The number of attempts.
        failure: What the last attempt raised, until it is known whether there is another.
        skipped: Whether the step's condition was false.
        answer: URI of a job's answer.
        asks: Whether the task only decides whether a job runs.
        is_job: Whether the task is a job of Batch.
        is_callback: Whether the task waits for an answer.
        job: The job whose error a task raises.
        raised: Whether that task has raised the error.
        moves: Of a function that moves values of a started pipeline: ``parameters`` or ``result``,
            and the node that starts it.
        map_run: ARN of a Distributed Map's run.
        total: How many items a map has.
        done: How many items have succeeded.
        failed: How many items have failed.
        map_error: Error and cause of a Distributed Map's run.
        item_error: The error of the step with which an inline map's last item has failed.
        is_reported: Whether the failure of a map has been reported.
        output: The output of a task's last attempt, as JSON.
        left: Details of the event with which the state was left.
        error: Error and cause of the last attempt, as AWS has them.
        last: Of a routed pipeline that is a node, the visit of its last step.
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
    is_job: bool = False
    is_callback: bool = False
    job: str | None = None
    raised: bool = False
    moves: tuple[str, str] | None = None
    map_run: str | None = None
    total: int | None = None
    done: int = 0
    failed: int = 0
    map_error: Mapping[str, Any] | None = None
    item_error: BaseException | None = None
    is_reported: bool = False
    output: str | None = None
    left: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    last: Visit | None = None


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """Item counts of a map.

    Args:
        total: All items.
        done: Items that have succeeded.
        failed: Items that have failed.
    """

    total: int
    done: int
    failed: int


def up(visit: Visit | None, *, kind: str | None = None, name: str | None = None) -> Visit | None:
    """Return the nearest enclosing visit, itself included, of a kind or a name."""
    while visit is not None:
        if kind in (None, visit.kind) and (
            name is None or visit.name == name or _again(visit, name)
        ):
            return visit
        visit = visit.outer
    return None


def _again(visit: Visit, name: str) -> bool:
    """Return whether a state runs a step under another name: a first step or a condition."""
    names = (f"{visit.name} again", f"{visit.name} after a", f"Condition of {visit.name}")
    return visit.kind in ("Task", "Aside") and name.startswith(names)
