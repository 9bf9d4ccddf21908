"""Calls of steps, which represent their results, and chains of calls.

In ``fetch().map(process).next(clean).agg(total)`` each method adds a call.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import MapOptions
from lokki_tf.model import options as declared
from lokki_tf.tracebacks import ends_at_caller

from .binding import bound_call
from .nesting import refuse_pipeline
from .options import map_options
from .placeholders import Placeholder, spec_of
from .places import calling_place
from .specs import CallSpec, ChainSpec, MapSpec, ValueSpec, close_innermost

if TYPE_CHECKING:
    from .stepped import Stepped


@ends_at_caller
class Call(Placeholder[CallSpec]):
    """A call of a step: a node of the graph, and a placeholder for its result.

    Pass it to other steps as an argument, alone or inside lists, tuples, sets and dicts, or
    continue with ``.next``, ``.map`` and ``.agg``.
    """

    __slots__ = ()

    def after(self, *calls: Any) -> Call:
        """Make this call wait for others whose results it does not use.

        Args:
            calls: Calls of steps.

        Returns:
            The call itself.

        Raises:
            BindingError: If one is not a call of a step.
        """
        spec = spec_of(self)
        for call in calls:
            if not isinstance(call, Call):
                refuse_pipeline(call, spec.place)
                raise BindingError(
                    f"after() requires calls of steps, got {call!r}",
                    place=spec.place,
                    remedy="call the step first: b = second(); b.after(first())",
                )
            spec.after.append(spec_of(call))
        return self

    def next(self, step: Stepped, **kwargs: Any) -> Call:
        """Call a step with this result.

        Args:
            step: Receives the result as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        spec = spec_of(self)
        return Call(following(step, spec, kwargs, spec.body))

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
        return Chain(open_map(spec_of(self), step, options))

    def agg(self, step: Any, **kwargs: Any) -> Any:
        """Raise an error: ``agg`` closes a map, and none is open."""
        raise BindingError(
            "agg() closes a map, and none is open here",
            place=spec_of(self).place,
            remedy="write .map(step) before .agg(…), or .next(…) to run a step on a result",
        )

    def __repr__(self) -> str:
        spec = spec_of(self)
        return f"<call of step {spec.step.name!r} at {spec.place}>"

    def __getattr__(self, name: str) -> Any:
        step = spec_of(self).step.function.__globals__.get(name)
        if getattr(step, "__lokki_step__", False):
            # lokki's syntax: fetch().process() calls the step of that name.
            return lambda **kwargs: self.next(step, **kwargs)  # type: ignore[arg-type]  # just seen to be one
        return super().__getattr__(name)


@ends_at_caller
class Chain(Placeholder[ChainSpec]):
    """A chain with open maps: the next call runs for each item of the innermost map."""

    __slots__ = ()

    def next(self, step: Stepped, **kwargs: Any) -> Chain:
        """Call a step with the result of each item.

        Args:
            step: Receives the result as its first argument.
            kwargs: Further arguments, and ``retry=``.
        """
        chain = spec_of(self)
        return Chain(ChainSpec(chain.maps, following(step, chain.tail, kwargs, chain.maps[-1])))

    def map(self, step: Any, **options: Any) -> Chain:
        """Open a map inside this one, over the result of each item.

        Args:
            step: Receives an inner item as its first argument.
            options: As for :meth:`Call.map`.
        """
        chain = spec_of(self)
        if chain.maps[-1].options.batch_size > 1:
            raise BindingError(
                "a map inside a map with batch_size is not supported",
                place=calling_place(),
                remedy=f"remove batch_size from the outer map, at {chain.place}",
            )
        if not isinstance(chain.tail, CallSpec):
            raise BindingError(
                "a map runs over the result of a step, and this is the result of a map, "
                f"opened at {chain.place}",
                place=calling_place(),
                remedy="put a step between the two: .agg(step).map(…)",
            )
        inner = open_map(chain.tail, step, options)
        return Chain(ChainSpec((*chain.maps, *inner.maps), inner.tail))

    def agg(self, step: Stepped, **kwargs: Any) -> Any:
        """Close the innermost map and call a step with the list of its results.

        Args:
            step: Receives the list, in the order of the items, as its first argument.
            kwargs: Further arguments, and ``retry=``.

        Returns:
            A chain if another map is open, else a :class:`Call`.
        """
        chain = spec_of(self)
        closed, outer = close_innermost(chain, calling_place()), chain.maps[:-1]
        call = following(step, closed, kwargs, outer[-1] if outer else None)
        return Chain(ChainSpec(outer, call)) if outer else Call(call)

    def __repr__(self) -> str:
        maps = len(spec_of(self).maps)
        return f"<chain with {maps} open map{'s' * (maps > 1)}>"


def open_map(source: CallSpec, step: Any, options: dict[str, Any]) -> ChainSpec:
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
    own = {name: options[name] for name in declared(MapOptions) if name in options}
    kwargs = {name: value for name, value in options.items() if name not in own}
    one = MapSpec(source, place, map_options(own, place), source.body)
    first, *rest = step if isinstance(step, list | tuple) and step else [step]
    tail = following(first, one.item, kwargs, one)
    for other in rest:
        tail = following(other, tail, {}, one)
    return ChainSpec((one,), tail)


def following(
    step: Any, value: ValueSpec, kwargs: dict[str, Any], body: MapSpec | None
) -> CallSpec:
    """Call a step with a value as its first argument.

    Args:
        step: The step.
        value: The value; a step without parameters only waits for it.
        kwargs: Further arguments, and ``retry=``.
        body: The map whose body contains the call.

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
    signature: inspect.Signature = step.signature
    positional = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    takes = any(
        parameter.kind in positional and name not in kwargs
        for name, parameter in signature.parameters.items()
    )
    call = bound_call(step.step, signature, (value,) if takes else (), kwargs, place, body)
    if not takes and isinstance(value, CallSpec | MapSpec):
        call.after.append(value)
    return call
