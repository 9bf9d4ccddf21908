"""A graph as a list: each node, what it waits for and what waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lokki_tf.model import Definition


def to_text(definition: Definition, kind: str = "Pipeline") -> str:
    """The graph as a list to print, without a line's end after it.

    Args:
        definition: The pipeline.
        kind: What its author knows it as, ``DAG`` for example.
    """
    downstream: dict[str, list[str]] = {node.name: [] for node in definition.graph.nodes}
    for node in definition.graph.nodes:
        for before in node.predecessors:
            downstream[before].append(node.name)
    lines = [f"{kind}: {definition.name}", "=" * 40]
    for node in definition.graph.nodes:
        lines += ["", f"Task: {node.name}", *_joined(node.predecessors, downstream[node.name])]
    return "\n".join(lines)


def _joined(upstream: Sequence[str], downstream: Sequence[str]) -> Iterator[str]:
    if upstream:
        yield f"  Upstream: {', '.join(upstream)}"
    if downstream:
        yield f"  Downstream: {', '.join(downstream)}"
    if not upstream and not downstream:
        yield "  (isolated task)"
