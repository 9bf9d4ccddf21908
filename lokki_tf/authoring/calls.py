"""Calls that carry data: what a step's call returns, and how calls are handed on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NoReturn

from lokki_tf.errors import BindingError, PlaceholderError
from lokki_tf.model import Group, Literal, RetryConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.errors import Place
    from lokki_tf.model import Step

_creation = itertools.count()


class Call:
    """The result that a step will have in a run, and a node of a graph until then.

    Hand it to other steps as an argument, alone or inside lists, tuples, sets and dicts.
    It refuses to be computed with, since its value does not exist yet.
    """

    def __init__(
        self,
        step: Step,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        retry: RetryConfig,
        place: Place,
    ) -> None:
        self._step = step
        self._args = tuple(_argument(value, place) for value in args)
        self._kwargs = {name: _argument(value, place) for name, value in kwargs.items()}
        self._after: list[Call] = []
        self._retry = retry
        self._place = place
        self._created = next(_creation)

    def after(self, *calls: Any) -> Call:
        """Makes this call wait for others whose results it does not take.

        Args:
            calls: Calls of steps.

        Returns:
            The call itself.

        Raises:
            BindingError: If one is no call of a step.
        """
        for call in calls:
            if not isinstance(call, Call):
                raise BindingError(
                    f"after() takes calls of steps, and {call!r} is none",
                    place=self._place,
                    remedy="call the step first: b = second(); b.after(first())",
                )
            self._after.append(call)
        return self

    def __repr__(self) -> str:
        return f"<call of step {self._step.name!r} at {self._place}>"

    def _refuse(self, *_: Any) -> NoReturn:
        raise PlaceholderError(
            f"the result of step {self._step.name!r} exists only when the pipeline runs",
            place=self._place,
            remedy="do this in a step: hand the result to a @step function and compute there",
        )

    def __getattr__(self, name: str) -> NoReturn:
        # An AttributeError, so that hasattr() and notebooks may ask for what is not there.
        raise AttributeError(
            f"the result of step {self._step.name!r} exists only when the pipeline runs, "
            f"so .{name} must be read inside a step\n  at {self._place}"
        )

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _refuse
    __int__ = __float__ = __index__ = __format__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __rtruediv__ = __floordiv__ = __mod__ = __pow__ = __matmul__ = __neg__ = __abs__ = _refuse
    __and__ = __or__ = __xor__ = __invert__ = __enter__ = __exit__ = __await__ = _refuse


Argument = Literal | Group | Call
"""An argument while a graph is written: calls stand where outputs will."""


def _argument(value: Any, place: Place) -> Argument:
    if isinstance(value, Call):
        return value
    if getattr(value, "__lokki_step__", False):
        raise BindingError(
            f"step {value.__name__!r} is handed on without being called",
            place=place,
            remedy=f"call it: {value.__name__}(…)",
        )
    if type(value) in _CONTAINERS and _holds_call(value):
        return _group(value, place)
    return Literal(value)


_CONTAINERS: dict[type, Any] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
}


def _holds_call(value: Any) -> bool:
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:  # a container may hold itself
            continue
        seen.add(id(current))
        members = current.values() if type(current) is dict else current
        for member in members:
            if isinstance(member, Call) or getattr(member, "__lokki_step__", False):
                return True
            if type(member) in _CONTAINERS:
                waiting.append(member)
    return False


def _group(value: Any, place: Place) -> Group:
    kind = _CONTAINERS[type(value)]
    members = list(value.values() if kind == "dict" else value)
    if kind in ("set", "frozenset"):
        members.sort(key=_steady)
    # Calls stand among the members until the builder puts outputs in their place.
    bindings: Any = tuple(_argument(member, place) for member in members)
    return Group(kind, bindings, tuple(value) if kind == "dict" else ())


def _steady(member: Any) -> tuple[int, str]:
    """A sort key that is the same in every run, as a set's own order is not."""
    if isinstance(member, Call):
        return member._created, ""
    return -1, f"{type(member).__name__} {member!r}"


def calls_in(argument: Argument) -> Iterator[Call]:
    """The calls inside an argument, in order, repeats included."""
    waiting: list[Any] = [argument]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Call):
            yield current
        elif isinstance(current, Group):
            waiting.extend(reversed(current.members))
