"""Comparison of every argument of a graph with the parameter that receives it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model import Group, Literal, Map

from .fitting import contradicts
from .shapes import member_hints
from .sources import CONTAINERS, Scope, Source, outermost
from .text import hint_text, value_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from lokki_tf.model import Binding, Definition, Node

    from .functions import Taken


class Contradiction(NamedTuple):
    """An argument that cannot fit its parameter.

    Args:
        source: Its source.
        node: The node that receives it.
        taken: Its parameter.
        container: The container that it is in, ``list`` for example; empty if it is passed
            directly.
    """

    source: Source
    node: Node
    taken: Taken
    container: str = ""

    @property
    def message(self) -> str:
        """The contradiction in one sentence."""
        source, name, container = self.source, self.taken.name, self.container
        parameter = f"parameter {name!r} of step {self.node.step.name!r}"
        said, takes = hint_text(source.hint), hint_text(self.taken.hint)
        if source.given is None and said == takes:  # two classes with the same name
            said, takes = hint_text(source.hint, full=True), hint_text(self.taken.hint, full=True)
        if source.given is None:
            within = f", which is in a {container}," if container else ","
            return f"{source.says} {said}{within} and {parameter} takes {takes}"
        within = f"a {container} with " if container else ""
        return f"{parameter} is given {within}{_given(source.given)}, and takes {takes}"


class NoItems(NamedTuple):
    """A value without items that a map runs over.

    Args:
        source: Its source.
        node: The map.
    """

    source: Source
    node: Map

    @property
    def message(self) -> str:
        """The contradiction in one sentence."""
        said = f"{self.source.says} {hint_text(self.source.hint)}"
        return f"{said}, and map {self.node.name!r} runs for each item of a list"


def _given(binding: Literal | Group) -> str:
    return f"a {binding.kind}" if isinstance(binding, Group) else value_text(binding.value)


def contradictions(definition: Definition) -> Iterator[Contradiction]:
    """Return all arguments that cannot fit, in the order of the nodes.

    Args:
        definition: A pipeline with a graph.
    """
    known: dict[Hashable, bool] = {}
    for scope, node in _nodes(outermost(definition)):
        annotations = scope.reader.of(node.step)
        if not annotations.speaks:
            continue
        given: list[tuple[int | str, Binding]] = [*enumerate(node.args), *node.kwargs]
        for where, binding in given:
            taken = annotations.at(where)
            if taken is not None and taken.hint is not Any:
                yield from _of_argument(_Place(scope, node, taken, known), binding)


def without_items(definition: Definition) -> Iterator[NoItems]:
    """Return all maps over values that cannot have items.

    Args:
        definition: A pipeline with a graph.
    """
    for scope, node in _maps(outermost(definition)):
        source = scope.source(node.items)
        if source.given is None and source.says and contradicts(source.hint, Iterable):
            yield NoItems(source, node)


def _maps(scope: Scope) -> Iterator[tuple[Scope, Map]]:
    for node in scope.graph.nodes:
        if isinstance(node, Map):
            yield scope, node
            yield from _maps(scope.inside(node))


def _nodes(scope: Scope) -> Iterator[tuple[Scope, Node]]:
    for node in scope.graph.nodes:
        if isinstance(node, Map):
            yield from _nodes(scope.inside(node))
        else:
            yield scope, node


class _Place(NamedTuple):
    """A parameter of a node.

    Args:
        scope: The node's scope.
        node: The node.
        taken: The parameter.
        known: Results of earlier comparisons of sources and parameters.
    """

    scope: Scope
    node: Node
    taken: Taken
    known: dict[Hashable, bool]

    def refuses(self, source: Source, *member: Any) -> bool:
        """Return whether no value of a source can fit the parameter.

        Args:
            source: The source.
            member: If it is in a container: the container's class, and the index in a tuple.
        """
        if source.hint is Any:
            return False
        key = (source.key, self.node.step, self.taken.name, *member)
        found = self.known.get(key)
        if found is None:
            hint = self.taken.hint
            wanted = member_hints(hint, CONTAINERS[member[0]], member[1]) if member else (hint,)
            exact = source.given is not None
            found = bool(wanted) and all(contradicts(source.hint, o, exact=exact) for o in wanted)
            self.known[key] = found
        return found


def _of_argument(place: _Place, binding: Binding) -> Iterator[Contradiction]:
    # A condition adds defaults, which the user has not passed.
    if isinstance(binding, Literal) and binding.value is place.taken.default:
        return
    source = place.scope.source(binding)
    if place.refuses(source):
        yield Contradiction(source, place.node, place.taken)
    elif isinstance(binding, Group):
        for index, member in enumerate(binding.members):
            position = index if binding.kind == "tuple" else None
            source = place.scope.source(member)
            if place.refuses(source, binding.kind, position):
                yield Contradiction(source, place.node, place.taken, binding.kind)
