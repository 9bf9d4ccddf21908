"""Steps that are answered from outside, and pipelines that are started: where they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import Finding, Literal, Map, Node, Output, Wait, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import AnyNode, Definition, Graph


def check(definition: Definition) -> Iterator[Finding]:
    """Check each step with ``callback=True``, and each ``start_pipeline()``."""
    yield from _of_graph(definition.graph, batch=False)


def _of_graph(graph: Graph, *, batch: bool) -> Iterator[Finding]:
    for node in graph.nodes:
        if isinstance(node, Map):
            yield from _of_graph(node.body, batch=node.options.batch_size > 1)
            if _is_answer(graph, node.items):
                yield _finding(node, "a map runs over", "whose length only a step can check")
            source = whole(node.source)
            made = graph.by_name.get(source.node) if isinstance(source, Output) else None
            if isinstance(made, Node) and made.step.starts and made.step.starts.trust:
                yield Finding(
                    "start",
                    f"a map runs over the result of {made.name!r}, which "
                    "start_pipeline(trust=True) passes on without reading it",
                    node.place,
                    "let a step take the result and return the list",
                    error=OptionError,
                )
        elif isinstance(node, Wait):
            if node.until is not None and _is_answer(graph, node.until):
                yield _finding(node, "wait(until=…) waits until", "which only a step can check")
        elif batch and node.step.routed is not None:
            yield Finding(
                "batch",
                f"pipeline {node.step.own_name!r}, whose steps return their next steps, is in a "
                "map with batch_size, where each item may need other steps",
                node.place,
                "remove batch_size= from the map",
                error=OptionError,
            )
        elif node.step.starts is not None:
            yield from _of_start(node, node.step.starts.name, batch=batch)
        elif batch and node.step.options.callback:
            yield Finding(
                "callback",
                f"step {node.step.name!r} has callback=True in a map with batch_size, where one "
                "answer would be for a whole batch",
                node.step.place,
                "remove batch_size= from the map",
                error=OptionError,
            )


def _of_start(node: Node, pipeline: str, *, batch: bool) -> Iterator[Finding]:
    from lokki_tf.runtime.started import input_of  # imported here: it imports json

    if batch:
        yield Finding(
            "start",
            f"pipeline {pipeline!r} is started in a map with batch_size",
            node.place,
            "remove batch_size= from the map",
            error=OptionError,
        )
    try:
        input_of(pipeline, {key: one.value for key, one in node.kwargs if isinstance(one, Literal)})
    except (TypeError, ValueError) as error:
        yield Finding("start", str(error), node.place, error=BindingError)


def _is_answer(graph: Graph, binding: object) -> bool:
    source = whole(binding)  # type: ignore[arg-type]  # any binding
    found = graph.by_name.get(source.node) if isinstance(source, Output) else None
    return isinstance(found, Node) and found.step.options.callback


def _finding(node: AnyNode, what: str, why: str) -> Finding:
    return Finding(
        "callback",
        f"{what} the answer of a step with callback=True, {why}",
        node.place,
        "let a step take the answer and return what is needed of it",
        error=OptionError,
    )
