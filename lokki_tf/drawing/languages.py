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

    from lokki_tf.model import Definition, Outcome


def to_dot(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the pipeline in Graphviz's language; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline, or that of a run.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
    """
    routed = _routed(definition)
    if routed is None:
        return graph_to_dot(definition, outcomes)
    top_node = None if routed.routes is None else routed.routes.start
    return routes_to_dot(routed, top_node, _visits(definition, outcomes))


def to_mermaid(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Write the pipeline in Mermaid's language; dotted arrows carry no data, or are defaults.

    Args:
        definition: As for :func:`to_dot`.
        outcomes: As for :func:`to_dot`.
    """
    routed = _routed(definition)
    if routed is None:
        return graph_to_mermaid(definition, outcomes)
    return routes_to_mermaid(routed, _visits(definition, outcomes))


def to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Draw the pipeline as SVG; dashed arrows carry no data, or are defaults.

    Args:
        definition: As for :func:`to_dot`.
        outcomes: As for :func:`to_dot`.
    """
    routed = _routed(definition)
    if routed is None:
        return graph_to_svg(definition, outcomes)
    return routes_to_svg(routed, visits=_visits(definition, outcomes))


def _routed(definition: Definition) -> Definition | None:
    """Return the definition of a routed pipeline, also for that of a run of it."""
    return definition if definition.routes is not None else definition.routed


def _visits(definition: Definition, outcomes: Mapping[str, Outcome] | None) -> Visits | None:
    if definition.routed is None or outcomes is None:
        return None
    return visits_of(definition.whole, outcomes)
