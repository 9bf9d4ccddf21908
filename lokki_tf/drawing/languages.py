"""Pipelines as pictures in Graphviz's language, in Mermaid's and as SVG.

The picture of a routed pipeline shows all transitions that a run may take, and no outcomes. A run
of it has a definition of its own, with a node for each visit of a step; the picture of that
definition shows the outcomes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .routes import routes_to_dot, routes_to_mermaid
from .routes_svg import routes_to_svg
from .svg import graph_to_svg
from .text import graph_to_dot, graph_to_mermaid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, Outcome


def to_dot(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the pipeline in Graphviz's language; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
    """
    if definition.routes is None:
        return graph_to_dot(definition, outcomes)
    return routes_to_dot(definition.routes, definition.routes.start, definition.cleanup)


def to_mermaid(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the pipeline in Mermaid's language; dotted arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_mermaid(definition, outcomes)
    return routes_to_mermaid(definition.routes, definition.cleanup)


def to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Draw the pipeline as SVG; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_svg(definition, outcomes)
    return routes_to_svg(definition.routes, definition.name, cleanup=definition.cleanup)
