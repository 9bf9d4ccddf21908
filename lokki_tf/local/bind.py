"""Compilation of a node's bindings to one fast function that returns its arguments.

Results, the item, parameters and literals are in one list, so that common arguments are only
indices into it: ``f(rows, limit=10)`` becomes ``[values[3]], {"limit": values[20]}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lokki_tf.errors import BindingError
from lokki_tf.model import (
    AnyNode,
    Binding,
    Graph,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    Part,
    TerraformRef,
    Wait,
)
from lokki_tf.model.bindings import parts_in
from lokki_tf.model.streams import streams_of

from .copies import Copies, plain
from .spool import Spooled, each
from .strict import RoundTripSerializer, label, not_serializable

Arguments = tuple[Sequence[Any], dict[str, Any]]
Gather = Callable[[list[Any]], Arguments]
Getter = Callable[[list[Any]], Any]

_KINDS: dict[str, Callable[[Iterable[Any]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


class _Unbound(Exception):
    """A binding refers to something that does not exist."""


class Binder:
    """Compiles the bindings of the nodes of one graph.

    Args:
        nodes: The graph's nodes; their results have the first indices.
        parameters: Names of the parameters; they have the next indices.
        in_map: Whether the graph is a map's body; the item then has the next index.
        serializer: Serializes the literals, and deserializes a value for each consumer of it;
            ``None`` if the list contains the values themselves.
    """

    def __init__(
        self,
        nodes: Sequence[AnyNode],
        parameters: Iterable[str] = (),
        *,
        in_map: bool = False,
        serializer: RoundTripSerializer | Copies | None = None,
    ) -> None:
        has_maps = any(isinstance(node, Map) for node in nodes)
        self._graph = Graph(tuple(nodes)) if has_maps else None
        self._results = {node.name: index for index, node in enumerate(nodes)}
        count = len(self._results)
        self._parameters = {name: index for index, name in enumerate(parameters, count)}
        count += len(self._parameters)
        self._item = count if in_map else None
        self._literals_from = count + in_map
        self._serializer = serializer
        self.literals: list[Any] = []
        """The literals, which are at the end of the list."""

    def gather(self, node: AnyNode) -> Gather:
        """Return a function from the list to the node's arguments.

        The arguments of a map are its items, or the location of its dataset, by position, and the
        map's own arguments, by name; those of a wait are ``value`` and ``until``.

        Raises:
            BindingError: If a binding refers to something that does not exist.
            SerializationError: If there is a serializer, and a literal cannot be serialized.
        """
        if isinstance(node, Map):
            args = [self._argument(node, "items", node.source)]
            named = node.arguments
        elif isinstance(node, Wait):
            both = (("value", node.value), ("until", node.until))
            args, named = [], tuple((name, one) for name, one in both if one is not None)
        else:
            args = [self._argument(node, *numbered) for numbered in enumerate(node.args, 1)]
            named = node.kwargs
        kwargs = [(name, self._argument(node, name, binding)) for name, binding in named]
        if self._graph is not None and isinstance(node, Node):
            for where, kind, _ in streams_of(self._graph, node):
                once = kind == "iterator"
                if isinstance(where, int):
                    args[where] = self._stream(args[where], once=once)
                else:
                    named_now = dict(kwargs)
                    named_now[where] = self._stream(named_now[where], once=once)
                    kwargs = list(named_now.items())
        if self._is_flat(args) and self._is_flat(position for _, position in kwargs):
            return _flat(args, kwargs)
        starts = isinstance(node, Node) and node.step.starts is not None
        gather = self._deep(args, kwargs)
        return self._of_start(node, gather) if starts else gather

    def _of_start(self, node: AnyNode, gather: Gather) -> Gather:
        """Refuse parts of objects, which no code of the user's can select in AWS."""
        assert isinstance(node, Node)
        assert node.step.starts is not None
        pipeline = node.step.starts.name
        wholes = [
            (name, self._getter(self._position(part.of)))
            for name, binding in node.kwargs
            for part in parts_in(binding)
        ]

        def checked(values: list[Any]) -> Arguments:
            from lokki_tf.runtime.started import has_objects, not_json

            for name, whole in wholes:
                if has_objects(whole(values)):
                    raise not_json(pipeline, name)
            return gather(values)

        return checked if wholes else gather

    def _argument(self, node: AnyNode, name: str | int, binding: Binding) -> Any:
        try:
            return self._position(binding)
        except _Unbound as error:
            raise BindingError(
                f"argument {name!r} of {label(node)} is {error}, and there is none here",
                place=node.place,
            ) from None
        except Exception as error:  # raised by the serializer: nothing else here can fail
            raise not_serializable(node, f"argument {name!r}", error) from error

    def _is_flat(self, positions: Iterable[Any]) -> bool:
        return self._serializer is None and not any(callable(position) for position in positions)

    def _position(self, binding: Binding) -> Any:
        """Return an index into the list, or a function where an index is not enough."""
        if isinstance(binding, Group):
            return self._group(binding)
        if isinstance(binding, Part):
            return self._part(binding)
        if isinstance(binding, Literal):
            serializer = self._serializer
            self.literals.append(
                binding.value if serializer is None else serializer.freeze(binding.value)
            )
            return self._literals_from + len(self.literals) - 1
        assert not isinstance(binding, TerraformRef)  # replaced by its value before the run
        position = self._index_of(binding)
        if position is None:
            raise _Unbound(binding)
        return position

    def _index_of(self, binding: Output | Parameter | Item) -> int | None:
        if isinstance(binding, Output):
            return self._results.get(binding.node)
        if isinstance(binding, Parameter):
            return self._parameters.get(binding.name)
        return self._item

    def _getter(self, position: int | Getter) -> Getter:
        if not isinstance(position, int):
            return position
        serializer = self._serializer
        if serializer is None:
            return lambda values: values[position]
        return lambda values: serializer.thaw(values[position])

    def _stream(self, position: int, *, once: bool) -> Getter:
        """Return a function from the list to a map's results, which are read one by one."""
        serializer = self._serializer
        return lambda values: streamed(values[position], serializer, once=once)

    def _part(self, part: Part) -> Getter:
        from lokki_tf.runtime.parts import selected  # imported here: the runtime imports json

        get, selection = self._getter(self._position(part.of)), part.selection
        return lambda values: selected(get(values), selection)

    def _group(self, group: Group) -> Getter:
        positions = [self._position(member) for member in group.members]
        members = self._members(positions)
        if group.kind == "dict":
            keys: Sequence[Any] = group.keys
            if self._serializer is not None:
                keys = self._serializer.thaw(self._serializer.freeze(list(keys)))
            return lambda values: dict(zip(keys, members(values), strict=True))
        make = _KINDS[group.kind]
        return members if make is list else lambda values: make(members(values))

    def _members(self, positions: list[Any]) -> Callable[[list[Any]], list[Any]]:
        if self._is_flat(positions):
            return lambda values: [values[position] for position in positions]
        getters = [self._getter(position) for position in positions]
        return lambda values: [get(values) for get in getters]

    def _deep(self, args: list[Any], kwargs: list[tuple[str, Any]]) -> Gather:
        by_position = [self._getter(position) for position in args]
        by_name = [(name, self._getter(position)) for name, position in kwargs]
        return lambda values: (
            [get(values) for get in by_position],
            {name: get(values) for name, get in by_name},
        )


def streamed(stored: Any, serializer: RoundTripSerializer | Copies | None, *, once: bool) -> Any:
    """Return a map's results for a step that reads them one after another.

    Args:
        stored: The results as they are in the list; something else if the map has none.
        serializer: Deserializes each result, if it was serialized.
        once: Whether the step receives an iterator.
    """
    from lokki_tf.runtime.results import Results  # imported here: the runtime imports json

    thaw = serializer.thaw if isinstance(serializer, RoundTripSerializer) else None
    value = plain(stored)
    if isinstance(value, Spooled):
        return Results(partial(each, value.source, thaw), once=once)
    if isinstance(value, list):
        return Results(partial(each, value, thaw), once=once)
    return value if thaw is None else thaw(value)


def _flat(args: list[int], kwargs: list[tuple[str, int]]) -> Gather:
    if not kwargs:
        if not args:
            return lambda values: ((), {})
        if len(args) == 1:
            only = args[0]
            return lambda values: ((values[only],), {})
        return lambda values: ([values[position] for position in args], {})
    if args:
        return lambda values: (
            [values[position] for position in args],
            {name: values[position] for name, position in kwargs},
        )
    if len(kwargs) == 1:
        name, position = kwargs[0]
        return lambda values: ((), {name: values[position]})
    return lambda values: ((), {name: values[position] for name, position in kwargs})
