"""What is handed to a step while a graph is written: literals, and placeholders anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import Group, Literal

from .placeholders import Placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.errors import Place

Argument = Literal | Group | Placeholder
"""An argument while a graph is written: placeholders stand where bindings will."""

_CONTAINERS: dict[type, Any] = {
    list: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    dict: "dict",
}


def argument(value: Any, place: Place) -> Argument:
    """A value as an argument: a placeholder, a container of some, or a literal.

    Args:
        value: What the user handed on.
        place: Where, for the error.

    Raises:
        BindingError: If it is a step that was not called.
    """
    if isinstance(value, Placeholder):
        placeholder: Placeholder = closed(value)
        return placeholder
    if getattr(value, "__lokki_step__", False):
        raise BindingError(
            f"step {value.__name__!r} is handed on without being called",
            place=place,
            remedy=f"call it: {value.__name__}(…)",
        )
    if type(value) in _CONTAINERS and _holds_placeholder(value):
        return _group(value, place)
    return Literal(value)


def closed(value: Any) -> Any:
    """A chain that ends in an open map stands for the map's result."""
    close = getattr(value, "_closed", None) if isinstance(value, Placeholder) else None
    return close() if close is not None else value


def _holds_placeholder(value: Any) -> bool:
    waiting, seen = [value], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:  # a container may hold itself
            continue
        seen.add(id(current))
        members = current.values() if type(current) is dict else current
        for member in members:
            if isinstance(member, Placeholder) or getattr(member, "__lokki_step__", False):
                return True
            if type(member) in _CONTAINERS:
                waiting.append(member)
    return False


def _group(value: Any, place: Place) -> Group:
    kind = _CONTAINERS[type(value)]
    members = list(value.values() if kind == "dict" else value)
    if kind in ("set", "frozenset"):
        members.sort(key=_steady)
    # Placeholders stand among the members until the builder puts bindings in their place.
    bindings: Any = tuple(argument(member, place) for member in members)
    return Group(kind, bindings, tuple(value) if kind == "dict" else ())


def _steady(member: Any) -> tuple[int, str]:
    """A sort key that is the same in every run, as a set's own order is not."""
    if isinstance(member, Placeholder):
        return member._created, ""
    return -1, f"{type(member).__name__} {member!r}"


def placeholders_in(one: Argument) -> Iterator[Placeholder]:
    """The placeholders inside an argument, in order, repeats included."""
    waiting: list[Any] = [one]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Placeholder):
            yield current
        elif isinstance(current, Group):
            waiting.extend(reversed(current.members))
