"""Local runs of pipelines that are included in a routed pipeline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Graph, Group, Map, Output, Part, Wait
from lokki_tf.model.names import unique

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lokki_tf.model import AnyNode, IncludedPipeline

    from .result import Run

_LONGEST_NAME = 80


def taken_values(own: IncludedPipeline, step: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an included pipeline that are in the state.

    Args:
        own: The pipeline.
        step: The name of its step.
        state: The values of the state, by name.

    Raises:
        TypeError: If a required one is missing.
    """
    from lokki_tf.model import REQUIRED
    from lokki_tf.runtime.started import not_in_state

    defaults = {one.name: one.default for one in own.parameters}
    for name, source in own.takes:
        if source not in state and defaults[name] is REQUIRED:
            raise not_in_state(source, name[len(step) + 1 :], own.name)
    return {name: state[source] for name, source in own.takes if source in state}


def result_of(own: IncludedPipeline, run: Run) -> Any:
    """Return the result of an included pipeline; a tuple of several, ``None`` for skipped ones.

    Args:
        own: The pipeline.
        run: Its run.
    """
    values = tuple(run.outputs.get(name) for name in own.ends)
    return values[0] if len(values) == 1 else (values or None)


def new_names(graph: Graph, taken: Collection[str]) -> dict[str, str]:
    """Return the names of the nodes of a further run of an included pipeline.

    Args:
        graph: The pipeline's nodes.
        taken: Names of nodes that have run.
    """
    names: dict[str, str] = {}
    for node in graph.every():
        names[node.name] = unique(node.name, {*taken, *names.values()}, _LONGEST_NAME)
    return names


def renamed(
    graph: Graph, names: Mapping[str, str], first: tuple[str, ...] = (), box: str = ""
) -> Graph:
    """Return a graph whose nodes have other names.

    Args:
        graph: The graph.
        names: The new names.
        first: Names of nodes that come before all others.
        box: The name of the outermost sub-pipeline around its nodes; empty in the body of a map.
    """
    nodes = (_renamed(node, names, first) for node in graph.nodes)
    return Graph(tuple(replace(one, box=(box, *one.box[1:])) if box else one for one in nodes))


def _renamed(node: AnyNode, names: Mapping[str, str], first: tuple[str, ...]) -> AnyNode:
    def changed(binding: Any) -> Any:
        return _binding(binding, names)

    after = tuple(names[one] for one in node.after)
    after = after if node.predecessors else first
    name = names[node.name]
    if isinstance(node, Map):
        arguments = tuple((key, changed(one)) for key, one in node.arguments)
        body = renamed(node.body, names)
        items = changed(node.items)
        return replace(node, name=name, after=after, items=items, arguments=arguments, body=body)
    if isinstance(node, Wait):
        until, value = changed(node.until), changed(node.value)
        return replace(node, name=name, after=after, until=until, value=value)
    args = tuple(map(changed, node.args))
    kwargs = tuple((key, changed(one)) for key, one in node.kwargs)
    return replace(node, name=name, after=after, args=args, kwargs=kwargs)


def _binding(binding: Any, names: Mapping[str, str]) -> Any:
    if isinstance(binding, Output):
        return replace(binding, node=names[binding.node])
    if isinstance(binding, Part):
        return replace(binding, of=_binding(binding.of, names))
    if isinstance(binding, Group):
        return replace(binding, members=tuple(_binding(one, names) for one in binding.members))
    return binding
