"""The classes that a value with an annotation may have, and whether two annotations contradict.

Unlike a type checker, this accepts values that may have a fitting class: a value annotated as
``object`` or a base class may be of a subclass.
"""

from __future__ import annotations

import re
import reprlib
import sys
import types
import typing
from abc import ABCMeta
from collections import abc
from collections.abc import Iterator
from typing import Any, NamedTuple

_UNKNOWN = (object, typing.Generic, typing.Annotated, abc.Callable)
_WITH_ITEMS = (abc.Iterable, abc.Container, abc.AsyncIterable)
_STANDARD = ("builtins", "collections", "collections.abc")
# Classes with items whose annotation is not an argument.
_PLAIN_ITEMS: dict[type, type] = {
    str: str, bytes: int, bytearray: int, memoryview: int, range: int,
}  # fmt: skip
_USUAL = (str, bytes, int, float, tuple, list, dict, set, frozenset, types.NoneType)
_LONGEST = 80
_SHOWN = (int, float, complex, bool, str, bytes, list, tuple, set, frozenset, dict)
# Modules and functions before a name, but not inside quotes.
_AROUND = re.compile(r"""('[^']*'|"[^"]*")|(?:[^\W\d]\w*\.|<locals>\.)+""")


class Class(NamedTuple):
    """A class that a value may have, with its arguments in brackets."""

    kind: type
    args: tuple[Any, ...] = ()


def classes_of(hint: Any) -> tuple[Class, ...]:
    """Return the possible classes of a value; empty if they are unknown.

    Args:
        hint: An annotation, resolved if possible.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        found = [classes_of(one) for one in args]
        return tuple(one for some in found for one in some) if all(found) else ()
    if hint is None:
        return (Class(types.NoneType),)
    kind = hint if origin is None else origin
    return (Class(kind, args),) if _decides(kind) and not any(map(_unpacks, args)) else ()


def _decides(kind: Any) -> bool:
    """Return whether only inheritance determines the instances of a class."""
    if not isinstance(kind, type) or any(kind is one for one in _UNKNOWN):
        return False
    # A protocol requires methods, and a subclass of Any may have any method.
    if getattr(kind, "_is_protocol", False) or any(one is Any for one in kind.__mro__):
        return False
    own = type(kind)
    return own.__instancecheck__ is type.__instancecheck__ or issubclass(own, ABCMeta)


def _unpacks(hint: Any) -> bool:
    """Return whether it represents several annotations, as ``*tuple[int, …]`` does."""
    return bool(getattr(hint, "__unpacked__", False)) or typing.get_origin(hint) is typing.Unpack


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


def _contradict(promised: Any, wanted: Any, exact: bool = False, *, deep: bool = False) -> bool:
    given, taken = classes_of(promised), classes_of(wanted)
    if not given or not taken:
        return False
    return not any(
        _related(one.kind, other.kind, exact) and (not deep or _args_fit(one, other))
        for one in given
        for other in taken
    )


def _args_fit(given: Class, taken: Class) -> bool:
    """Return whether the arguments in brackets fit, one level deep."""
    both_mappings = _is_mapping(given.kind) and _is_mapping(taken.kind)
    if both_mappings or (given.kind is taken.kind and ... not in (*given.args, *taken.args)):
        pairs = zip(given.args, taken.args, strict=False)  # a Counter has only one argument
        return not any(_contradict(one, other) for one, other in pairs)
    pairs_of_items = ((one, other) for one in _items(given) for other in _items(taken))
    return not any(_contradict(one, other) for one, other in pairs_of_items)


def _is_mapping(kind: type) -> bool:
    return kind.__module__ in _STANDARD and issubclass(kind, abc.Mapping)


def _items(one: Class) -> tuple[Any, ...]:
    """Return the annotations of a container's items; empty if they are unknown."""
    kind, args = one
    if kind is tuple:
        return tuple(arg for arg in args if arg is not ...)
    known = kind.__module__ in _STANDARD and kind is not abc.ItemsView
    return args[:1] if args and known and issubclass(kind, _WITH_ITEMS) else ()


def _related(given: type, taken: type, exact: bool) -> bool:
    """Return whether a value of one class may fit where the other class is expected."""
    if issubclass(given, taken) or (not exact and issubclass(taken, given)):
        return True
    # A notebook's cell that runs again makes a new class with the same name.
    if (given.__module__, given.__qualname__) == (taken.__module__, taken.__qualname__):
        return True
    if _are_numbers(given, taken) or (taken is bytes and given in (bytearray, memoryview)):
        return True
    # Any class may be a subclass of both, as tuple is of Hashable and Sequence.
    built_in = "builtins" in (given.__module__, taken.__module__)
    return not exact and not built_in and any(issubclass(one, taken) for one in _below(given))


def _are_numbers(given: type, taken: type) -> bool:
    if (taken is float and issubclass(given, int)) or (
        taken is complex and issubclass(given, int | float)
    ):
        return True
    numbers = sys.modules.get("numbers")  # other number classes require it
    if numbers is None or {given.__module__, taken.__module__} == {"builtins"}:
        return False
    return issubclass(given, numbers.Complex) and issubclass(taken, numbers.Complex)


def _below(kind: type) -> Iterator[type]:
    """Yield the known subclasses of a class, and the usual classes that are registered with it."""
    yield from (usual for usual in _USUAL if issubclass(usual, kind))
    nearest: list[type] = type.__subclasses__(kind)
    for one in nearest:
        yield one
        yield from _below(one)


def item_hint(hint: Any) -> Any:
    """Return the annotation of an item of such a value; ``Any`` if it is unknown."""
    try:
        found: list[Any] = []
        for one in classes_of(hint):
            if one.kind is not types.NoneType:
                plain = _PLAIN_ITEMS.get(one.kind)
                some = _items(one) if plain is None else (plain,)
                if not some:
                    return Any
                found += some
        return typing.Union[tuple(found)] if found else Any  # noqa: UP007 # of a list's members
    except Exception:  # as above
        return Any


def list_of(hint: Any, kind: type = list) -> Any:
    """Return the annotation of a list, or another container, of such values."""
    return kind if hint is Any else types.GenericAlias(kind, (hint,))


def member_hint(hint: Any, kind: type, index: int) -> Any:
    """Return the annotation that a parameter accepts for a container's member; ``Any`` if unknown.

    Args:
        hint: The parameter's annotation.
        kind: The container's class; members of a dict are its values.
        index: Index of the member.
    """
    try:
        found: list[Any] = []
        for one in classes_of(hint):
            if issubclass(kind, one.kind):
                some = _members(one, kind, index)
                if not some:
                    return Any
                found += some
        return typing.Union[tuple(found)] if found else Any  # noqa: UP007 # of a list's members
    except Exception:  # as above
        return Any


def _members(one: Class, kind: type, index: int) -> tuple[Any, ...]:
    if kind is dict:  # an Iterable of keys does not determine the values
        return one.args[1:2] if _is_mapping(one.kind) else ()
    by_index = one.kind is tuple and ... not in one.args
    return one.args[index : index + 1] if by_index else _items(one)


def hint_text(hint: Any, *, full: bool = False) -> str:
    """Return an annotation approximately as its author wrote it.

    Args:
        hint: The annotation.
        full: Whether names include their modules.
    """
    try:
        if isinstance(hint, type) and not typing.get_args(hint):
            around = "" if hint.__module__ == "builtins" else f"{hint.__module__}."
            text = around + hint.__qualname__
        else:
            text = repr(hint)
        text = text if full else _AROUND.sub(lambda match: match[1] or "", text)
    except Exception:  # from the object's representation
        return "something else"
    text = text.replace("NoneType", "None")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def value_text(value: Any) -> str:
    """Return a value with its class; only the class if the representation may be long."""
    if value is None:
        return "None"
    name = type(value).__name__
    kind = f"{'an' if name.lower().startswith(tuple('aeiou')) else 'a'} {name}"
    if not any(type(value) is one for one in _SHOWN):
        return kind
    try:
        return f"{reprlib.repr(value)}, {kind}"
    except Exception:  # a member's error, or an int with too many digits to be written
        return kind
