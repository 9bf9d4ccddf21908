"""A graph as text that others draw. A map is a box around what runs for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import Map

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Graph, Node


def to_dot(definition: Definition) -> str:
    """The graph in Graphviz's language; dashed arrows carry no data.

    Args:
        definition: The pipeline.
    """
    lines = [f"digraph {quoted(definition.name)} {{", "  rankdir=TB;"]
    lines += [f"  {line}" for line in _dot_nodes(definition.graph)]
    for before, after, carries in _edges(definition.graph):
        style = "" if carries else " [style=dashed]"
        lines.append(f"  {quoted(before)} -> {quoted(after)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_nodes(graph: Graph) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield f"subgraph {quoted(f'cluster_{node.name}')} {{"
            yield f"  label={quoted(_label(node))};"
            yield from (f"  {line}" for line in _dot_nodes(node.body))
            yield "}"
        else:
            yield f"{quoted(node.name)};"


def to_mermaid(definition: Definition) -> str:
    """The graph in Mermaid's language; dotted arrows carry no data.

    Args:
        definition: The pipeline.
    """
    ids = {node.name: f"n{index}" for index, node in enumerate(definition.graph.walk())}
    lines = ["flowchart TD"]
    lines += [f"  {line}" for line in _mermaid_nodes(definition.graph, ids)]
    for before, after, carries in _edges(definition.graph):
        lines.append(f"  {ids[before]} {'-->' if carries else '-.->'} {ids[after]}")
    return "\n".join(lines) + "\n"


def _mermaid_nodes(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield f'subgraph {node.name}["{_label(node)}"]'
            yield from (f"  {line}" for line in _mermaid_nodes(node.body, ids))
            yield "end"
        else:
            yield f'{ids[node.name]}["{node.name}"]'


def _label(one: Map) -> str:
    return f"{one.name}: for each item"


def _edges(graph: Graph) -> Iterator[tuple[str, str, bool]]:
    """Each dependency between steps, and whether a result goes along it."""
    for node in graph.nodes:
        inputs = node.inputs
        for before in node.predecessors:
            for source in _ends(graph.by_name[before]):
                for target in _beginnings(node):
                    yield source, target, before in inputs
        if isinstance(node, Map):
            yield from _edges(node.body)


def _ends(node: Node | Map) -> list[str]:
    """The steps whose results are the node's."""
    if not isinstance(node, Map):
        return [node.name]
    return [name for end in node.body.terminals for name in _ends(node.body.by_name[end])]


def _beginnings(node: Node | Map) -> list[str]:
    """The steps that begin when the node does."""
    if not isinstance(node, Map):
        return [node.name]
    firsts = [inner for inner in node.body.nodes if not inner.predecessors]
    return [name for inner in firsts for name in _beginnings(inner)]


def quoted(name: str) -> str:
    """A name or a label as Graphviz reads it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
