"""Steps with equal names: one whose cell was run twice, or two different ones."""

from __future__ import annotations

import linecache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import NamingError
from lokki_tf.model.cells import is_cell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.model import Step

    from .specs import CallSpec

_PLAIN = {bool, int, float, str, bytes, type(None)}


def one_a_name(calls: Iterable[CallSpec]) -> dict[Step, Step]:
    """Map each called step to the one that is used for it.

    Args:
        calls: All calls, in the order in which they were written.

    Raises:
        NamingError: If two different steps share a name.
    """
    first: dict[tuple[str, bool], CallSpec] = {}
    found: dict[Step, Step] = {}
    for call in calls:
        step = call.step
        # A pipeline that is started may have the name of a step: it has no function.
        other = first.setdefault((step.name, step.starts is not None), call)
        if step in found:
            continue
        if other.step is not step and not is_same(other.step, step):
            raise NamingError(
                f"two different steps are named {step.name!r}: "
                f"one at {other.step.place}, one at {step.place}",
                place=step.place,
                remedy=_remedy(other, call),
            )
        found[step] = other.step
    return found


def _remedy(*calls: CallSpec) -> str:
    for call in calls:
        if _is_replaced(call.step):
            return f"run the cell of {call.place} again: the step that it calls was replaced"
    if any(call.step.starts is not None for call in calls):
        return 'give one a name of its own: start_pipeline(…, name="…")'
    return 'give one a name of its own: @step(name="…")'


def _is_replaced(step: Step) -> bool:
    """Return whether a cell has assigned another step to the step's name since."""
    function: Any = step.function
    if not isinstance(function, FunctionType) or not is_cell(function.__code__.co_filename):
        return False
    current = getattr(function.__globals__.get(function.__name__), "step", None)
    return current is not None and current is not step


def is_same(one: Step, other: Step) -> bool:
    """Return whether two steps come from one cell, which was run twice without changes."""
    first, second = one.function, other.function
    return (
        isinstance(first, FunctionType)
        and isinstance(second, FunctionType)
        and first.__globals__ is second.__globals__
        and first.__code__ == second.__code__
        and not (first.__closure__ or second.__closure__)
        and _cell(first) == _cell(second) != ""
        and _have_same_defaults(first, second)
        and one.options == other.options
    )


def _cell(function: FunctionType) -> str:
    """Return the text of the cell that contains a function, else an empty string."""
    filename = function.__code__.co_filename
    return "".join(linecache.getlines(filename)) if is_cell(filename) else ""


def _have_same_defaults(one: FunctionType, other: FunctionType) -> bool:
    first, second = _defaults(one), _defaults(other)
    return all(type(value) in _PLAIN for value in first.values()) and first == second


def _defaults(function: FunctionType) -> dict[Any, Any]:
    return {**dict(enumerate(function.__defaults__ or ())), **(function.__kwdefaults__ or {})}
