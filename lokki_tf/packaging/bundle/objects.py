"""Which steps read or write an object of the bucket in every call.

Their functions make the S3 client while Lambda initializes them. For all others it is made when it
is needed, since most values are so small that it never is: which these are is known in a run only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import Dataset, Map, Node, Output, Step, leaves, whole
from lokki_tf.model.annotations import returned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import AnyNode, Definition, Graph

_IN_STATES = (str, int, float, bool, list, tuple, dict, set, frozenset, type(None))
"""Classes of values that may be small and in the state."""


def steps_with_objects(definition: Definition) -> set[Step]:
    """Return the steps that need the bucket in every call.

    Args:
        definition: The pipeline.
    """
    maps = [one for one in definition.graph.every() if isinstance(one, Map)]
    graphs = (definition.whole, *(one.body for one in maps))
    distributed = [one for one in maps if one.options.mode == "distributed"]
    sources = [whole(one.items) for one in distributed if not isinstance(one.items, Dataset)]
    mapped = {one.node for one in sources if isinstance(one, Output)}
    return {
        node.step
        for graph in graphs
        for node in graph.nodes
        if isinstance(node, Node) and not node.step.is_job and node.step.starts is None
        if _writes(node, mapped) or any(_is_object(one) for one in _sources(graph, node))
    }


def _writes(node: Node, mapped: set[str]) -> bool:
    """Return whether each call writes an object: an array of items, or a value that is pickled."""
    return node.when is None and (node.name in mapped or _is_object(node))


def _sources(graph: Graph, node: Node) -> Iterator[AnyNode]:
    """Yield the nodes whose results a node takes."""
    for binding in node.bindings:
        for leaf in leaves(binding):
            if isinstance(leaf, Output) and leaf.node in graph.by_name:
                yield graph.by_name[leaf.node]


def _is_object(node: AnyNode) -> bool:
    """Return whether a node's result is always an object."""
    if isinstance(node, Map):
        return node.options.mode == "distributed"
    if not isinstance(node, Node) or node.step.starts is not None or node.when is not None:
        return False
    return node.step.is_job or _is_pickled(returned(node.step.function))


def _is_pickled(hint: Any) -> bool:
    """Return whether all values with this annotation are pickled."""
    if hint is Any or not isinstance(hint, type):
        return False
    try:
        return not any(issubclass(one, hint) for one in _IN_STATES)
    except TypeError:  # a protocol, or a TypedDict
        return False
