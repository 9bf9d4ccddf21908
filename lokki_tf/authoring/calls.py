"""Calls of steps, which represent their results, parts of results, and chains of calls.

In ``fetch().map(process).next(clean).agg(total)`` each method adds a call. ``rows["day"]``,
``pair[0]``, ``model.score`` and ``a, b = pair`` are parts, which are placeholders as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from lokki_tf.errors import BindingError, PlaceholderAttributeError
from lokki_tf.model import REQUIRED, Attribute
from lokki_tf.tracebacks import ends_at_caller

from .arguments import argument, results_of
from .arrows import Arrowed, join
from .links import dataset_in, firsts_of, following, no_map, open_map, source_of
from .nesting import map_in_batch, refuse_pipeline
from .parameters import declared
from .parts import item_key, part_of, values_of
from .placeholders import Placeholder, spec_of
from .places import calling_place
from .specs import (
    CallSpec,
    ChainSpec,
    MapSpec,
    NodeSpec,
    ParameterSpec,
    PartSpec,
    WaitSpec,
    close_innermost,
    whole_of,
)
from .stepped import Stepped
from .waits import wait_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Self

    from .results import Closed, Links


S = TypeVar("S", CallSpec, ChainSpec, ParameterSpec, PartSpec, WaitSpec)
F = TypeVar("F", CallSpec, WaitSpec)
V = TypeVar("V")
L = TypeVar("L")
PART_OF_TASK = "__lokki_part__"
"""The method of tasks that returns a part of their results."""


@ends_at_caller
class Selectable(Placeholder[S], Generic[S]):
    """A placeholder with parts: items, and attributes unless they are its own methods."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        spec = spec_of(self)
        return ResultPart(part_of(spec, item_key(key, spec.what)))

    def __getattr__(self, name: str) -> Any:
        # Private names raise an AttributeError, so that hasattr() works, and notebooks can look
        # for optional methods.
        if name.startswith("_"):
            spec = spec_of(self)
            raise PlaceholderAttributeError(
                f"{spec.what} exists only when the pipeline runs, and .{name} is private",
                place=spec.place,
                remedy=f'if it is a field of the result, write part(…, "{name}")',
            )
        return ResultPart(part_of(spec_of(self), Attribute(name)))

    def __iter__(self) -> Iterator[Any]:
        """Yield the values of a tuple whose annotation fixes their number.

        Raises:
            PlaceholderError: If the number of values is unknown.
        """
        return iter([ResultPart(one) for one in values_of(spec_of(self))])

    def __len__(self) -> int:  # which list() and step(*pair) read
        return len(values_of(spec_of(self)))


@ends_at_caller
class Followed(Selectable[F], Generic[F]):
    """What chains continue from, and what others follow: a call of a step, or a wait."""

    __slots__ = ()

    def after(self, *calls: Any) -> Self:
        """Make this wait for others whose results it does not use.

        Args:
            calls: Calls of steps, and waits.

        Returns:
            The object itself.

        Raises:
            BindingError: If one is not a call of a step.
        """
        spec = spec_of(self)
        for call in results_of(calls):
            if not isinstance(call, Followed):
                refuse_pipeline(call, spec.place)
                raise BindingError(
                    f"after() requires calls of steps, got {call!r}",
                    place=spec.place,
                    remedy="call the step first: b = second(); b.after(first())",
                )
            for one in firsts_of(spec):
                one.after.append(spec_of(call))
        return self

    def next(self, step: Stepped, *args: Any, **kwargs: Any) -> Call:
        """Call a step with this result.

        Args:
            step: Receives the result as its first argument.
            args: Further arguments.
            kwargs: Further arguments, and ``retry=`` and ``catch=``.
        """
        return called(step, spec_of(self), args, kwargs)

    def map(self, step: Any, *args: Any, **options: Any) -> Chain:
        """Call a step for each item of this result, in parallel.

        Args:
            step: Receives an item as its first argument; or a list of steps that run one after
                another for each item.
            args: Further arguments of the (first) step.
            options: Further arguments of the step, and of the map: ``concurrency_limit``, ``mode``
                (``"inline"`` for small lists), ``execution_type`` (``"express"`` for short items),
                ``tolerated_failure_percentage``, ``tolerated_failure_count``, ``batch_size``
                (number of items that a call of a step receives), ``over`` (a dataset in S3, whose
                items are read after this, in place of those of this result).
        """
        return mapped(spec_of(self), step, args, options)

    def agg(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        """Raise an error: ``agg`` closes a map, and none is open."""
        raise no_map(spec_of(self).place)

    def wait(self, **given: Any) -> Wait:
        """Wait before what follows in the chain, which receives this result.

        Args:
            given: As for :func:`wait`.
        """
        spec = spec_of(self)
        return Wait(wait_spec(given, calling_place(), spec, spec.body))


@ends_at_caller
class Call(Followed[CallSpec]):
    """A call of a step: a node of the graph, and a placeholder for its result.

    Pass it to other steps as an argument, alone or inside lists, tuples, sets and dicts, or
    continue with ``.next``, ``.map``, ``.agg`` and ``.wait``.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        spec = spec_of(self)
        return f"<call of step {spec.step.name!r} at {spec.place}>"


@ends_at_caller
class Wait(Arrowed, Followed[WaitSpec]):
    """A wait: a node of the graph; after a call, a placeholder for the call's result as well."""

    def __init__(self, spec: WaitSpec) -> None:
        super().__init__(spec)
        self.draw()

    def __rshift__(self, other: Any) -> Any:
        """Make a task, or each of a list of tasks, come after the wait."""
        return join([self], other)

    def __rrshift__(self, other: Any) -> Wait:
        """Make the wait come after each of a list of tasks."""
        join(other, self)
        return self

    def __repr__(self) -> str:
        return f"<wait at {spec_of(self).place}>"


@ends_at_caller
def wait(
    *,
    seconds: float | None = None,
    minutes: float | None = None,
    hours: float | None = None,
    days: float | None = None,
    until: datetime | Any = None,
) -> Wait:
    """Return a node that waits, for a time of whole seconds or until a time.

    ``load(day).after(wait(minutes=5))`` begins later; ``wait(seconds=30).after(one)`` begins after
    another node.

    Args:
        seconds: How long it waits.
        minutes: The same in minutes.
        hours: The same in hours.
        days: The same in days; a year at most.
        until: An aware datetime, a parameter of the flow, or the result of a step that returns an
            aware datetime or its text in RFC 3339. A wait until a time that is past ends at once.

    Raises:
        OptionError: If it has not exactly one argument, or one that is invalid.
    """
    given = {"seconds": seconds, "minutes": minutes, "hours": hours, "days": days, "until": until}
    return Wait(wait_spec(given, calling_place()))


@ends_at_caller
class Chain(Selectable[ChainSpec]):
    """A chain with open maps: the next call runs for each item of the innermost map."""

    __slots__ = ()

    def next(self, step: Stepped, *args: Any, **kwargs: Any) -> Chain:
        """Call a step with the result of each item.

        Args:
            step: Receives the result as its first argument.
            args: Further arguments.
            kwargs: Further arguments, and ``retry=`` and ``catch=``.
        """
        chain = spec_of(self)
        tail = following(step, chain.tail, args, kwargs, chain.maps[-1])
        return Chain(ChainSpec(chain.maps, tail))

    def wait(self, **given: Any) -> Chain:
        """Wait before what follows for each item, which receives the item's result.

        Args:
            given: As for :func:`wait`.
        """
        chain = spec_of(self)
        waits = wait_spec(given, calling_place(), chain.tail, chain.maps[-1])
        return Chain(ChainSpec(chain.maps, waits))

    def map(self, step: Any, *args: Any, **options: Any) -> Chain:
        """Open a map inside this one, over the result of each item.

        Args:
            step: Receives an inner item as its first argument.
            args: As for :meth:`Call.map`.
            options: As for :meth:`Call.map`.
        """
        chain = spec_of(self)
        if chain.maps[-1].options.batch_size > 1:
            raise map_in_batch(calling_place(), chain.place)
        tail, dataset = chain.tail, dataset_in(options, step)
        if dataset is not None:
            read = open_map(dataset, step, args, options, tail)
            return Chain(ChainSpec((*chain.maps, *read.maps), read.tail))
        if isinstance(tail, MapSpec) or not isinstance(source_of(tail), CallSpec):
            raise BindingError(
                "a map runs over the result of a step, and this is the result of a map, "
                f"opened at {chain.place}",
                place=calling_place(),
                remedy="put a step between the two: .agg(step).map(…)",
            )
        inner = open_map(tail, step, args, options)
        return Chain(ChainSpec((*chain.maps, *inner.maps), inner.tail))

    def agg(self, step: Stepped, *args: Any, **kwargs: Any) -> Any:
        """Close the innermost map and call a step with the list of its results.

        Args:
            step: Receives the list, in the order of the items, as its first argument.
            args: Further arguments.
            kwargs: Further arguments, and ``retry=`` and ``catch=``.

        Returns:
            A chain if another map is open, else a :class:`Call`.
        """
        chain = spec_of(self)
        closed, outer = close_innermost(chain, calling_place()), chain.maps[:-1]
        call = following(step, closed, args, kwargs, outer[-1] if outer else None)
        return Chain(ChainSpec(outer, call)) if outer else placeholders_of([call])

    def __repr__(self) -> str:
        maps = len(spec_of(self).maps)
        return f"<chain with {maps} open map{'s' * (maps > 1)}>"


@ends_at_caller
class ResultPart(Selectable[PartSpec]):
    """A part of the result of a call, of a map, or of a flow parameter."""

    __slots__ = ()

    def next(self, step: Any, *args: Any, **kwargs: Any) -> Call:
        """Call a step with this part.

        Args:
            step: Receives the part as its first argument.
            args: Further arguments.
            kwargs: Further arguments, and ``retry=``.
        """
        return called(step, spec_of(self), args, kwargs)

    def map(self, step: Any, *args: Any, **options: Any) -> Chain:
        """Call a step for each item of this part, in parallel.

        Args:
            step: As for :meth:`Call.map`.
            args: The same.
            options: The same.
        """
        return mapped(spec_of(self), step, args, options)

    def agg(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        """Raise an error: ``agg`` closes a map, and none is open."""
        raise no_map(spec_of(self).place)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the step with the name of the attribute, as lokki does: ``fetch().process()``."""
        spec = spec_of(self)
        key = spec.path[-1]
        if isinstance(spec.of, CallSpec) and len(spec.path) == 1 and isinstance(key, Attribute):
            step = spec.of.step.function.__globals__.get(key.name)
            if isinstance(step, Stepped) and not args:
                return called(step, spec.of, args, kwargs)
        return self._refuse()

    def __repr__(self) -> str:
        return f"<{spec_of(self).what}>"


@ends_at_caller
class FlowArgument(Selectable[ParameterSpec]):
    """A parameter of a run, while the pipeline is written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{spec_of(self).what.removeprefix('the ')}>"


# The overloads overlap, since V may be a Links too; type checkers choose the first.
@overload
def chain(call: Links[V, L], /) -> Links[V, L]: ...  # type: ignore[overload-overlap]
@overload
def chain(call: V, /) -> Links[V, Closed]: ...
@ends_at_caller
def chain(call: Any, /) -> Any:
    """Return a call of a step unchanged, for type checkers with the methods of chains.

    To type checkers a call is the step's result, so that ``score(load())`` is checked. Calls that
    return lists also have ``.map``, ``.next``, ``.agg`` and ``.after``. Those of other results do
    not: ``chain(find(day)).next(load)``. What these methods return is accepted by any parameter,
    and has them too. Items, further arguments and their names are checked, in calls and links
    without options such as ``retry=`` and ``concurrency_limit=``.

    Args:
        call: A call of a step, a part of its result, or a chain.

    Raises:
        BindingError: If it is something else.
    """
    if not isinstance(call, Followed | Chain | ResultPart):
        place = calling_place()
        refuse_pipeline(call, place)
        raise BindingError(
            f"chain() requires a call of a step, got {call!r}",
            place=place,
            remedy="call the step: chain(load()).map(…)",
        )
    return call


@overload
def Parameter(name: str, kind: type[V], *, default: V = ...) -> V: ...
@overload
def Parameter(name: str, kind: Any = ..., *, default: Any = ...) -> Any: ...
@ends_at_caller
def Parameter(  # noqa: N802  # written like the other declarations
    name: str, kind: Any = Any, *, default: Any = REQUIRED
) -> Any:
    """Return a parameter of a run, as an argument of any call: ``load(Parameter("day", str))``.

    To type checkers it is a value of its type.

    Args:
        name: Its name in ``local_run({"day": …})``, in options of commands (``--day``), and in the
            execution's input.
        kind: ``int``, ``float``, ``str``, ``bool``, ``list`` or ``dict``; any JSON if omitted.
        default: Its value if none is given; without it, each run must have one.

    Raises:
        NamingError: If the name is not an identifier.
        OptionError: If the type is another one, or the default does not have it.
    """
    place = calling_place()
    return FlowArgument(ParameterSpec(name, place, declared(name, kind, default, place)))


@ends_at_caller
def part(value: Any, name: str) -> Any:
    """Return an attribute of a step's result, also one with the name of a chain's method.

    ``part(out, "next")`` is the field ``next`` of the result, where ``out.next`` adds a step.

    Args:
        value: The result of a call, a task, or a part of one; inside a step, the value itself.
        name: Name of the attribute.
    """
    if isinstance(value, Placeholder):
        return ResultPart(part_of(spec_of(value), Attribute(name)))
    of_task = getattr(type(value), PART_OF_TASK, None)
    return getattr(value, name) if of_task is None else of_task(value, Attribute(name))


def placeholders_of(ends: Sequence[NodeSpec]) -> Any:
    """Return the placeholder of a node's result, or a tuple of those of several."""
    made: list[Any] = []
    for one in ends:
        if isinstance(one, MapSpec):
            assert one.end is not None
            made.append(Chain(ChainSpec((one,), one.end)))
        else:
            made.append(Call(one) if isinstance(one, CallSpec) else Wait(one))
    return made[0] if len(made) == 1 else tuple(made)


def called(
    step: Any, value: CallSpec | WaitSpec | PartSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    """Return a call of a step with a result, or a part of one, in the same map's body.

    Args:
        step: The step.
        value: Its first argument.
        args: Further arguments.
        kwargs: Further arguments, and ``retry=``.
    """
    whole = whole_of(value)
    body = whole.body if isinstance(whole, NodeSpec) else None
    made: Call = placeholders_of([following(step, value, args, kwargs, body)])
    return made  # a chain, where a pipeline ends with a map


def mapped(
    source: CallSpec | WaitSpec | PartSpec,
    step: Any,
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> Chain:
    """Return a chain with a map over a result or a part of one, as :func:`open_map` opens it."""
    dataset = dataset_in(options, step)
    if dataset is not None:
        whole = whole_of(source)
        previous = whole if isinstance(whole, NodeSpec) else None
        return Chain(open_map(dataset, step, args, options, previous))
    argument(source, calling_place())  # refuses a wait without a result
    if not isinstance(source_of(whole_of(source)), CallSpec):
        raise BindingError(
            f"a map runs over the result of a step, or a part of it, and this is {source.what}",
            place=calling_place(),
            remedy="put a step between the two that returns the list",
        )
    return Chain(open_map(source, step, args, options))
