"""The sources of arguments, and the known facts about their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model import Group, Item, Literal, Map, Output, Parameter

from .functions import annotations_of, list_of
from .shapes import element_hint

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from lokki_tf.model import Binding, Definition, Graph, Node, Step

    from .functions import Annotations

CONTAINERS: dict[str, type] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict,
}  # fmt: skip


class Source(NamedTuple):
    """The source of an argument.

    Args:
        key: Equal for sources with the same facts.
        says: The beginning of a sentence about it: ``step 'load' returns``; empty for literals.
        what: A noun phrase for it: ``what step 'load' returns``.
        hint: Its annotation; ``Any`` if it is unknown.
        given: The literal in the pipeline, whose class is known.
    """

    key: Hashable
    says: str
    what: str
    hint: Any
    given: Literal | Group | None = None


UNKNOWN = Source(None, "", "", Any)


class Reader:
    """The annotations of the steps' functions, each read once."""

    def __init__(self) -> None:
        self._read: dict[Step, Annotations] = {}

    def of(self, step: Step) -> Annotations:
        """Return the annotations of a step's function."""
        found = self._read.get(step)
        if found is None:
            found = self._read[step] = annotations_of(step.function)
        return found


class Scope:
    """The sources of bindings in one graph: the pipeline's, or a map's body.

    Args:
        reader: Reads functions.
        graph: The graph.
        parameters: The sources of its parameters, by name.
        item: The item, in a map's body.
    """

    def __init__(
        self,
        reader: Reader,
        graph: Graph,
        parameters: Mapping[str, Source],
        item: Source = UNKNOWN,
    ) -> None:
        self.graph = graph
        self.reader = reader
        self._parameters = parameters
        self._item = item
        self._results: dict[str, Source] = {}

    def inside(self, one: Map) -> Scope:
        """Return the scope of a map's body, to which the map passes sources of this scope."""
        handed_in = {name: self.source(binding) for name, binding in one.arguments}
        items, item = self.source(one.items), UNKNOWN
        if items.says:
            what = f"an item of {items.what}"
            item = Source(("item", items.key), f"{what} is", what, element_hint(items.hint))
        return Scope(self.reader, one.body, handed_in, item)

    def source(self, binding: Binding) -> Source:
        """Return the source of an argument."""
        if isinstance(binding, Output):
            found = self._results.get(binding.node)
            if found is None:
                found = self._result(self.graph.by_name.get(binding.node))
                self._results[binding.node] = found
            return found
        if isinstance(binding, Literal):
            return _given(binding, type(binding.value), _honest(binding.value))
        if isinstance(binding, Group):
            return _given(binding, CONTAINERS[binding.kind], True)
        if isinstance(binding, Parameter):
            return self._parameters.get(binding.name, UNKNOWN)
        return self._item if isinstance(binding, Item) else UNKNOWN

    def _result(self, node: Node | Map | None) -> Source:
        if node is None:
            return UNKNOWN
        if isinstance(node, Map):
            last = self._result(node.body.by_name[node.body.terminals[-1]])
            text, hint, key = f"map {node.name!r}", list_of(last.hint), node.name
            return Source((key, last.key), f"{text} returns", f"what {text} returns", hint)
        text, hint = f"step {node.step.name!r}", self.reader.of(node.step).returned
        return Source(node.step, f"{text} returns", f"what {text} returns", hint)


def _given(binding: Literal | Group, kind: type, honest: bool) -> Source:
    # The class itself could be the key too, unless its metaclass forbids it.
    return Source(("given", id(kind), honest), "", "", kind if honest else Any, binding)


def _honest(value: Any) -> bool:
    """Return whether a value reports its real class, unlike mocks and proxies."""
    try:
        return value.__class__ is type(value)
    except Exception:  # a proxy without an object
        return False


def outermost(definition: Definition) -> Scope:
    """Return the scope of a pipeline's own graph, with the parameters of its flow."""
    parameters = {}
    for one in definition.parameters:
        text = f"parameter {one.name!r} of the flow"
        parameters[one.name] = Source(("parameter", one.name), f"{text} is", text, one.kind)
    return Scope(Reader(), definition.graph, parameters)
