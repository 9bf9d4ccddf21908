"""A function's annotations of its result and its parameters."""

from __future__ import annotations

import inspect
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .shapes import element_hint, shapes_of

_DRAINED = (abc.Generator, abc.AsyncGenerator, abc.AsyncIterator, abc.AsyncIterable)
_AWAITED = (abc.Awaitable, abc.Coroutine)
_GENERATING = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_NO_DEFAULT = object()


class Taken(NamedTuple):
    """A parameter that receives an argument.

    Args:
        name: Its name in the signature, stars included.
        hint: Its annotation; ``Any`` if it is unknown.
        default: Its default, or a value that is no argument's.
    """

    name: str
    hint: Any
    default: Any = _NO_DEFAULT


class Annotations(NamedTuple):
    """A function's annotations.

    Args:
        returned: The annotation of the step's result; ``Any`` if unknown.
        named: Its parameters by name.
        positional: Its positional parameters, in order.
        more: Its ``*args`` parameter.
        more_named: Its ``**kwargs`` parameter.
    """

    returned: Any = Any
    named: Mapping[str, Taken] = types.MappingProxyType({})
    positional: tuple[str, ...] = ()
    more: Taken | None = None
    more_named: Taken | None = None

    @property
    def speaks(self) -> bool:
        """Whether the annotation of any parameter is known."""
        return bool(self.named or self.more or self.more_named)

    def at(self, where: int | str) -> Taken | None:
        """Return the parameter that receives an argument, by position or by name."""
        if isinstance(where, str):
            return self.named.get(where, self.more_named)
        if where < len(self.positional):
            return self.named[self.positional[where]]
        return self.more


_NOTHING = Annotations()


def annotations_of(function: Callable[..., Any]) -> Annotations:
    """Return a function's annotations; empty if they cannot be evaluated or it is wrapped.

    Args:
        function: A step's function.
    """
    try:
        code = function.__code__
        # A decorator may change parameters and result, and keeps the old annotations.
        if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
            return _NOTHING
        hints = typing.get_type_hints(function) if function.__annotations__ else {}
        return _read(function, code, hints)
    except Exception:  # an annotation is the user's code
        return _NOTHING


def _read(
    function: Callable[..., Any], code: types.CodeType, hints: Mapping[str, Any]
) -> Annotations:
    by_position = code.co_varnames[: code.co_argcount]
    count = code.co_argcount + code.co_kwonlyargcount
    defaults: dict[str, Any] = dict(getattr(function, "__kwdefaults__", None) or {})
    given = getattr(function, "__defaults__", None) or ()
    defaults |= zip(by_position[len(by_position) - len(given) :], given, strict=True)
    named = {name: _taken(name, hints, defaults) for name in code.co_varnames[:count]}
    more = more_named = None
    if code.co_flags & inspect.CO_VARARGS:
        name = code.co_varnames[count]
        more, count = Taken(f"*{name}", hints.get(name, Any)), count + 1
    if code.co_flags & inspect.CO_VARKEYWORDS:
        name = code.co_varnames[count]
        more_named = Taken(f"**{name}", hints.get(name, Any))
    returned = _arriving(hints.get("return", Any), bool(code.co_flags & _GENERATING))
    return Annotations(returned, named, by_position, more, more_named)


def _taken(name: str, hints: Mapping[str, Any], defaults: Mapping[str, Any]) -> Taken:
    hint, default = hints.get(name, Any), defaults.get(name, _NO_DEFAULT)
    known = shapes_of(hint)
    if default is None and known and not any(one.kind is types.NoneType for one in known):
        hint = typing.Optional[hint]  # noqa: UP045 # x: int = None means that None is right
    return Taken(name, hint, default)


def _arriving(hint: Any, generates: bool) -> Any:
    """Return the annotation of the step's result: a generator's list, a coroutine's value."""
    kinds = [shape.kind for shape in shapes_of(hint)]
    if generates:
        gives = kinds and all(issubclass(one, abc.Iterable | abc.AsyncIterable) for one in kinds)
        return list_of(element_hint(hint)) if gives else list
    if any(one in _AWAITED for one in kinds):
        return Any
    if any(one in (abc.Iterator, *_DRAINED) for one in kinds):
        if len(kinds) > 1:
            return Any
        # Whether an iterator is a generator is unknown here.
        arrives = abc.Iterable if kinds[0] is abc.Iterator else list
        return _containing(arrives, element_hint(hint))
    return hint


def list_of(hint: Any) -> Any:
    """Return the annotation of a list of such values."""
    return _containing(list, hint)


def _containing(kind: type, hint: Any) -> Any:
    return kind if hint is Any else types.GenericAlias(kind, (hint,))
