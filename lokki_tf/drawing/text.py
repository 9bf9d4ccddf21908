"""A graph as text that others draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition


def to_dot(definition: Definition) -> str:
    """The graph in Graphviz's language; dashed arrows carry no data.

    Args:
        definition: The pipeline.
    """
    lines = [f"digraph {_quoted(definition.name)} {{", "  rankdir=TB;"]
    lines += [f"  {_quoted(node.name)};" for node in definition.graph.nodes]
    for before, after, carries in _edges(definition):
        style = "" if carries else " [style=dashed]"
        lines.append(f"  {_quoted(before)} -> {_quoted(after)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def to_mermaid(definition: Definition) -> str:
    """The graph in Mermaid's language; dotted arrows carry no data.

    Args:
        definition: The pipeline.
    """
    ids = {node.name: f"n{index}" for index, node in enumerate(definition.graph.nodes)}
    lines = ["flowchart TD"]
    lines += [f'  {ids[name]}["{name}"]' for name in ids]
    for before, after, carries in _edges(definition):
        lines.append(f"  {ids[before]} {'-->' if carries else '-.->'} {ids[after]}")
    return "\n".join(lines) + "\n"


def _edges(definition: Definition) -> Iterator[tuple[str, str, bool]]:
    """Each dependency, and whether a result goes along it."""
    for node in definition.graph.nodes:
        inputs = node.inputs
        for before in node.predecessors:
            yield before, node.name, before in inputs


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
