"""A pipeline as a list: each node or step, what comes before it and what after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lokki_tf.model import Definition


def to_text(definition: Definition, kind: str = "Pipeline") -> str:
    """The pipeline as a list to print, without a line's end after it.

    Args:
        definition: The pipeline.
        kind: What its author knows it as, ``DAG`` for example.
    """
    routes = definition.routes
    if routes is None:
        upstream: Mapping[str, Sequence[str]] = definition.graph.predecessors
        downstream, called = _turned(upstream), "task"
    else:
        downstream = {name: list(route.targets) for name, route in routes.by_name.items()}
        upstream, called = _turned(downstream), "step"
    lines = [f"{kind}: {definition.name}", "=" * 40]
    for name, before in upstream.items():
        lines += ["", f"{called.title()}: {name}", *_joined(before, downstream[name], called)]
    return "\n".join(lines)


def _turned(ways: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The same ways from their other ends; those that lead out of the pipeline have none."""
    turned: dict[str, list[str]] = {name: [] for name in ways}
    for name, others in ways.items():
        for other in others:
            if other in turned:
                turned[other].append(name)
    return turned


def _joined(upstream: Sequence[str], downstream: Sequence[str], called: str) -> Iterator[str]:
    if upstream:
        yield f"  Upstream: {', '.join(upstream)}"
    if downstream:
        yield f"  Downstream: {', '.join(downstream)}"
    if not upstream and not downstream:
        yield f"  (isolated {called})"
