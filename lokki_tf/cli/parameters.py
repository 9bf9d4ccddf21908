"""Parameters of a pipeline as options of a command: ``--limit 50``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lokki_tf.model import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lokki_tf.model import FlowParameter

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


OWN = "flow_parameter_"
"""Prefix of the names of these options, to distinguish them from the command's own."""
BACKFILL, BACKFILLED = "backfill", "backfilled"
"""Names of the command's arguments with the values of a backfill, and with their parameter."""


def with_event(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--event`` and ``--trigger`` to a command.

    Args:
        command: Its callback takes ``event``, the parsed file, and ``trigger``.
    """
    decorate = click.option(
        "--event",
        type=click.File("r", encoding="utf-8"),
        is_eager=True,  # before the options that it replaces
        callback=_event_in,
        help="Take the parameters from an event of EventBridge in this JSON file, as a trigger "
        "does in AWS.",
    )
    named = click.option(
        "--trigger",
        metavar="NAME",
        help="The trigger of --event, if several match it: schedule-1 for example.",
    )
    return decorate(named(command))


def refuse_event_with(parameters: Mapping[str, Any], event: Any, trigger: str | None) -> None:
    """Raise an error for options that cannot be combined with ``--event``, or lack it.

    Args:
        parameters: The values of parameters that are given as options.
        event: The event, if there is one.
        trigger: The value of ``--trigger``.

    Raises:
        click.UsageError: If there are such options.
    """
    if event is None and trigger is not None:
        raise click.UsageError("--trigger names the trigger of --event FILE, which is missing")
    if event is not None and parameters:
        name = next(iter(parameters)).replace("_", "-")
        raise click.UsageError(f"--{name} cannot be combined with --event; remove one of them")


def _event_in(context: click.Context, option: click.Parameter, file: Any) -> Any:
    if file is None:
        return None
    try:
        return json.loads(file.read())
    except ValueError as error:  # not JSON, or not UTF-8
        raise click.BadParameter(f"{file.name} is not JSON: {error}") from None


def with_parameters(command: click.Command, parameters: Iterable[FlowParameter]) -> None:
    """Add an option for each parameter to a command, replacing its own options of that name.

    Args:
        command: Its callback takes the arguments that :func:`taken` reads.
        parameters: A pipeline's parameters.
    """
    options = [_option(parameter) for parameter in parameters]
    spelled = {text for option in options for text in option.opts}
    own = [one for one in command.params if not spelled & {*one.opts, *one.secondary_opts}]
    command.params = [*options, *own]


def taken(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the parameters whose options were given, by name."""
    named = {name.removeprefix(OWN): value for name, value in given.items()}
    return {name: value for name, value in named.items() if value is not None}


class _ParameterOption(click.Option):
    """The option of a parameter; not required if something else sets the parameter."""

    def value_is_missing(self, value: Any) -> bool:
        """Return whether the command must end, because the option is required and not given."""
        context = click.get_current_context()
        if isinstance(context.params.get("event"), dict | list):
            return False
        if isinstance(context.params.get("from_run"), str):
            return False
        if isinstance(context.params.get(BACKFILL), str):  # click has its own object for nothing
            name = f"{OWN}{context.params.get(BACKFILLED)}"
            if name == self.name or name not in {one.name for one in context.command.params}:
                return False  # if there is no such parameter, this error is reported
        return super().value_is_missing(value)


def _option(parameter: FlowParameter) -> click.Option:
    name, required = parameter.name, parameter.default is REQUIRED
    spellings = dict.fromkeys((f"--{name.replace('_', '-')}", f"--{name}"))
    more: dict[str, Any] = {}
    if parameter.kind is bool:  # --verbose and --verbose false
        more = {"is_flag": False, "flag_value": "true"}
    return _ParameterOption(
        [f"{OWN}{name}", *spellings],
        type=_reader(parameter.kind),
        required=required,
        help=None if required else f"[default: {parameter.default!r}]",
        **more,
    )


def _reader(kind: Any) -> Callable[[str], Any]:
    """Return a function from text to a value of a parameter's type."""
    name = kind.__name__ if isinstance(kind, type) else "value"

    def read(text: str) -> Any:
        try:
            return converted(kind, text)
        except ValueError:
            raise click.BadParameter(f"must be of type {name}, got {text!r}") from None

    read.__name__ = name
    return read


def converted(kind: Any, text: str) -> Any:
    """Return the value of a parameter's type that a text stands for.

    Args:
        kind: The type.
        text: The text.

    Raises:
        ValueError: If it is the text of no such value.
    """
    if kind in (int, float, str):
        return kind(text)
    if kind is bool:
        return _boolean(text)
    if kind is list:
        return _list(text)
    if kind is dict:
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError(text)
        return value
    return _guessed(text)


def _boolean(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return text.lower() in _TRUE


def _list(text: str) -> list[Any]:
    """Parse items that are separated by commas, or a JSON array."""
    if text.lstrip().startswith("["):
        value: list[Any] = json.loads(text)
        return value
    return [_guessed(part.strip()) for part in text.split(",")] if text else []


def _guessed(text: str) -> Any:
    """Parse a number, true, false or null like JSON; return other texts unchanged."""
    try:
        return json.loads(text)
    except ValueError:
        return text
