"""Calls of steps, which represent their results, and chains of calls.

In ``fetch().map(process).next(clean).agg(total)`` each method adds a call.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.tracebacks import ends_at_caller

from .arguments import argument
from .map_options import MAP_OPTIONS, map_options
from .nesting import refuse_pipeline
from .placeholders import ItemArgument, Placeholder
from .places import calling_place

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model import Condition, MapOptions, RetryConfig, Step

    from .step import StepFunction


@ends_at_caller
class Call(Placeholder):
    """A call of a step: a node of the graph, and a placeholder for its result.

    Pass it to other steps as an argument, alone or inside lists, tuples, sets and dicts, or
    continue with ``.next``, ``.map`` and ``.agg``.
    """

    def __init__(
        self,
        step: Step,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        retry: RetryConfig,
        place: Place,
        home: MapCall | None = None,
        when: Condition | None = None,
    ) -> None:
        super().__init__(place)
        self._step = step
        self._args = tuple(argument(value, place) for value in args)
        self._kwargs = {name: argument(value, place) for name, value in kwargs.items()}
        self._after: list[Call | MapCall] = []
        self._retry = retry
        self._home = home
        self._when = when

    def after(self, *calls: Any) -> Call:
        """Make this call wait for others whose results it does not use.

        Args:
            calls: Calls of steps.

        Returns:
            The call itself.

        Raises:
            BindingError: If one is not a call of a step.
        """
        for call in calls:
            if not isinstance(call, Call | MapCall):
                refuse_pipeline(call, self._place)
                raise BindingError(
                    f"after() requires calls of steps, got {call!r}",
                    place=self._place,
                    remedy="call the step first: b = second(); b.after(first())",
                )
            self._after.append(call)
        return self

    def next(self, step: StepFunction[..., Any], **kwargs: Any) -> Call:
        """Call a step with this result.

        Args:
            step: Receives the result as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        return following(step, self, kwargs, self._home)

    def map(self, step: Any, **options: Any) -> Chain:
        """Call a step for each item of this result, in parallel.

        Args:
            step: Receives an item as its first argument; or a list of steps that run one after
                another for each item.
            options: Further arguments of the step, and of the map: ``concurrency_limit``, ``mode``
                (``"inline"`` for small lists), ``tolerated_failure_percentage``,
                ``tolerated_failure_count``, ``batch_size`` (number of items that a call of a step
                receives).
        """
        return open_map(self, step, options)

    def agg(self, step: Any, **kwargs: Any) -> Any:
        """Raise an error: ``agg`` closes a map, and none is open."""
        raise BindingError(
            "agg() closes a map, and none is open here",
            place=self._place,
            remedy="write .map(step) before .agg(…), or .next(…) to run a step on a result",
        )

    def _what(self) -> str:
        return f"the result of step {self._step.name!r}"

    def __repr__(self) -> str:
        return f"<call of step {self._step.name!r} at {self._place}>"

    def __getattr__(self, name: str) -> Any:
        step = self._step.function.__globals__.get(name)
        if getattr(step, "__lokki_step__", False):
            # lokki's syntax: fetch().process() calls the step of that name.
            return lambda **kwargs: self.next(step, **kwargs)  # type: ignore[arg-type]  # just seen to be one
        return super().__getattr__(name)


@ends_at_caller
class MapCall(Placeholder):
    """A map while its graph is written: the source of its items, and its body."""

    def __init__(
        self, source: Call, options: MapOptions, place: Place, home: MapCall | None
    ) -> None:
        super().__init__(place)
        self._source = source
        self._options = options
        self._item = ItemArgument(place)
        self._end: Call | MapCall | None = None
        self._home = home
        self._after: list[Call | MapCall] = []

    def _what(self) -> str:
        return "the result of a map"


@ends_at_caller
class Chain(Placeholder):
    """A chain with open maps: the next call runs for each item of the innermost map.

    Args:
        maps: The open maps, innermost last.
        tail: The last call of the innermost map's body.
    """

    def __init__(self, maps: tuple[MapCall, ...], tail: Call | MapCall) -> None:
        super().__init__(maps[-1]._place)
        self._maps = maps
        self._tail = tail

    def next(self, step: StepFunction[..., Any], **kwargs: Any) -> Chain:
        """Call a step with the result of each item.

        Args:
            step: Receives the result as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        return Chain(self._maps, following(step, self._tail, kwargs, self._maps[-1]))

    def map(self, step: Any, **options: Any) -> Chain:
        """Open a map inside this one, over the result of each item.

        Args:
            step: Receives an inner item as its first argument.
            options: As for :meth:`Call.map`.
        """
        if self._maps[-1]._options.batch_size > 1:
            raise BindingError(
                "a map inside a map with batch_size is not supported",
                place=calling_place(),
                remedy=f"remove batch_size from the outer map, at {self._maps[-1]._place}",
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
        """Close the innermost map and call a step with the list of its results.

        Args:
            step: Receives the list, in the order of the items, as its first argument.
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
                f"the map at {one._place} is continued twice, in two ways",
                place=calling_place(),
                remedy="write the map twice, or continue from its .agg(…)",
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
    """Open a map over the result of a call.

    Args:
        source: Returns the items.
        step: The first step of the body, or several.
        options: Options of the map, and arguments of the (first) step.

    Raises:
        OptionError: If an option of the map is invalid.
        BindingError: If something is not a step, or arguments do not fit.
    """
    place = calling_place()
    own = {name: options[name] for name in MAP_OPTIONS if name in options}
    kwargs = {name: value for name, value in options.items() if name not in own}
    one = MapCall(source, map_options(own, place), place, source._home)
    first, *rest = step if isinstance(step, list | tuple) and step else [step]
    tail = following(first, one._item, kwargs, one)
    for other in rest:
        tail = following(other, tail, {}, one)
    return Chain((one,), tail)


def following(step: Any, value: Placeholder, kwargs: dict[str, Any], home: MapCall | None) -> Call:
    """Call a step with a value as its first argument.

    Args:
        step: The step.
        value: The value; a step without parameters only waits for it.
        kwargs: Further arguments, and ``retry=``.
        home: The map whose body contains the call.

    Raises:
        BindingError: If it is not a step, or the arguments do not fit.
    """
    place = calling_place()
    refuse_pipeline(step, place)
    if not getattr(step, "__lokki_step__", False):
        raise BindingError(
            f"a chain requires steps, got {step!r}",
            place=place,
            remedy="pass the @step function itself, without calling it",
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
