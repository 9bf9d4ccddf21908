"""Annotations of a step's function, as its calls in a pipeline see them."""

from __future__ import annotations

import inspect
import typing
from collections import abc
from collections.abc import Callable
from inspect import Parameter
from types import NoneType
from typing import Any, NamedTuple

from lokki_tf.model.signatures import parameter_of, signature_of

from .hints import classes_of, item_hint, list_of

_DRAINED = (abc.Generator, abc.AsyncGenerator, abc.AsyncIterator, abc.AsyncIterable)
_AWAITED = (abc.Awaitable, abc.Coroutine)
_STARS: dict[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


class Annotations(NamedTuple):
    """A function's annotations.

    Args:
        returned: The annotation of the step's result; ``Any`` if it is unknown.
        parameters: Its parameters, whose annotations are resolved; ``Any`` if they are unknown.
    """

    returned: Any = Any
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, where: int | str) -> Parameter | None:
        """Return the parameter that receives an argument, by position or by name."""
        return parameter_of(self.parameters, where)


def annotations_of(function: Callable[..., Any]) -> Annotations:
    """Return a function's annotations; empty if they cannot be evaluated or it is wrapped.

    Args:
        function: A step's function.
    """
    try:
        # A decorator may change parameters and result, and keeps the old annotations.
        if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
            return Annotations()
        hints = typing.get_type_hints(function)
        parameters = signature_of(function).parameters.values()
        generates = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        return Annotations(
            _result(hints.get("return", Any), generates),
            tuple(one.replace(annotation=_wanted(one, hints)) for one in parameters),
        )
    except Exception:  # an annotation is the user's code
        return Annotations()


def shown_name(parameter: Parameter) -> str:
    """Return a parameter's name as it is in the signature, stars included."""
    return _STARS.get(parameter.kind, "") + parameter.name


def _wanted(parameter: Parameter, hints: dict[str, Any]) -> Any:
    hint = hints.get(parameter.name, Any)
    known = classes_of(hint)
    if parameter.default is None and known and all(one.kind is not NoneType for one in known):
        return typing.Optional[hint]  # noqa: UP045 # x: int = None means that None is right
    return hint


def _result(hint: Any, generates: bool) -> Any:
    """Return the annotation of the step's result: a generator's list, a coroutine's value."""
    kinds = [one.kind for one in classes_of(hint)]
    if generates:
        gives = kinds and all(issubclass(one, abc.Iterable | abc.AsyncIterable) for one in kinds)
        return list_of(item_hint(hint)) if gives else list
    if any(one in _AWAITED for one in kinds):
        return Any
    if any(one in (abc.Iterator, *_DRAINED) for one in kinds):
        if len(kinds) > 1:
            return Any
        # Whether an iterator is a generator is unknown here.
        return list_of(item_hint(hint), abc.Iterable if kinds[0] is abc.Iterator else list)
    return hint
