"""Where arguments come from, and the annotations of these sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Union

from lokki_tf.model import (
    Dataset,
    Group,
    Item,
    Literal,
    Map,
    Output,
    Parameter,
    Part,
    TerraformRef,
    Wait,
)
from lokki_tf.model.annotations import Excluded, part_hint

from .functions import annotations_of
from .hints import item_hint, list_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import AnyNode, Binding, Definition, Graph, Step

    from .functions import Annotations

CONTAINERS: dict[str, type] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict,
}  # fmt: skip


class Source(NamedTuple):
    """The source of an argument.

    Args:
        says: The beginning of a sentence about it: ``step 'load' returns``; empty for literals.
        what: A noun phrase for it: ``what step 'load' returns``.
        hint: Its annotation; ``Any`` if it is unknown.
        given: The literal in the pipeline, whose class is known.
    """

    says: str = ""
    what: str = ""
    hint: Any = Any
    given: Literal | TerraformRef | Group | None = None


_UNKNOWN = Source()
_ITEMS: dict[str, Any] = {
    "objects": list[dict[str, Any]],
    "csv": list[dict[str, str]],
    "inventory": list[dict[str, str]],
    "json": list[Any],
    "jsonl": list[Any],
}


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
        item: Source = _UNKNOWN,
    ) -> None:
        self.graph = graph
        self.reader = reader
        self._parameters = parameters
        self._item = item

    def inside(self, one: Map) -> Scope:
        """Return the scope of a map's body, to which the map passes sources of this scope."""
        handed_in = {name: self.source(binding) for name, binding in one.arguments}
        items, item = self.source(one.items), _UNKNOWN
        if items.says:
            what = f"an item of {items.what}"
            item = Source(f"{what} is", what, item_hint(items.hint))
        return Scope(self.reader, one.body, handed_in, item)

    def source(self, binding: Binding | Dataset) -> Source:
        """Return the source of an argument."""
        if isinstance(binding, Output):
            return self._result(self.graph.by_name.get(binding.node))
        if isinstance(binding, Literal):
            return Source(hint=_class_of(binding.value), given=binding)
        if isinstance(binding, TerraformRef):
            return Source(hint=str, given=binding)
        if isinstance(binding, Group):
            return Source(hint=CONTAINERS[binding.kind], given=binding)
        if isinstance(binding, Dataset):
            return Source(
                f"{binding.name} reads", f"what {binding.name} reads", _ITEMS[binding.kind]
            )
        if isinstance(binding, Part):
            return self._part(binding)
        if isinstance(binding, Parameter):
            return self._parameters.get(binding.name, _UNKNOWN)
        return self._item if isinstance(binding, Item) else _UNKNOWN

    def _part(self, part: Part) -> Source:
        of = self.source(part.of)
        try:
            hint = part_hint(of.hint, part.path)
        except Excluded:  # reported by the rule for parts
            hint = Any
        return Source(f"{part.what} is", part.what, hint)

    def _result(self, node: AnyNode | None) -> Source:
        if node is None or isinstance(node, Wait):
            return _UNKNOWN
        if isinstance(node, Map):
            last = self._result(node.body.by_name[node.body.results[-1]])
            text, hint = f"map {node.name!r}", list_of(last.hint)
        else:
            text, hint = f"step {node.step.name!r}", self.reader.of(node.step).returned
            if node.step.options.callback and hint in (None, type(None)):
                hint = Any  # its result is the answer, and not what its function returns
            if node.catch and hint is not Any:
                hint = _or_failure(hint)
        return Source(f"{text} returns", f"what {text} returns", hint)


def _or_failure(hint: Any) -> Any:
    from lokki_tf.runtime.failure import Failure  # only pipelines that catch errors need it

    try:
        return Union[hint, Failure]  # noqa: UP007  # an annotation may be any object
    except TypeError:
        return Any


def _class_of(value: Any) -> Any:
    """Return a value's class; ``Any`` for mocks and proxies, which report another one."""
    try:
        return type(value) if value.__class__ is type(value) else Any
    except Exception:  # a proxy without an object
        return Any


def outermost(definition: Definition) -> Scope:
    """Return the scope of a pipeline's own graph, with the parameters of its flow."""
    parameters = {}
    for one in definition.parameters:
        text = f"parameter {one.name!r} of the flow"
        parameters[one.name] = Source(f"{text} is", text, one.kind)
    return Scope(Reader(), definition.whole, parameters)
