"""A pipeline as a list of its nodes or steps, each with those before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lokki_tf.model import Definition


def to_listing(definition: Definition, kind: str = "Pipeline") -> str:
    """Return the pipeline as a list to print, without a newline at its end.

    Args:
        definition: The pipeline.
        kind: The name of its kind in the heading, ``DAG`` for example.
    """
    routes = definition.routes
    if routes is None:
        upstream: Mapping[str, Sequence[str]] = definition.whole.predecessors
        downstream, called = _turned(upstream), "task"
    else:
        downstream = {name: list(route.targets) for name, route in routes.by_name.items()}
        upstream, called = _turned(downstream), "step"
    lines = [f"{kind}: {definition.name}", "=" * 40]
    for name, before in upstream.items():
        lines += ["", f"{called.title()}: {name}", *_joined(before, downstream[name], called)]
    return "\n".join(lines)


def _turned(successors: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the predecessors of each name; targets outside the pipeline are left out."""
    turned: dict[str, list[str]] = {name: [] for name in successors}
    for name, others in successors.items():
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
