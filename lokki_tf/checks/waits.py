"""Waits until a result: only a step in Lambda can tell the state machine a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import Finding, Map, Node, Output, Parameter, Wait, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import AnyNode, Binding, Definition, Graph

    Around = tuple[tuple[Graph, Map], ...]

_REMEDY = "return the time from a step in Lambda, outside of batches, and wait until its result"


def check(definition: Definition) -> Iterator[Finding]:
    """Check each wait until a result."""
    return _of_graph(definition.graph, ())


def _of_graph(graph: Graph, around: Around) -> Iterator[Finding]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield from _of_graph(node.body, (*around, (graph, node)))
        elif isinstance(node, Wait) and node.until is not None:
            level, _, source = source_of(node.until, graph, around)
            if source is None:
                continue
            batch = level and level[-1][1].options.batch_size > 1
            if batch or not isinstance(source, Node) or _is_elsewhere(source):
                what = "in a batch of items" if batch else "a job, a map or another pipeline"
                yield Finding(
                    "wait",
                    f"wait(until=…) waits until the result of {source.name!r}, {what}, which the "
                    "state machine does not receive as a time",
                    node.place,
                    _REMEDY,
                    error=OptionError,
                )


def _is_elsewhere(node: Node) -> bool:
    return node.step.is_job or node.step.starts is not None


def source_of(
    binding: Binding, graph: Graph, around: Around
) -> tuple[Around, Binding, AnyNode | None]:
    """Return where a value comes from.

    Args:
        binding: The value.
        graph: The graph in which it is used.
        around: The graphs and maps around that graph.

    Returns:
        The maps around the node that makes it, its binding there, and that node, if there is one.
    """
    while isinstance(binding, Parameter) and around:
        graph, one = around[-1]
        binding, around = whole(dict(one.arguments)[binding.name]), around[:-1]
    return around, binding, graph.by_name[binding.node] if isinstance(binding, Output) else None
