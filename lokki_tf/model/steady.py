"""Values as bytes that are the same in every run, where pickle's own are not."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

_SET_OPCODES = (pickle.EMPTY_SET, pickle.FROZENSET)  # without these bytes, there is no set inside


def steady_pickle(value: Any, pickled: Callable[..., bytes]) -> bytes:
    """The value as a pickle that is the same in every run.

    Args:
        value: Any.
        pickled: Makes the pickle of a value, by a pickler of the class that it is given.

    Raises:
        Exception: Whatever pickle raises for a value that it cannot take.
    """
    data = pickled(value)
    return pickled(value, _Steady) if any(code in data for code in _SET_OPCODES) else data


class _Steady(pickle._Pickler):
    """Pickles sets in a fixed order; their own changes from one Python process to the next.

    The pickler in C offers no hook for sets, so this one in Python, whose table of types
    is not part of its declared interface.
    """

    dispatch: ClassVar[Any] = dict(pickle._Pickler.dispatch)

    def save_sorted(self, value: set[Any] | frozenset[Any]) -> None:
        members = sorted(value, key=lambda member: (type(member).__name__, repr(member)))
        save_reduce: Any = getattr(self, "save_reduce")  # noqa: B009  # unknown to the stubs
        save_reduce(type(value), (members,), obj=value)

    dispatch[set] = dispatch[frozenset] = save_sorted
