"""Parts of results that the annotation of the result excludes.

Unlike other contradictions of annotations, such a part fails in every run, so it is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import BindingError
from lokki_tf.model import Finding, Map, parts_in
from lokki_tf.model.annotations import Excluded, part_hint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition, Graph

    from .annotations.sources import Scope


def check(definition: Definition) -> Iterator[Finding]:
    """Compare each part with the annotation of the whole value."""
    if _has_parts(definition.whole):
        from .annotations.sources import outermost  # only graphs with parts need this import

        yield from _excluded(outermost(definition))


def _has_parts(graph: Graph) -> bool:
    return any(
        any(any(parts_in(one)) for one in node.bindings)
        or (isinstance(node, Map) and _has_parts(node.body))
        for node in graph.nodes
    )


def _excluded(scope: Scope) -> Iterator[Finding]:
    for node in scope.graph.nodes:
        for part in (part for binding in node.bindings for part in parts_in(binding)):
            try:
                part_hint(scope.source(part.of).hint, part.path)
            except Excluded as reason:
                yield Finding(
                    "parts",
                    f"{part.what} cannot exist: {reason}",
                    node.place,
                    "correct the name or number, or the annotation",
                    error=BindingError,
                )
        if isinstance(node, Map):
            yield from _excluded(scope.inside(node))
