"""Placeholders for values that exist only in a run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NoReturn

from lokki_tf.errors import PlaceholderAttributeError, PlaceholderError
from lokki_tf.tracebacks import ends_at_caller

if TYPE_CHECKING:
    from lokki_tf.errors import Place

_creation = itertools.count()


@ends_at_caller
class Placeholder:
    """A value of a later run. It can be passed to steps, and raises when it is computed with."""

    _place: Place

    def __init__(self, place: Place) -> None:
        self._place = place
        self._created = next(_creation)

    def _what(self) -> str:
        """Return what it represents, for the beginning of a sentence."""
        raise NotImplementedError

    def _refuse(self, *_: Any) -> NoReturn:
        raise PlaceholderError(
            f"{self._what()} exists only when the pipeline runs",
            place=self._place,
            remedy="do this in a step: pass it to a @step function and compute there",
        )

    def __getattr__(self, name: str) -> Any:
        # An AttributeError, so that hasattr() works, and notebooks can look for optional methods.
        raise PlaceholderAttributeError(
            f"{self._what()} exists only when the pipeline runs, "
            f"so .{name} must be read inside a step",
            place=self._place,
        )

    def __eq__(self, other: object) -> bool:
        return other is self or self._refuse()

    __hash__ = object.__hash__
    __str__ = __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _refuse
    __int__ = __float__ = __index__ = __format__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = __neg__ = __abs__ = _refuse
    __and__ = __or__ = __xor__ = __invert__ = __enter__ = __exit__ = __await__ = _refuse


@ends_at_caller
class FlowArgument(Placeholder):
    """A parameter of a flow, while the flow is built.

    Args:
        name: Name of the parameter.
        place: Source location of the flow.
    """

    def __init__(self, name: str, place: Place) -> None:
        super().__init__(place)
        self._name = name

    def _what(self) -> str:
        return f"the flow parameter {self._name!r}"

    def __repr__(self) -> str:
        return f"<flow parameter {self._name!r}>"


class ItemArgument(Placeholder):
    """The item of a map, while the map's body is built."""

    def _what(self) -> str:
        return "the item of a map"
