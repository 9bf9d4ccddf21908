"""Chains: ``fetch().map(process).next(clean).agg(total)``."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import MapOptions

from .calls import Call, MapCall
from .placeholders import Placeholder
from .places import calling_place

if TYPE_CHECKING:
    from .step import StepFunction

_OPTIONS = tuple(one.name for one in fields(MapOptions))


class Chain(Placeholder):
    """A chain with open maps: what is written next runs for each item of the innermost.

    Args:
        maps: The open maps, innermost last.
        tail: What the body of the innermost map has come to.
    """

    def __init__(self, maps: tuple[MapCall, ...], tail: Call | MapCall) -> None:
        super().__init__(maps[-1]._place)
        self._maps = maps
        self._tail = tail

    def next(self, step: StepFunction[..., Any], **kwargs: Any) -> Chain:
        """Runs a step on what each item has come to.

        Args:
            step: Takes that as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        return Chain(self._maps, following(step, self._tail, kwargs, self._maps[-1]))

    def map(self, step: Any, **options: Any) -> Chain:
        """Opens a map inside this one, over what each item has come to.

        Args:
            step: Takes an inner item as its first argument.
            options: As for :meth:`Call.map`.
        """
        if self._maps[-1]._options.batch_size > 1:
            raise BindingError(
                "a map stands inside a map with batch_size",
                place=calling_place(),
                remedy=f"leave batch_size out of the outer map, at {self._maps[-1]._place}",
            )
        if not isinstance(self._tail, Call):
            raise BindingError(
                "a map runs over the result of a step, and this is the result of a map, "
                f"opened at {self._maps[-1]._place}",
                place=calling_place(),
                remedy="put a step between the two: .agg(step).map(…)",
            )
        inner = open_map(self._tail, step, options)
        return Chain((*self._maps, *inner._maps), inner._tail)

    def agg(self, step: StepFunction[..., Any], **kwargs: Any) -> Any:
        """Closes the innermost map and runs a step on the list of its results.

        Args:
            step: Takes the list, in the order of the items, as its first argument.
            kwargs: Further arguments, and ``retry=``.

        Returns:
            A chain if another map is open, else a :class:`Call`.
        """
        closed, outer = self._innermost_closed(), self._maps[:-1]
        call = following(step, closed, kwargs, outer[-1] if outer else None)
        return Chain(outer, call) if outer else call

    def _innermost_closed(self) -> MapCall:
        one = self._maps[-1]
        if one._end is not None and one._end is not self._tail:
            raise BindingError(
                f"the map at {one._place} is gone on from twice, in two ways",
                place=calling_place(),
                remedy="write the map twice, or go on from its .agg(…)",
            )
        one._end = self._tail
        return one

    def _closed(self) -> MapCall:
        """The result of the outermost map, all open maps closed."""
        chain = self
        while len(chain._maps) > 1:
            chain = Chain(chain._maps[:-1], chain._innermost_closed())
        return chain._innermost_closed()

    def _what(self) -> str:
        return "the result of a map"

    def __repr__(self) -> str:
        return f"<chain with {len(self._maps)} open map{'s' * (len(self._maps) > 1)}>"


def open_map(source: Call, step: Any, options: dict[str, Any]) -> Chain:
    """A chain whose innermost map runs over the result of a call.

    Args:
        source: Gives the items.
        step: The first step of the body, or several.
        options: Of the map and of the (first) step.

    Raises:
        OptionError: If an option of the map has a value that makes no sense.
        BindingError: If something is no step, or arguments do not fit.
    """
    place = calling_place()
    own = {name: options[name] for name in _OPTIONS if name in options}
    kwargs = {name: value for name, value in options.items() if name not in own}
    one = MapCall(source, _map_options(own), place, source._home)
    first, *rest = step if isinstance(step, list | tuple) and step else [step]
    tail = following(first, one._item, kwargs, one)
    for other in rest:
        tail = following(other, tail, {}, one)
    return Chain((one,), tail)


def following(step: Any, value: Placeholder, kwargs: dict[str, Any], home: MapCall | None) -> Call:
    """A call of a step with a value as its first argument.

    Args:
        step: The step.
        value: What goes in; a step without parameters just comes after it.
        kwargs: Further arguments, and ``retry=``.
        home: The map in whose body the call stands.

    Raises:
        BindingError: If it is no step, or the arguments do not fit.
    """
    place = calling_place()
    if not getattr(step, "__lokki_step__", False):
        raise BindingError(
            f"a chain goes on with steps, and {step!r} is none",
            place=place,
            remedy="hand over the @step function itself, without calling it",
        )
    signature: inspect.Signature = step._signature
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    takes = any(
        parameter.kind in positional and name not in kwargs
        for name, parameter in signature.parameters.items()
    )
    call: Call = step._called((value,) if takes else (), kwargs, place, home)
    if not takes and isinstance(value, Call | MapCall):
        call._after.append(value)
    return call


def _map_options(given: dict[str, Any]) -> MapOptions:
    place = calling_place()
    options = MapOptions(**given)
    if options.mode not in ("distributed", "inline"):
        raise OptionError(
            f"mode={options.mode!r} is no way to run a map",
            place=place,
            remedy='write mode="inline" for small lists, or leave mode= out',
        )
    for name, least in (
        ("concurrency_limit", 1),
        ("batch_size", 1),
        ("tolerated_failure_count", 0),
    ):
        value = getattr(options, name)
        if value is not None and (type(value) is not int or value < least):
            raise OptionError(
                f"{name}={value!r}: it is a whole number of at least {least}", place=place
            )
    share = options.tolerated_failure_percentage
    if share is not None and (
        isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 100
    ):
        raise OptionError(
            f"tolerated_failure_percentage={share!r}: it is a number from 0 to 100", place=place
        )
    if options.mode == "inline":
        _refuse_distributed_only(options, place)
    return options


def _refuse_distributed_only(options: MapOptions, place: Any) -> None:
    tolerated = (options.tolerated_failure_percentage, options.tolerated_failure_count)
    if options.batch_size > 1 or any(value is not None for value in tolerated):
        raise OptionError(
            'mode="inline" knows neither batch_size nor tolerated failures',
            place=place,
            remedy="leave mode= out: a Distributed Map has them",
        )
