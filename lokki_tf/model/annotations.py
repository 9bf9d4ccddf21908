"""What the annotation of a value says about its parts.

Only what is certain is used: an annotation that is unknown, or a class that may have any part,
excludes nothing.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import abc
from typing import Any

from .bindings import Attribute, Key

_AROUND = (typing.Annotated, typing.Final, typing.Required, typing.NotRequired)
_SCALARS = (int, float, complex, bool, types.NoneType)
_BUILTINS = (*_SCALARS, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)


class Excluded(Exception):
    """A value with this annotation has no such part; the text says why."""


def returned(function: Any) -> Any:
    """Return the annotation of a function's result; ``Any`` if it is unknown.

    Args:
        function: A step's function.
    """
    if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return Any  # a decorator may change the result
    try:
        return typing.get_type_hints(function).get("return", Any)
    except Exception:  # an annotation is the user's code
        return Any


def part_hint(hint: Any, path: typing.Iterable[Key]) -> Any:
    """Return the annotation of a part; ``Any`` if it is unknown.

    Args:
        hint: The annotation of the whole value.
        path: What is selected, one after another.

    Raises:
        Excluded: If a value with this annotation certainly has no such part.
    """
    for key in path:
        try:
            hint = _selected(hint, key)
        except Excluded:
            raise
        except Exception:  # an annotation may be any object and raise any error
            return Any
    return hint


def fixed_length(hint: Any) -> int | None:
    """Return the number of values of a fixed-length tuple; ``None`` for other annotations.

    Args:
        hint: An annotation, ``tuple[int, str]`` or a named tuple for example.
    """
    try:
        plain = _plain(hint)
        if _is_named_tuple(plain):
            return len(plain._fields)
        return len(typing.get_args(plain)) if _is_fixed(plain) else None
    except Exception:  # as above
        return None


def _plain(hint: Any) -> Any:
    """Return an annotation without what is around it, such as ``Annotated``."""
    while True:
        if any(typing.get_origin(hint) is one for one in _AROUND):
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return types.NoneType if hint is None else hint


def _selected(hint: Any, key: Key) -> Any:
    hint = _plain(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return _of_union([one for one in args if one is not types.NoneType], key)
    kind = hint if origin is None else origin
    if not isinstance(kind, type) or kind is object:
        return Any
    if typing.is_typeddict(kind):
        return _of_typed_dict(kind, key)
    if isinstance(key, Attribute):
        return _attribute(kind, key.name)
    return _item(kind, hint, args, key)


def _of_union(members: list[Any], key: Key) -> Any:
    found: list[Any] = []
    excluded: Excluded | None = None
    for one in members:
        try:
            found.append(_selected(one, key))
        except Excluded as error:
            excluded = error
    if excluded is not None and not found:
        raise excluded
    return found[0] if len(found) == 1 else Any


def _of_typed_dict(kind: Any, key: Key) -> Any:
    if isinstance(key, Attribute):
        return _attribute(dict, key.name)
    hints = typing.get_type_hints(kind)
    if key not in hints:
        raise Excluded(f"{kind.__name__} has the keys {', '.join(map(repr, hints)) or 'none'}")
    return hints[str(key)]


def _attribute(kind: Any, name: str) -> Any:
    fields = {one.name for one in dataclasses.fields(kind)} if _is_dataclass(kind) else set()
    fields.update(kind._fields if _is_named_tuple(kind) else ())
    if name in fields:
        return typing.get_type_hints(kind).get(name, Any)
    if hasattr(kind, name) or hasattr(kind, "__getattr__"):
        return Any
    if fields or _is_dataclass(kind):
        raise Excluded(f"{kind.__name__} has the fields {', '.join(sorted(fields)) or 'none'}")
    if kind in _BUILTINS:
        raise Excluded(f"{kind.__name__} has no attribute {name!r}")
    return Any


def _item(kind: Any, hint: Any, args: tuple[Any, ...], key: str | int) -> Any:
    if _is_named_tuple(kind):
        names = kind._fields
        _within(kind, len(names), key)
        return typing.get_type_hints(kind).get(names[int(key)], Any)
    if _is_fixed(hint):
        _within(kind, len(args), key)
        return args[int(key)]
    if kind in (list, tuple, abc.Sequence) and not isinstance(key, str):
        return args[0] if args else Any
    if kind in (dict, abc.Mapping, abc.MutableMapping):
        if args and args[0] in (str, int) and args[0] is not type(key):
            raise Excluded(f"its keys are {args[0].__name__}")
        return args[1] if args else Any
    if kind is str and not isinstance(key, str):
        return str
    if kind in (list, tuple, str, bytes, bytearray, range) and isinstance(key, str):
        raise Excluded(f"{kind.__name__} has items by number, not by name")
    if not hasattr(kind, "__getitem__") and (kind in _BUILTINS or _is_dataclass(kind)):
        raise Excluded(f"{kind.__name__} has no items")
    return Any


def _within(kind: type, length: int, key: str | int) -> None:
    if isinstance(key, str):
        raise Excluded(f"{kind.__name__} has items by number, not by name")
    if not -length <= key < length:
        raise Excluded(f"it has {length} item{'s' * (length != 1)}")


def _is_fixed(hint: Any) -> bool:
    """Return whether it is a tuple with an annotation for each value."""
    args = typing.get_args(hint)
    unpacks = any(
        getattr(one, "__unpacked__", False) or typing.get_origin(one) is typing.Unpack
        for one in args
    )
    return typing.get_origin(hint) is tuple and ... not in args and not unpacks


def _is_dataclass(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
