"""Comparison of two annotations: whether they certainly contradict each other.

Source: PEP 483 and PEP 484, including the numeric tower: an ``int`` is accepted as a ``float``.
Unlike a type checker, this accepts values that may have a fitting class: a value annotated as
``object`` or a base class may be of a subclass.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

from .shapes import Shape, elements, is_mapping, shapes_of, unpacks, variadic

_MOST_SUBCLASSES = 2_000
_USUAL = (str, bytes, int, float, tuple, list, dict, set, frozenset, types.NoneType)


def contradicts(promised: Any, wanted: Any, *, exact: bool = False) -> bool:
    """Return whether no value with one annotation can fit the other.

    Args:
        promised: The annotation of a value's source.
        wanted: The annotation of the parameter that receives the value.
        exact: Whether ``promised`` is the exact class of a known value.
    """
    try:
        return _contradict(promised, wanted, exact, deep=True)
    except Exception:  # an annotation may be any object, and its class may break issubclass
        return False


def _contradict(promised: Any, wanted: Any, exact: bool, *, deep: bool) -> bool:
    given, taken = shapes_of(promised), shapes_of(wanted)
    if not given or not taken:
        return False
    return not any(_fits(one, other, exact, deep) for one in given for other in taken)


def _fits(given: Shape, taken: Shape, exact: bool, deep: bool) -> bool:
    if not _related(given.kind, taken.kind, exact):
        return False
    return not deep or not given.args or not taken.args or _args_fit(given, taken)


def _args_fit(given: Shape, taken: Shape) -> bool:
    """Return whether the arguments in brackets fit, one level deep."""
    if any(map(unpacks, (*given.args, *taken.args))):
        return True
    if given.kind is tuple and taken.kind is tuple and not variadic(given) and not variadic(taken):
        return len(given.args) == len(taken.args) and _all_fit(given.args, taken.args)
    if is_mapping(given.kind) and is_mapping(taken.kind):
        return _all_fit(given.args, taken.args)
    if given.kind is taken.kind and given.kind is not tuple:
        return len(given.args) != len(taken.args) or _all_fit(given.args, taken.args)
    return not any(
        _contradict(one, other, False, deep=False)
        for one in elements(given)
        for other in elements(taken)
    )


def _all_fit(given: tuple[Any, ...], taken: tuple[Any, ...]) -> bool:
    # A Counter has no second argument, so the other's is not compared.
    pairs = zip(given, taken, strict=False)
    return not any(_contradict(one, other, False, deep=False) for one, other in pairs)


def _related(given: type, taken: type, exact: bool) -> bool:
    """Return whether a value of one class may fit where the other class is expected."""
    if issubclass(given, taken) or (not exact and issubclass(taken, given)):
        return True
    # A notebook's cell that runs again makes a new class with the same name.
    if (given.__module__, given.__qualname__) == (taken.__module__, taken.__qualname__):
        return True
    if _of_numbers(given, taken) or (taken is bytes and given in (bytearray, memoryview)):
        return True
    return not exact and not _builtin(given) and not _builtin(taken) and _meet(given, taken)


def _of_numbers(given: type, taken: type) -> bool:
    if taken is float or taken is complex:
        lower = (int,) if taken is float else (int, float)
        if issubclass(given, lower):
            return True
    numbers = sys.modules.get("numbers")  # other number classes require it
    if numbers is None or (_builtin(given) and _builtin(taken)):
        return False
    return issubclass(given, numbers.Complex) and issubclass(taken, numbers.Complex)


def _builtin(kind: type) -> bool:
    return kind.__module__ == "builtins"


def _meet(one: type, other: type) -> bool:
    """Return whether any class is a subclass of both, as tuple is of Hashable and Sequence."""
    if any(issubclass(usual, one) and issubclass(usual, other) for usual in _USUAL):
        return True
    return any(issubclass(below, other) for below in _subclasses(one))


def _subclasses(kind: type) -> Iterator[type]:
    waiting, seen = [kind], {kind}
    while waiting and len(seen) < _MOST_SUBCLASSES:
        nearest: list[type] = type.__subclasses__(waiting.pop())
        for below in nearest:
            if below not in seen:
                seen.add(below)
                waiting.append(below)
                yield below
