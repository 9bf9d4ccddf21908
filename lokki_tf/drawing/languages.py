"""Pipelines as pictures in Graphviz's language, in Mermaid's and as SVG.

The picture of a routed pipeline shows all transitions that a run may take; that of a run also how
often each was taken. A run has a definition of its own, with a node for each visit of a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .routes import routes_to_dot, routes_to_mermaid
from .routes_svg import routes_to_svg
from .svg import graph_to_svg
from .text import graph_to_dot, graph_to_mermaid
from .visits import Visits, visits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition, Graph, Outcome


def to_dot(
    definition: Definition,
    outcomes: Mapping[str, Outcome] | None = None,
    visits: Graph | None = None,
) -> str:
    """Write the pipeline in Graphviz's language; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
        visits: Of a run of a routed pipeline: its visits of steps, each a node with an outcome.
    """
    if definition.routes is None:
        return graph_to_dot(definition, outcomes)
    return routes_to_dot(definition, definition.routes.start, _visits(visits, outcomes))


def to_mermaid(
    definition: Definition,
    outcomes: Mapping[str, Outcome] | None = None,
    visits: Graph | None = None,
) -> str:
    """Write the pipeline in Mermaid's language; dotted arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
        visits: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_mermaid(definition, outcomes)
    return routes_to_mermaid(definition, _visits(visits, outcomes))


def to_svg(
    definition: Definition,
    outcomes: Mapping[str, Outcome] | None = None,
    visits: Graph | None = None,
) -> str:
    """Draw the pipeline as SVG; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
        visits: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_svg(definition, outcomes)
    return routes_to_svg(definition, visits=_visits(visits, outcomes))


def _visits(graph: Graph | None, outcomes: Mapping[str, Outcome] | None) -> Visits | None:
    return None if graph is None or outcomes is None else visits_of(graph, outcomes)
