"""A pipeline as a picture, in each language, whether its nodes stand fixed or lead on.

One of a routed pipeline shows all ways that a run may take. What became of a run's visits is
not in it: they are nodes of the run's own definition, whose picture shows them.
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
    """The pipeline in Graphviz's language; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: What became of the nodes, for a picture of a run; a node that is missing
            has not run.
    """
    if definition.routes is None:
        return graph_to_dot(definition, outcomes)
    return routes_to_dot(definition.routes, definition.routes.start)


def to_mermaid(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """The pipeline in Mermaid's language; dotted arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_mermaid(definition, outcomes)
    return routes_to_mermaid(definition.routes)


def to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """The pipeline as SVG; dashed arrows carry no data, or are defaults.

    Args:
        definition: The pipeline.
        outcomes: As for :func:`to_dot`.
    """
    if definition.routes is None:
        return graph_to_svg(definition, outcomes)
    return routes_to_svg(definition.routes, definition.name)
