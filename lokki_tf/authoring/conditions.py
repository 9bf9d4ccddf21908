"""Conditions (``when=``), and the arguments of the step that they receive."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import Condition
from lokki_tf.model.signatures import signature_of

from .stepped import Stepped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Step

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def checked_condition(
    when: Any, function: Callable[..., Any], place: Place
) -> Callable[..., Any] | None:
    """Return the condition of a step, if it is valid.

    Args:
        when: The value of ``when=``.
        function: The step's function.
        place: Source location of the step.

    Raises:
        OptionError: If it is not a plain function, or has more parameters than the step.
    """
    if when is None:
        return None
    when = when.step.function if isinstance(when, Stepped) else when
    if not callable(when):
        raise OptionError(
            f"when= must be a function, got {when!r}",
            place=place,
            remedy="give a function of the step's arguments: when=lambda rows: len(rows) > 0",
        )
    if inspect.iscoroutinefunction(when) or inspect.isgeneratorfunction(when):
        raise OptionError(
            "when= is an async function or a generator, whose answer is always true",
            place=place,
            remedy="give a plain function that returns True or False",
        )
    wanted, own = _wanted(when), signature_of(function).parameters.values()
    if any(one.kind in _VARIADIC for one in own) or _by_name(wanted, {one.name for one in own}):
        return when  # type: ignore[no-any-return]  # just seen to be callable
    if len(wanted) > len(own):
        raise OptionError(
            f"when= has {_count(len(wanted))}, but the step has {len(own)}",
            place=place,
            remedy="use the step's first arguments, or some by their names",
        )
    return when  # type: ignore[no-any-return]  # just seen to be callable


def condition_of(
    step: Step,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[Condition | None, dict[str, Any]]:
    """Return the arguments of a call that its condition receives, and the call's arguments by name.

    The latter contain defaults that the condition receives.

    Args:
        step: The step.
        signature: Signature of its function.
        args: The call's arguments by position.
        kwargs: The call's arguments by name.
    """
    if step.when is None:
        return None, dict(kwargs)
    sources, defaults = _sources(signature, args, kwargs)
    condition = _taken(step.when, sources)
    used = {*condition.args, *(source for _, source in condition.kwargs)}
    written = {name: value for name, value in defaults.items() if name in used}
    return condition, {**kwargs, **written}


def _taken(when: Callable[..., Any], sources: list[tuple[str, int | str]]) -> Condition:
    parameters = _signature(when)
    by_name = {name: source for name, source in sources if name}
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return Condition((), tuple(by_name.items()))
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return Condition(tuple(source for _, source in sources))
    wanted = _wanted(when)
    if not _by_name(wanted, set(by_name)):
        return Condition(tuple(source for _, source in sources[: len(wanted)]))
    known = [one for one in parameters if one.name in by_name]
    positional = [one for one in known if one.kind is one.POSITIONAL_ONLY]
    return Condition(
        tuple(by_name[one.name] for one in positional),
        tuple((one.name, by_name[one.name]) for one in known if one not in positional),
    )


def _sources(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[tuple[str, int | str]], dict[str, Any]]:
    """Return the arguments by the order of parameters, by name, and the defaults among them.

    Arguments of ``*args`` have no name.
    """
    found: list[tuple[str, int | str]] = []
    defaults: dict[str, Any] = {}
    position = 0
    for name, one in signature.parameters.items():
        if one.kind is one.VAR_POSITIONAL:
            found += [("", index) for index in range(position, len(args))]
        elif name in kwargs:
            found.append((name, name))
        elif one.kind in _POSITIONAL and position < len(args):
            found.append((name, position))
            position += 1
        elif one.default is not one.empty and one.kind is not one.POSITIONAL_ONLY:
            defaults[name] = one.default
            found.append((name, name))
    known = {name for name, _ in found}
    return [*found, *((name, name) for name in kwargs if name not in known)], defaults


def _wanted(when: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the required parameters of a condition, or an optional one if none is required."""
    parameters = [one for one in _signature(when) if one.kind not in _VARIADIC]
    return [one for one in parameters if one.default is one.empty] or parameters[:1]


def _signature(when: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(signature_of(when).parameters.values())
    except ValueError:  # bool and other builtins have no signature in Python
        return [inspect.Parameter("value", inspect.Parameter.POSITIONAL_ONLY)]


def _by_name(wanted: list[inspect.Parameter], names: set[str]) -> bool:
    return bool(wanted) and all(one.name in names for one in wanted)


def _count(number: int) -> str:
    return f"{number} argument{'s' * (number != 1)}"
