"""A graph as SVG: levels from top to bottom, a map as a box around its body.

Two stages: :mod:`.nested` computes the positions, this module writes SVG. The picture has its own
colours, so that it looks the same in light and dark notebooks, and contains no scripts, styles,
fonts or links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .characters import clipped, markup
from .layers import LINE, MARGIN, Point
from .marks import BOX, END, FRAME, LINES, START, arrow, document, marks, rectangle, text
from .nested import BEHIND, OUTLINES, TITLE, Box, Layout, whole_layout
from .status import format_outcomes, look_of, outcome_of, tooltip
from .summary import summary

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

_MAP = f'rx="8" fill="#f7f9fc" stroke="{LINES}" stroke-dasharray="2 3"'
_FRAMED = "Each arrow to this frame leads to all parts in it, each arrow from it comes from all."
_LONGEST_TOOLTIP = 400


def graph_to_svg(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Draw the graph as SVG; dashed arrows carry no data.

    Args:
        definition: The pipeline.
        outcomes: The outcome of each node, by name, for the picture of a run; a missing node has
            not run.
    """
    placed = whole_layout(definition, outcomes)
    content = _drawn(placed, Point(MARGIN, MARGIN), outcomes)
    described = summary(definition, outcomes)
    return document(definition.name, described, placed.width, placed.height, content)


def _drawn(placed: Layout, corner: Point, outcomes: Mapping[str, Outcome] | None) -> Iterator[str]:
    for box in placed.boxes:
        at = corner + box.corner
        hint = _hint(box, outcomes)
        if hint:
            yield f"<g><title>{markup(hint)}</title>"
        yield from _box(box, at, _style(box, outcomes))
        if hint:
            yield "</g>"
        if box.body is not None:
            # Nodes in a map have no outcomes, those of sub-pipelines and frames have.
            inner = None if box.kind == "box" and box.nodes else outcomes
            yield from _drawn(box.body, at + box.inside, inner)
    for edge in placed.edges:
        points = [corner + point for point in edge.points]
        yield arrow(points, dashed=not edge.carries, head=edge.head)


def _hint(box: Box, outcomes: Mapping[str, Outcome] | None) -> str:
    """Return the tooltip of a box: the outcome of a node, the names of several."""
    if box.kind == "frame":
        return _FRAMED
    if box.is_stack and not box.nodes:
        return ""
    if len(box.nodes) > 1:
        known = [] if outcomes is None else [outcome_of(name, outcomes) for name in box.nodes]
        after = f": {format_outcomes(known)}" if known else ""
        return f"{clipped(', '.join(box.nodes), _LONGEST_TOOLTIP)}{after}"
    if outcomes is None or not box.nodes:
        return ""
    return tooltip(box.nodes[0], outcome_of(box.nodes[0], outcomes))


def _style(box: Box, outcomes: Mapping[str, Outcome] | None) -> str:
    if box.kind in ("frame", "start", "end"):
        return {"frame": FRAME, "start": START, "end": END}[box.kind]
    if outcomes is None or not box.nodes:
        return BOX if box.body is None else _MAP
    look = look_of([outcome_of(name, outcomes) for name in box.nodes])
    dashes = ' stroke-dasharray="5 3"' if look.dashed else ""
    return f'rx="6" fill="{look.fill}" stroke="{look.line}" stroke-width="1.4"{dashes}'


def _box(box: Box, at: Point, style: str) -> Iterator[str]:
    """Draw a box with its texts: in its middle, or above the body of a map."""
    if box.is_stack:
        for number in range(OUTLINES, 0, -1):
            aside = Point(number * BEHIND, number * BEHIND)
            yield rectangle(at + aside, box.width, box.height, style)
    yield rectangle(at, box.width, box.height, style)
    if box.kind == "frame":
        return
    if box.kind in ("start", "end"):
        yield from marks(box.notes, at, box.width, are_starts=box.kind == "start")
        return
    middle, text_y = at.x + box.width / 2, at.y + TITLE - 6
    if box.body is None:
        text_y = at.y + (box.height - len(box.notes) * LINE) / 2 + 4
    for number, line in enumerate((box.label, *box.notes)):
        yield text(line, middle, text_y + number * LINE)
