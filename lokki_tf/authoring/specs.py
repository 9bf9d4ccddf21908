"""What a placeholder represents, as plain data.

The builder of graphs reads nothing else, so a graph can be built from specs that are made by hand:
``graph_of([CallSpec(step, place)])``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import Dataset, Group, Literal, MapOptions, Step, TerraformRef, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lokki_tf.errors import Place
    from lokki_tf.model import Condition, FlowParameter, Key, RetryConfig
    from lokki_tf.model.retries import ErrorType

_orders = itertools.count()


def next_order() -> int:
    """Return the position of a spec that is made now among all specs."""
    return next(_orders)


@dataclass(eq=False, slots=True)
class Box:
    """A sub-pipeline: its nodes' names begin with its name.

    Args:
        name: The pipeline's name.
        place: Source location of its call.
        outer: The sub-pipeline that contains it, if any.
        timeout_seconds: The limit of its duration, which has no effect in another pipeline.
        firsts: Its nodes that depend on no others of it.
    """

    name: str
    place: Place
    outer: Box | None = None
    timeout_seconds: int | None = None
    firsts: list[NodeSpec] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class CallSpec:
    """A call of a step, which becomes a node of the graph.

    Args:
        step: The step.
        place: Source location of the call.
        args: Arguments by position.
        kwargs: Arguments by name.
        retry: Retriers: how failures of this call are retried.
        body: The map whose body contains the call, if any.
        condition: The arguments that the step's ``when=`` receives, if it has one.
        after: Calls and maps that must end first, though their results are not used.
        catch: Errors that make a ``Failure`` the result.
        order: Its position among all specs, by time of creation.
        box: The sub-pipeline that contains it, if any.
    """

    step: Step
    place: Place
    args: tuple[Argument, ...] = ()
    kwargs: dict[str, Argument] = field(default_factory=dict)
    retry: tuple[RetryConfig, ...] = ()
    body: MapSpec | None = None
    condition: Condition | None = None
    after: list[NodeSpec] = field(default_factory=list)
    catch: tuple[ErrorType, ...] = ()
    order: int = field(default_factory=_orders.__next__)
    box: Box | None = None

    @property
    def what(self) -> str:
        """The beginning of a sentence about its result."""
        return f"the result of step {self.step.name!r}"


@dataclass(eq=False, slots=True)
class ItemSpec:
    """The item of a map, an argument of calls in the map's body.

    Args:
        place: Source location of the map.
        order: Its position among all specs, by time of creation.
    """

    place: Place
    order: int = field(default_factory=_orders.__next__)

    @property
    def what(self) -> str:
        """The beginning of a sentence about its value."""
        return "the item of a map"


@dataclass(eq=False, slots=True)
class MapSpec:
    """A map, which becomes a node whose body is a graph.

    Args:
        source: The items: the result of a call, perhaps after a wait, a part of it, or a dataset.
        place: Source location of the map.
        options: Its options.
        body: The outer map whose body contains this one, if any.
        end: The call or map whose result is that of an item; ``None`` while the map is open.
        after: Calls and maps that must end first, though their results are not used.
        order: Its position among all specs, by time of creation.
        box: The sub-pipeline that contains it, if any.
        limit: The parameter that is its ``concurrency_limit``, if it is one.
    """

    source: CallSpec | WaitSpec | PartSpec | Dataset
    place: Place
    options: MapOptions = field(default_factory=MapOptions)
    body: MapSpec | None = None
    end: NodeSpec | None = None
    after: list[NodeSpec] = field(default_factory=list)
    order: int = field(default_factory=_orders.__next__)
    box: Box | None = None
    limit: ParameterSpec | None = None
    item: ItemSpec = field(init=False)
    """Represents the item in the arguments of calls whose ``body`` is this map."""

    def __post_init__(self) -> None:
        self.item = ItemSpec(self.place)

    @property
    def what(self) -> str:
        """The beginning of a sentence about its result."""
        return "the result of a map"

    @property
    def items(self) -> Argument:
        """The source; of a dataset, its location."""
        return self.source.location if isinstance(self.source, Dataset) else self.source


@dataclass(eq=False, slots=True)
class WaitSpec:
    """A wait, which becomes a node of the graph.

    Args:
        place: Source location of the wait.
        seconds: How long it waits; ``None`` if it waits until a time.
        until: The time: a literal RFC 3339 text in UTC, a parameter, or the result of a call or,
            between arrows, of a task.
        value: The call or map whose result becomes that of the wait, or another such wait.
        body: The map whose body contains it, if any.
        after: Calls, maps and waits that must end first.
        order: Its position among all specs, by time of creation.
        box: The sub-pipeline that contains it, if any.
    """

    place: Place
    seconds: int | None = None
    until: Literal | ParameterSpec | CallSpec | Step | None = None
    value: NodeSpec | None = None
    body: MapSpec | None = None
    after: list[NodeSpec] = field(default_factory=list)
    order: int = field(default_factory=_orders.__next__)
    box: Box | None = None

    @property
    def what(self) -> str:
        """The beginning of a sentence about its result."""
        return "the result of a wait" if self.source is None else self.source.what

    @property
    def source(self) -> CallSpec | MapSpec | None:
        """The call or map whose result it has, if any."""
        source = self.value
        while isinstance(source, WaitSpec):
            source = source.value
        return source


@dataclass(eq=False, slots=True)
class ParameterSpec:
    """A parameter of a run.

    Args:
        name: Name of the parameter.
        place: Source location of its declaration; of a flow's argument, that of the flow.
        declared: Its declaration; ``None`` for an argument of a flow, which declares it.
        order: Its position among all specs, by time of creation.
    """

    name: str
    place: Place
    declared: FlowParameter | None = None
    order: int = field(default_factory=_orders.__next__)

    @property
    def what(self) -> str:
        """The beginning of a sentence about its value."""
        return f"the {'flow ' if self.declared is None else ''}parameter {self.name!r}"


@dataclass(eq=False, slots=True)
class PartSpec:
    """A part of a value: an item or an attribute, at any depth.

    Args:
        of: The whole value.
        path: What is selected of it, one after another.
        place: Source location of the whole value.
        order: Its position among all specs, by time of creation.
    """

    of: ValueSpec
    path: tuple[Key, ...]
    place: Place
    order: int = field(default_factory=_orders.__next__)

    @property
    def what(self) -> str:
        """The beginning of a sentence about its value."""
        return f"part {path_text(self.path)} of {self.of.what}"


@dataclass(eq=False, slots=True)
class ChainSpec:
    """A chain with open maps: its next call runs for each item of the innermost map.

    Args:
        maps: The open maps, innermost last.
        tail: The last call of the innermost map's body.
        order: Its position among all specs, by time of creation.
    """

    maps: tuple[MapSpec, ...]
    tail: NodeSpec
    order: int = field(default_factory=_orders.__next__)

    @property
    def place(self) -> Place:
        """Source location of the innermost map."""
        return self.maps[-1].place

    @property
    def what(self) -> str:
        """The beginning of a sentence about its result."""
        return "the result of a map"


NodeSpec = CallSpec | MapSpec | WaitSpec
"""What becomes a node of the graph."""
ValueSpec = NodeSpec | ItemSpec | ParameterSpec
"""What a binding refers to."""
Argument = Literal | TerraformRef | Group | ValueSpec | PartSpec
"""An argument while a graph is written; members of its groups are arguments as well."""


def specs_in(one: Argument) -> Iterator[ValueSpec]:
    """Yield the specs inside an argument, in order, with repeats; of a part, the whole value."""
    waiting: list[Any] = [one]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Group):
            waiting.extend(reversed(current.members))
        elif isinstance(current, PartSpec):
            yield current.of
        elif not isinstance(current, Literal | TerraformRef):
            yield current


def needs_of(made: NodeSpec) -> list[ValueSpec]:
    """Return what a node depends on: results, items, parameters, and nodes that end before it."""
    if isinstance(made, MapSpec):
        assert made.end is not None
        limit = [] if made.limit is None else [made.limit]
        return [*specs_in(made.items), made.end, *limit, *made.after]
    if isinstance(made, WaitSpec):
        given = (made.value, made.until)
        specs = (one for one in given if one and not isinstance(one, Literal | Step))
        return [*specs, *made.after]
    arguments = [*made.args, *made.kwargs.values()]
    return [*(other for one in arguments for other in specs_in(one)), *made.after]


def reachable(ends: Iterable[NodeSpec]) -> set[NodeSpec]:
    """Return nodes and all that they depend on."""
    found = set(ends)
    waiting = list(found)
    while waiting:
        for other in needs_of(waiting.pop()):
            if isinstance(other, NodeSpec) and other not in found:
                found.add(other)
                waiting.append(other)
    return found


def whole_of(spec: PartSpec | ValueSpec) -> ValueSpec:
    """Return the whole value, for a part; other specs are returned unchanged."""
    return spec.of if isinstance(spec, PartSpec) else spec


def close_innermost(chain: ChainSpec, place: Place) -> MapSpec:
    """End the body of the innermost map of a chain with the chain's last call.

    Args:
        chain: The chain.
        place: Source location of what closes the map.

    Returns:
        The map.

    Raises:
        BindingError: If its body ends with another call already.
    """
    innermost = chain.maps[-1]
    if innermost.end not in (None, chain.tail):
        raise BindingError(
            f"the map at {innermost.place} is continued twice, in two ways",
            place=place,
            remedy="write the map twice, or continue from its .agg(…)",
        )
    innermost.end = chain.tail
    return innermost


def close_all(chain: ChainSpec, place: Place) -> MapSpec:
    """Close all maps of a chain, as :func:`close_innermost` does, and return the outermost."""
    while len(chain.maps) > 1:
        chain = ChainSpec(chain.maps[:-1], close_innermost(chain, place))
    return close_innermost(chain, place)
