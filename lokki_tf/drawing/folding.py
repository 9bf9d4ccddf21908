"""Equal nodes, drawn as one stack with their number.

Nodes are equal if they call the same step and have the same place in the graph: equal nodes before
them and after them. A run's failed nodes are drawn beside the stack, the first ones by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lokki_tf.model import Map, Node, Wait, topological_order

from .boxes import Drawn, Moved, Stack, SubPipeline, base_of, grouped
from .status import outcome_of

if TYPE_CHECKING:
    from lokki_tf.model import AnyNode, Graph, Outcome

FEWEST = 8
"""The number of equal nodes from which they are drawn as one."""
FAILED_SHOWN = 3
"""The number of failed nodes of a stack that are drawn by themselves."""
_FAILED = ("failed", "failed, caught", "interrupted")


def folded(
    drawn: Sequence[Moved | SubPipeline], outcomes: Mapping[str, Outcome] | None = None
) -> list[Drawn]:
    """Return what is drawn with equal nodes as stacks.

    Args:
        drawn: Nodes and boxes of a graph, or of a box.
        outcomes: The outcomes of a run's nodes; a stack has only those of one status.
    """
    shown = [
        replace(one, members=tuple(folded(_single(one.members), outcomes)))
        if isinstance(one, SubPipeline)
        else one
        for one in drawn
    ]
    status = None if outcomes is None else partial(_status, outcomes=outcomes)
    groups = list(_groups(drawn, status))
    if len(groups) == len(shown):
        return list(shown)
    whole = {one.name: one for one in shown}
    first_of = {one.name: group[0].name for group, _ in groups for one in group}

    def moved(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(first_of[name] for name in names))

    made: dict[str, Drawn] = {}
    for group, label in groups:
        name = group[0].name
        before = moved(name for one in group for name in one.predecessors)
        inputs = moved(name for one in group for name in one.inputs)
        if len(group) == 1:
            made[name] = replace(whole[name], predecessors=before, inputs=inputs)
        else:
            made[name] = _stack(group, label, before, inputs)
    # A stack is where its first node is; others of it may follow nodes that come later.
    order = topological_order({name: one.predecessors for name, one in made.items()})
    return [made[name] for name in order]


def _label(same: Sequence[Moved | SubPipeline]) -> str:
    """Return a name for equal nodes: theirs without numbers, or that of their step."""
    first = same[0]
    label = base_of(first.name)
    if isinstance(first, Moved) and isinstance(first.node, Node):
        return label if all(base_of(one.name) == label for one in same) else first.node.step.name
    return label


def _single(members: Iterable[Drawn]) -> list[Moved | SubPipeline]:
    return [one for one in members if not isinstance(one, Stack)]


def _stack(
    group: Sequence[Moved | SubPipeline],
    label: str,
    before: tuple[str, ...],
    inputs: tuple[str, ...],
    *,
    is_counted: bool = True,
) -> Stack:
    first = group[0]
    if isinstance(first, SubPipeline):
        label = base_of(first.title)
        boxes = [one for one in group if isinstance(one, SubPipeline)]
        members = (
            _stack(same, same[0].name, same[0].predecessors, same[0].inputs, is_counted=False)
            for same in zip(*(_single(one.members) for one in boxes), strict=True)
        )
        first = replace(first, members=tuple(members))
    return Stack(label, first, tuple(group), before, inputs, is_counted)


def rows_of(graph: Graph, statuses: Mapping[str, str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the rows of a table of a graph's nodes: the names of nodes, and what they are called.

    Args:
        graph: The graph.
        statuses: The status of each node, by name.
    """
    nodes = [Moved(one, one.predecessors, one.inputs) for one in graph.nodes]
    groups = _groups(nodes, lambda one: statuses.get(one.name))
    found = [(label, tuple(one.name for one in group)) for group, label in groups]
    place = {node.name: index for index, node in enumerate(graph.nodes)}
    return [
        (label if len(names) > 1 else names[0], names)
        for label, names in sorted(found, key=lambda row: place[row[1][0]])
    ]


def _groups(
    drawn: Sequence[Moved | SubPipeline], status: Callable[[Drawn], Hashable] | None
) -> Iterator[tuple[list[Moved | SubPipeline], str]]:
    """Yield what is drawn as one, and its name; equal nodes are split by their status."""
    for same in _classes(drawn):
        few = len(same) < FEWEST
        for group in [[one] for one in same] if few else _parted(same, status):
            yield group, _label(same)


def _parted(
    same: Sequence[Moved | SubPipeline], status_of: Callable[[Drawn], Hashable] | None
) -> list[list[Moved | SubPipeline]]:
    """Split equal nodes by their status; the first failed ones are by themselves."""
    if status_of is None:
        return [list(same)]
    by_status: dict[Hashable, list[Moved | SubPipeline]] = {}
    for one in same:
        by_status.setdefault(status_of(one), []).append(one)
    parts: list[list[Moved | SubPipeline]] = []
    for status, members in by_status.items():
        alone = members[:FAILED_SHOWN] if status in _FAILED else []
        rest = members[len(alone) :]
        parts += [[one] for one in alone]
        parts += [rest] if rest else []
    return parts


def _status(one: Drawn, outcomes: Mapping[str, Outcome]) -> Hashable:
    """Return ``failed`` for what has failed, else the status, or those of a box's nodes."""
    if isinstance(one, SubPipeline):
        inner = tuple(_status(member, outcomes) for member in one.members)
        return "failed" if "failed" in inner else inner
    status = outcome_of(one.name, outcomes).status
    return "failed" if status in _FAILED else status


def _classes(drawn: Sequence[Moved | SubPipeline]) -> list[list[Moved | SubPipeline]]:
    """Group what is equal, in the order of the first of each group.

    A walk down distinguishes nodes by what is before them, a walk up by what is after them. They
    are repeated while they distinguish more nodes.
    """
    after: dict[str, list[str]] = {one.name: [] for one in drawn}
    for one in drawn:
        for before in one.predecessors:
            after[before].append(one.name)
    kinds = {one.name: _kind(one) for one in drawn}
    colours = _numbered(kinds)
    count = 0
    while len(set(colours.values())) > count:
        count = len(set(colours.values()))
        colours = _walked(
            colours, [(one.name, one.predecessors, frozenset(one.inputs)) for one in drawn]
        )
        colours = _walked(
            colours, [(one.name, after[one.name], frozenset()) for one in reversed(drawn)]
        )
    classes: dict[int, list[Moved | SubPipeline]] = {}
    for one in drawn:
        classes.setdefault(colours[one.name], []).append(one)
    return list(classes.values())


def _walked(
    colours: Mapping[str, int],
    links: Iterable[tuple[str, Sequence[str], frozenset[str]]],
) -> dict[str, int]:
    """Distinguish names by the colours of those that they are linked to, which come first."""
    numbers: dict[Hashable, int] = {}
    found: dict[str, int] = {}
    for name, others, marked in links:
        linked = Counter((found[other], other in marked) for other in others)
        key = (colours[name], frozenset(linked.items()))
        found[name] = numbers.setdefault(key, len(numbers))
    return found


def _numbered(kinds: Mapping[str, Hashable]) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {name: numbers.setdefault(kind, len(numbers)) for name, kind in kinds.items()}


def _kind(one: Drawn) -> Hashable:
    """Return a key that is equal for nodes and boxes that do the same."""
    if isinstance(one, Stack):
        return _kind(one.first), len(one.names)
    if isinstance(one, Moved):
        return _kind_of(one.node)
    position = {member.name: index for index, member in enumerate(one.members)}
    return (
        base_of(one.title),
        tuple(
            (_kind(member), tuple(position.get(name) for name in member.predecessors))
            for member in one.members
        ),
    )


def _kind_of(node: AnyNode) -> Hashable:
    if isinstance(node, Map):
        return "map", _shape_of(node.body)
    if isinstance(node, Wait):
        return "wait", node.label
    return node.step, node.catch, node.when is None


def _shape_of(graph: Graph) -> Hashable:
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    return tuple(
        (_kind_of(node), tuple(position[name] for name in node.predecessors))
        for node in graph.nodes
    )


def shown_as(drawn: Iterable[Drawn]) -> dict[str, str]:
    """Return for each node, those inside maps included, the name of the node that is drawn for it.

    Args:
        drawn: What is drawn.
    """
    found: dict[str, str] = {}
    for one in drawn:
        if isinstance(one, SubPipeline):
            found |= shown_as(one.members)
        elif isinstance(one, Stack) and isinstance(one.first, SubPipeline):
            found |= shown_as(one.first.members)
        else:
            nodes = one.all if isinstance(one, Stack) else (one,)
            found |= _shown_nodes([each.node for each in nodes if isinstance(each, Moved)])
    return found


def _shown_nodes(nodes: Sequence[AnyNode]) -> dict[str, str]:
    """Return for equal nodes, and for the nodes of equal maps, the name of the first."""
    found = {node.name: nodes[0].name for node in nodes}
    maps = [node for node in nodes if isinstance(node, Map)]
    if maps:
        inner = shown_as(folded(grouped(maps[0].body.nodes)))
        for column in zip(*(one.body.nodes for one in maps), strict=True):
            found |= {name: inner.get(first, first) for name, first in _shown_nodes(column).items()}
    return found
