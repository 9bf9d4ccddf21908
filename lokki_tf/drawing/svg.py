"""A graph as SVG: levels from top to bottom, a map as a box around its body.

Two stages: :mod:`.nested` computes the positions, this module writes SVG. The picture has its own
colours, so that it looks the same in light and dark notebooks, and contains no scripts, fonts or
links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from .characters import markup
from .layers import MARGIN, Point
from .marks import BOX, LINES, arrow, document, rectangle, text
from .nested import LINE, TITLE, Box, Layout, layout
from .status import LOOKS, format_outcome, outcome_of, tooltip

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

_MAP = f'rx="8" fill="#f7f9fc" stroke="{LINES}" stroke-dasharray="2 3"'
_NONE: Mapping[str, Outcome] = MappingProxyType({})


def graph_to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Draw the graph as SVG; dashed arrows carry no data.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
    """
    nodes = () if outcomes is None else definition.whole.nodes
    known = {node.name: outcome_of(node.name, outcomes or _NONE) for node in nodes}
    placed = layout(
        definition.whole, {name: format_outcome(outcome) for name, outcome in known.items()}
    )
    content = _drawn(placed, Point(MARGIN, MARGIN), known)
    return document(definition.name, placed.width, placed.height, content)


def _drawn(placed: Layout, corner: Point, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    for box in placed.boxes:
        at = corner + box.corner
        outcome = outcomes.get(box.name)
        if outcome is None:
            yield from _box(box, at, BOX if box.body is None else _MAP)
        else:
            yield f"<g><title>{markup(tooltip(box.name, outcome))}</title>"
            yield from _box(box, at, _styled(outcome))
            yield "</g>"
        if box.body is not None:
            # Nodes in a map have no outcomes, those of sub-pipelines have.
            yield from _drawn(box.body, at + box.inside, outcomes)
    for edge in placed.edges:
        yield arrow([corner + point for point in edge.points], dashed=not edge.carries)


def _styled(outcome: Outcome) -> str:
    look = LOOKS[outcome.status]
    dashes = ' stroke-dasharray="5 3"' if look.dashed else ""
    return f'rx="6" fill="{look.fill}" stroke="{look.line}" stroke-width="1.4"{dashes}'


def _box(box: Box, at: Point, style: str) -> Iterator[str]:
    """Draw a box with its text: in its middle, or above the body of a map."""
    middle, text_y = at.x + box.width / 2, at.y + TITLE - 6
    if box.body is None:
        text_y = at.y + (box.height - (LINE if box.note else 0)) / 2 + 4
    yield rectangle(at, box.width, box.height, style)
    yield text(box.label, middle, text_y)
    if box.note:
        yield text(box.note, middle, text_y + LINE)
