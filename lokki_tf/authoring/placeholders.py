"""Placeholders for values that exist only in a run."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, TypeVar, cast

from lokki_tf.errors import PlaceholderError
from lokki_tf.tracebacks import ends_at_caller

from .specs import CallSpec, ChainSpec, ParameterSpec, PartSpec, WaitSpec

S = TypeVar("S", CallSpec, ChainSpec, ParameterSpec, PartSpec, WaitSpec)


@ends_at_caller
class Placeholder(Generic[S]):
    """A value of a later run. It can be passed to steps, and raises when it is computed with.

    It has no public attributes of its own, since its attributes are those of the later value. What
    it represents is returned by :func:`spec_of`.
    """

    __slots__ = ("_spec",)
    _spec: S

    def __init__(self, spec: S) -> None:
        self._spec = spec

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        spec = spec_of(self)
        raise PlaceholderError(
            f"{spec.what} exists only when the pipeline runs",
            place=spec.place,
            remedy="do this in a step: pass it to a @step function and compute there",
        )

    def __eq__(self, other: object) -> bool:
        return other is self or self._refuse()

    __hash__ = object.__hash__
    __str__ = __bool__ = __contains__ = __call__ = _refuse
    __int__ = __float__ = __index__ = __format__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = __neg__ = __abs__ = _refuse
    __and__ = __or__ = __xor__ = __invert__ = __enter__ = __exit__ = __await__ = _refuse


def spec_of(placeholder: Placeholder[S]) -> S:
    """Return what a placeholder represents.

    Args:
        placeholder: The result of a call, a chain with open maps, or a parameter of a flow.
    """
    # Without __getattr__ of Selectable, which a copy that has no spec yet would call for ever.
    return cast("S", object.__getattribute__(placeholder, "_spec"))
