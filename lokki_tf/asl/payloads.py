"""What each task is sent, and what each map hands to its items.

Inside a map's body nothing of outside can be read: a Distributed Map's children are
executions of their own. So everything that a body takes from outside is passed in: literals and
flow parameters are in the body's own tasks, results and items of outer maps go through the
map's ``ItemSelector`` as ``$.arguments``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.model import (
    REQUIRED,
    Definition,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Parameter,
    signature,
)
from lokki_tf.model.names import identifier
from lokki_tf.runtime.envelope import FORMAT

from .literals import STORE_VARIABLE, Literals
from .retries import full_name, retries_everything
from .text import Template

if TYPE_CHECKING:
    from lokki_tf.model import Binding, Graph


@dataclass(frozen=True, slots=True)
class Reference:
    """A result, or a map's item, that a payload takes.

    Args:
        name: The node's, or the map's.
        is_item: Whether it is the map's item.
        home: The map in whose body it is made, or is the item; ``None`` outside of all.
    """

    name: str
    is_item: bool
    home: str | None

    @property
    def key(self) -> str:
        """Its name among a map's arguments."""
        return identifier(f"item_of_{self.name}" if self.is_item else self.name)


@dataclass(slots=True, eq=False)
class Payloads:
    """Payloads of tasks, with references in the places of variables.

    Args:
        definition: The pipeline.
        main: The name under which the zips hold what is the module ``__main__`` here.
        literals: Collects what must be in the bucket.
        of_tasks: From each node to its payload.
        captured: From each map to what its body takes from outside, in order.
        given: Nodes that are handed the execution's input, and the maps around them.
        home: From each node to the map in whose body it is, ``None`` outside of all.
        jobs: Nodes that run as jobs of Batch.
    """

    definition: Definition
    main: str
    literals: Literals = field(default_factory=Literals)
    of_tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    captured: dict[str, dict[Reference, None]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    home: dict[str, str | None] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._graph(self.definition.graph, ())

    def _graph(self, graph: Graph, around: tuple[Map, ...]) -> None:
        for node in graph.nodes:
            if isinstance(node, Map):
                self.captured[node.name] = {}
                self._graph(node.body, (*around, node))
            else:
                self.home[node.name] = around[-1].name if around else None
                if node.step.is_job:
                    self.jobs.add(node.name)
                self.of_tasks[node.name] = self._payload(node, around)
                if not around and not node.predecessors:
                    self.given.add(node.name)  # it refuses unknown names of the input

    def _payload(self, node: Node, around: tuple[Map, ...]) -> dict[str, Any]:
        store = Template(f"${{{STORE_VARIABLE}}}")
        payload: dict[str, Any] = {"format": FORMAT, "node": node.name, "store": store}
        if node.retry.retries and not retries_everything(node.retry):
            payload["retry"] = [full_name(error, self.main) for error in node.retry.exceptions]
        if node.args:
            payload["args"] = {
                str(index): self._envelope(binding, node, around)
                for index, binding in enumerate(node.args)
            }
        if node.kwargs:
            payload["kwargs"] = {
                name: self._envelope(binding, node, around) for name, binding in node.kwargs
            }
        if node.when is not None:
            payload["when"] = node.when.taken
        if node.name in self.literals.of_main:
            payload["main"] = self.main
        return payload

    def _envelope(self, binding: Binding, node: Node, around: tuple[Map, ...]) -> Any:
        """The envelope of an argument; inside maps, ``around`` holds them, innermost last."""
        return self._resolved(binding, node, around, around)

    def _resolved(
        self, binding: Binding, node: Node, level: tuple[Map, ...], around: tuple[Map, ...]
    ) -> Any:
        """``level`` is where the binding was written, ``around`` where the node is."""
        if isinstance(binding, Literal):
            return self.literals.envelope(binding.value, node)
        if isinstance(binding, Group):
            made: dict[str, Any] = {"make": binding.kind}
            if binding.kind == "dict":
                made["keys"] = self.literals.envelope(list(binding.keys), node)
            made["items"] = {
                str(index): self._resolved(member, node, level, around)
                for index, member in enumerate(binding.members)
            }
            return made
        if isinstance(binding, Parameter):
            if level:
                outside = dict(level[-1].arguments)[binding.name]
                return self._resolved(outside, node, level[:-1], around)
            self.given.update((node.name, *(one.name for one in around)))
            return self._parameter(binding.name, node)
        home = level[-1].name if level else None
        if isinstance(binding, Item):
            assert home is not None
            reference = Reference(home, True, home)
        else:
            reference = Reference(binding.node, False, home)
        for outer in around[len(level) :]:
            self.captured[outer.name][reference] = None
        return reference

    def _parameter(self, name: str, node: Node) -> dict[str, Any]:
        (parameter,) = (one for one in self.definition.parameters if one.name == name)
        envelope: dict[str, Any] = {"parameter": name}
        if isinstance(parameter.kind, type):
            envelope["kind"] = parameter.kind.__name__
        if parameter.default is not REQUIRED:
            envelope["default"] = self.literals.envelope(parameter.default, node)
        return envelope


def known_names(definition: Definition) -> dict[str, Any]:
    """What an execution's input may hold, by which the runtime refuses all else."""
    names = [one.name for one in definition.parameters]
    known = {"names": names} if names else {}
    return {**known, "signature": signature(definition.parameters, definition.name)}


def references_in(payload: Any) -> Iterator[Reference]:
    """The references in a payload, repeats included."""
    if isinstance(payload, Reference):
        yield payload
    elif isinstance(payload, Mapping):
        for value in payload.values():
            yield from references_in(value)


def with_paths(payload: Any, path: Callable[[Reference], Any]) -> Any:
    """The payload with each reference replaced.

    Args:
        payload: With references.
        path: Gives a path for the value of a key, or an object in its place.
    """
    if not isinstance(payload, dict):
        return payload
    filled: dict[str, Any] = {}
    for key, value in payload.items():
        if isinstance(value, Reference):
            found = path(value)
            filled[f"{key}.$" if isinstance(found, str) else key] = found
        else:
            filled[key] = with_paths(value, path)
    return filled


def has_stored_literal(payload: Any) -> bool:
    """Whether a literal of the payload is in the bucket."""
    if not isinstance(payload, dict):
        return False
    return isinstance(payload.get("ref"), Template) or any(
        map(has_stored_literal, payload.values())
    )
