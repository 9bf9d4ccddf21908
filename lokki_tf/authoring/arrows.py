"""Arrows (``>>``) between tasks, parts of their results, and waits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.tracebacks import ends_at_caller

from .nesting import is_pipeline, place_pipeline
from .places import calling_place

if TYPE_CHECKING:
    from collections.abc import Iterable

_drawing = itertools.count(1)
_drawn = 0


def arrows_drawn() -> int:
    """Return the number of arrows so far: while it is the same, no graph of tasks has changed."""
    return _drawn


class Arrowed:
    """What arrows connect."""

    edges_in: dict[Any, int]
    """What is before it, or parts of that, each with the number of its arrow."""
    edges_out: dict[Any, int]

    def draw(self) -> None:
        """Begin without arrows."""
        self.edges_in, self.edges_out = {}, {}


class ArrowPart:
    """The left side of an arrow that passes a part of a task's result."""

    task: Any


@ends_at_caller
class ArrowList(list[Any]):
    """Parallel tasks, so that ``>>`` continues from a list to a list."""

    def __rshift__(self, other: Any) -> Any:
        return join(self, other)


def join(before: Any, after: Any, kind: type[ArrowList] = ArrowList) -> Any:
    """Add an arrow from each task on the left to each on the right.

    Args:
        before: A task or a wait, or several in a list, tuple or set.
        after: The same.
        kind: The class of several on the right side, for type checkers.

    Returns:
        The right side, so that the next ``>>`` continues from there.

    Raises:
        BindingError: If something is not a task.
    """
    global _drawn
    sources, targets = _members(before, parts=True), _members(after)
    for target in targets:
        for source in sources:
            # An arrow that is added again moves to the end: the latest version of a cell counts.
            target.edges_in.pop(source, None)
            _drawn = next(_drawing)
            target.edges_in[source] = task_of(source).edges_out[target] = _drawn
    return after if isinstance(after, Arrowed) else kind(targets)


def task_of(source: Any) -> Any:
    """Return the task or wait at the left side of an arrow."""
    return source.task if isinstance(source, ArrowPart) else source


def wrapped_task(value: Any) -> Any:
    """Return the task that a decorator has made a function around; ``None`` for other values."""
    inner, depth = value, 0
    while inner is not None and not isinstance(inner, Arrowed):
        inner, depth = getattr(inner, "__dict__", {}).get("__wrapped__"), depth + 1
    return inner if depth and not is_pipeline(inner) else None


def hidden(inner: Any) -> BindingError:
    """Return the error for a task that :func:`wrapped_task` has found."""
    return BindingError(
        f"a decorator is above @task of {inner.step.name!r}: it makes a function of the task",
        place=inner.step.place,
        remedy="write that decorator below @task",
    )


def _members(side: Any, *, parts: bool = False) -> list[Any]:
    """Return the tasks at one side of an arrow; with ``parts``, parts of tasks are accepted."""
    members: Iterable[Any] = list(side) if isinstance(side, list | tuple) else [side]
    for one in members:
        if is_pipeline(one):
            place_pipeline(one, calling_place())
        inner = wrapped_task(one)
        if inner is not None:
            raise hidden(inner)
        if not isinstance(one, Arrowed) and not (parts and isinstance(one, ArrowPart)):
            raise BindingError(
                f">> requires tasks, waits or lists of these, got {one!r}",
                place=calling_place(),
                remedy="put @task on the function, and use it without calling it",
            )
    if not members:
        raise BindingError(">> has an empty list on one side", place=calling_place())
    return list(members)
