"""Pickles with the same bytes in every run, where pickle's own differ."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

_SET_OPCODES = (pickle.EMPTY_SET, pickle.FROZENSET)  # a pickle without these bytes contains no set


def steady_pickle(value: Any, pickled: Callable[..., bytes]) -> bytes:
    """Pickle a value with the same bytes in every run.

    Args:
        value: Any value.
        pickled: Pickles a value, with a pickler of the given class.

    Raises:
        Exception: Any error of pickle, for a value that cannot be pickled.
    """
    data = pickled(value)
    return pickled(value, _Steady) if any(code in data for code in _SET_OPCODES) else data


class _Steady(pickle._Pickler):
    """Pickles sets in a fixed order, which otherwise changes from one Python process to the next.

    The pickler in C has no hook for sets. This one in Python has, but its table of types is not a
    documented interface.
    """

    dispatch: ClassVar[Any] = dict(pickle._Pickler.dispatch)

    def save_sorted(self, value: set[Any] | frozenset[Any]) -> None:
        members = sorted(value, key=lambda member: (type(member).__name__, repr(member)))
        save_reduce: Any = getattr(self, "save_reduce")  # noqa: B009  # unknown to the stubs
        save_reduce(type(value), (members,), obj=value)

    dispatch[set] = dispatch[frozenset] = save_sorted
