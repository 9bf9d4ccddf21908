"""The classes that a value with an annotation may have."""

from __future__ import annotations

import types
import typing
from abc import ABCMeta
from collections import abc
from typing import Any, NamedTuple

# The first argument of these is the value's annotation.
_AROUND = (typing.Annotated, typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)
_SILENT = (object, Any, typing.Generic, abc.Callable)
_WITH_ITEMS = (abc.Iterable, abc.Container, abc.AsyncIterable)
_STANDARD = ("builtins", "collections", "collections.abc")
# Classes with items whose annotation is not an argument.
_PLAIN_ITEMS: dict[type, type] = {
    str: str, bytes: int, bytearray: int, memoryview: int, range: int,
}  # fmt: skip


class Shape(NamedTuple):
    """A class that a value may have, with its arguments in brackets."""

    kind: type
    args: tuple[Any, ...] = ()


def shapes_of(hint: Any) -> tuple[Shape, ...]:
    """Return the possible classes of a value; empty if they are unknown.

    Args:
        hint: An annotation, resolved if possible.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        found = [shapes_of(one) for one in args]
        return tuple(shape for some in found for shape in some) if all(found) else ()
    if origin is typing.Literal:
        return tuple(Shape(type(value)) for value in args)
    if any(origin is one for one in _AROUND):
        return shapes_of(args[0])
    if hint is None:
        return (Shape(types.NoneType),)
    if isinstance(hint, typing.NewType):
        return shapes_of(hint.__supertype__)
    if type(hint).__name__ == "TypeAliasType":  # from typing since 3.12, or from typing_extensions
        return shapes_of(hint.__value__)
    if getattr(hint, "__unpacked__", False):
        return ()
    if typing.is_typeddict(hint) or typing.is_typeddict(origin):
        return (Shape(dict),)
    return _of_class(hint if origin is None else origin, args)


def _of_class(kind: Any, args: tuple[Any, ...]) -> tuple[Shape, ...]:
    if not isinstance(kind, type) or any(kind is one for one in _SILENT):
        return ()
    # A protocol requires methods, and a subclass of Any may have any method.
    if getattr(kind, "_is_protocol", False) or any(one is Any for one in kind.__mro__):
        return ()
    return (Shape(kind, args),) if _inherits(kind) else ()


def _inherits(kind: type) -> bool:
    """Return whether only inheritance determines its instances, without own instance checks."""
    own = type(kind)
    return own.__instancecheck__ is type.__instancecheck__ or issubclass(own, ABCMeta)


def elements(shape: Shape) -> tuple[Any, ...]:
    """Return the annotations of a container's items; empty if they are unknown."""
    kind, args = shape
    if kind is tuple:
        return () if any(map(unpacks, args)) else tuple(one for one in args if one is not ...)
    known = kind.__module__ in _STANDARD and kind is not abc.ItemsView
    return args[:1] if args and known and issubclass(kind, _WITH_ITEMS) else ()


def element_hint(hint: Any) -> Any:
    """Return the annotation of an item of such a value; ``Any`` if it is unknown."""
    try:
        found: list[Any] = []
        for shape in shapes_of(hint):
            if shape.kind is not types.NoneType:
                plain = _PLAIN_ITEMS.get(shape.kind)
                some = elements(shape) if plain is None else (plain,)
                if not some:
                    return Any
                found += some
        return typing.Union[tuple(found)] if found else Any  # noqa: UP007 # of a list's members
    except Exception:  # an annotation may be any object and raise any error
        return Any


def member_hints(hint: Any, kind: type, position: int | None) -> tuple[Any, ...]:
    """Return annotations that a parameter accepts for a container's member; empty if unknown.

    Args:
        hint: The parameter's annotation.
        kind: The container's class.
        position: Index of a tuple's member, else ``None``; members of a dict are its values.
    """
    try:
        found: list[Any] = []
        for shape in shapes_of(hint):
            if issubclass(kind, shape.kind):
                some = _of_member(shape, position) if kind is not dict else _values(shape)
                if not some:
                    return ()
                found += some
        return tuple(found)
    except Exception:  # as above
        return ()


def _of_member(shape: Shape, position: int | None) -> tuple[Any, ...]:
    some = elements(shape)
    if shape.kind is tuple and position is not None and not variadic(shape):
        return some[position : position + 1]
    return some


def _values(shape: Shape) -> tuple[Any, ...]:
    # For a Mapping; an Iterable of keys does not determine the values.
    return shape.args[1:2] if is_mapping(shape.kind) else ()


def is_mapping(kind: type) -> bool:
    """Return whether its arguments are keys and values."""
    return kind.__module__ in _STANDARD and issubclass(kind, abc.Mapping)


def variadic(shape: Shape) -> bool:
    """Return whether a tuple may have any length."""
    return len(shape.args) == 2 and shape.args[1] is ...


def unpacks(hint: Any) -> bool:
    """Return whether it represents several annotations, as ``*tuple[int, …]`` does."""
    return bool(getattr(hint, "__unpacked__", False)) or typing.get_origin(hint) is typing.Unpack
