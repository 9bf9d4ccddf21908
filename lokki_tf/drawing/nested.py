"""Layout of the nodes of a graph, and of the graphs inside its maps.

Three stages: :mod:`.folding` draws equal nodes as one, :mod:`.blocks` finds what is too wide or too
deep, and this module computes positions: of rows here, of everything else with :mod:`.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple
from typing import Literal as OneOf

from lokki_tf.model import Map, generations

from .blocks import Block, wrapped
from .boxes import Drawn, Stack, SubPipeline, grouped, names_of, node_of, title_of
from .characters import CHARACTER, clipped, columns
from .contents import NAMES_SHOWN, Contents, contents_of
from .folding import folded
from .layers import GAP, HEIGHT, LEVEL_GAP, LINE, PADDING, WIDEST, Item, Link, Point, arrange
from .marks import SIGN, height_of_marks
from .notes import ends_of, starts_of
from .ways import downward

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Graph, Outcome

TITLE = 24.0
BEHIND = 4.0
"""The distance of the outlines of a stack."""
OUTLINES = 2
_LONGEST = 120
_AFTER_SHOWN = 3
FRAME_SHARE = 0.88  # of the width of a picture, which leaves room for arrows beside a frame
_ALIKE = 1.6  # boxes that differ less in width are in columns
_ARROW = 34.0  # between the parts of a chain in rows
_PLAIN = Contents()
_START, _END = " start", " end"  # no node's name begins with a space

Kind = OneOf["node", "box", "frame", "start", "end"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node, or a frame around parts in rows.

    Args:
        name: Name of the node.
        label: First line of text.
        corner: Upper left corner, relative to its graph.
        width: Width in pixels.
        height: Height in pixels.
        body: Layout of what is inside, of a map's body for example.
        inside: Upper left corner of the body, relative to ``corner``.
        notes: Further lines of text.
        nodes: Names of the nodes that it stands for.
        kind: ``node``; ``box`` with a body; ``frame`` around parts in rows, without texts;
            ``start`` for what starts runs, ``end`` for what receives the failure notice.
        is_stack: Whether it is several equal nodes.
    """

    name: str
    label: str
    corner: Point
    width: float
    height: float
    body: Layout | None
    inside: Point
    notes: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    kind: Kind = "node"
    is_stack: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow.

    Args:
        before: Name of the node that it leaves.
        after: Name of the node that it enters.
        points: The points that it passes.
        carries: Whether ``after`` receives the result of ``before``.
        head: Whether it has a head, or continues as another arrow.
    """

    before: str
    after: str
    points: tuple[Point, ...]
    carries: bool
    head: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """A graph with positions of all its boxes and arrows."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def layout(graph: Graph, contents: Contents = _PLAIN, most: float = WIDEST) -> Layout:
    """Compute the positions of the nodes of a graph, and of those in its maps.

    Args:
        graph: The graph.
        contents: What is written into boxes.
        most: The width beyond which boxes are drawn in several rows.
    """
    return _arranged(folded(grouped(graph.nodes), contents.outcomes), contents, most)


def whole_layout(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> Layout:
    """Compute the positions of a pipeline's nodes, of what starts it, and of its failure notice.

    Args:
        definition: The pipeline.
        outcomes: The outcomes of a run's nodes.
    """
    contents = contents_of(definition, outcomes)
    units = _units(folded(grouped(definition.whole.nodes), outcomes), contents, WIDEST)
    starts, ends = starts_of(definition), ends_of(definition)
    if starts:
        first = _Unit(_mark(_START, starts, "start"), (), ())
        units = [
            first,
            *(
                one if one.before else one._replace(before=(_START,), inputs=(_START,))
                for one in units
            ),
        ]
    placed = _placed(units, WIDEST)
    if not ends:
        return placed
    notice = _mark(_END, ends, "end")
    width = max(placed.width, notice.width)
    by = Point((width - placed.width) / 2, 0.0)
    at = Point((width - notice.width) / 2, placed.height + GAP if units else 0.0)
    boxes = (*(_moved(box, by) for box in placed.boxes), _moved(notice, at))
    edges = tuple(_shifted(edge, by) for edge in placed.edges)
    return Layout(width, at.y + notice.height, boxes, edges)


def _mark(name: str, texts: Sequence[str], kind: Kind) -> Box:
    """Return a box of small texts."""
    wide = max(map(columns, texts)) * CHARACTER + 2 * PADDING + SIGN
    zero = Point(0.0, 0.0)
    return Box(
        name, "", zero, wide, height_of_marks(len(texts)), None, zero, tuple(texts), (), kind
    )


class _Unit(NamedTuple):
    """A box before its position is known.

    Args:
        box: The box, in the corner.
        before: Names of the units before it.
        inputs: Names of the units of which it uses results.
    """

    box: Box
    before: tuple[str, ...]
    inputs: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.box.name

    @property
    def predecessors(self) -> tuple[str, ...]:
        return self.before


def _arranged(drawn: Sequence[Drawn], contents: Contents, most: float) -> Layout:
    """Compute the positions of boxes: those that are too wide or too deep together in rows."""
    return _placed(_units(drawn, contents, most), most)


def _units(drawn: Sequence[Drawn], contents: Contents, most: float) -> list[_Unit]:
    return [_Unit(_box(one, contents, most), one.predecessors, one.inputs) for one in drawn]


def _placed(units: Sequence[_Unit], most: float) -> Layout:
    widths = {one.name: one.box.width for one in units}
    blocks = wrapped(widths, {one.name: one.before for one in units}, most)
    if all(block.kind == "one" for block in blocks):
        return _levels(units, most)
    by_name = {one.name: one for one in units}
    if len(blocks) == 1:  # nothing outside, so that no frame is needed
        return _in_rows(blocks[0], by_name, most)
    alone = [block for block in blocks if block.kind == "beside" and _is_alone(block, by_name)]
    if not alone:
        return _levels(_framed(blocks, by_name, most * FRAME_SHARE), most)
    # Between the levels of what is linked, it would be in the way of arrows.
    names = {name for block in alone for name in block.names()}
    rest = _placed([one for one in units if one.name not in names], most)
    return _below([rest, *(_in_rows(block, by_name, most) for block in alone)])


def _is_alone(block: Block, by_name: Mapping[str, _Unit]) -> bool:
    """Return whether nothing outside a block is linked with it."""
    names = set(block.names())
    return all(
        (one.name in names) == (before in names)
        for one in by_name.values()
        for before in one.before
    )


def _below(parts: Sequence[Layout]) -> Layout:
    """Place layouts below each other."""
    boxes: list[Box] = []
    edges: list[Edge] = []
    width, y = max(part.width for part in parts), 0.0
    for part in parts:
        at = Point((width - part.width) / 2, y)
        boxes += (_moved(box, at) for box in part.boxes)
        edges += (_shifted(edge, at) for edge in part.edges)
        y += part.height + LEVEL_GAP
    return Layout(width, y - LEVEL_GAP, tuple(boxes), tuple(edges))


def _framed(blocks: Sequence[Block], by_name: Mapping[str, _Unit], most: float) -> list[_Unit]:
    """Return a unit for each block: a box, or a frame around parts in rows."""
    unit_of = {name: _unit_name(block) for block in blocks for name in block.names()}
    found = []
    for block in blocks:
        own = _unit_name(block)
        members = [by_name[name] for name in block.names()]

        def moved(names: Iterable[str], own: str = own) -> tuple[str, ...]:
            # What is before all that is drawn, such as the start, has no unit.
            outer = (unit_of[name] for name in names if name in unit_of)
            return tuple(dict.fromkeys(name for name in outer if name != own))

        box = members[0].box
        if block.kind != "one":
            box = _frame(own, _in_rows(block, by_name, most))
        before = moved(name for one in members for name in one.before)
        inputs = moved(name for one in members for name in one.inputs)
        found.append(_Unit(box, before, inputs))
    return found


def _unit_name(block: Block) -> str:
    return block.name if block.kind == "one" else f"{block.kind}: {block.name}"


def _frame(name: str, body: Layout) -> Box:
    width, height = body.width + 2 * PADDING, body.height + 2 * PADDING
    corner, inside = Point(0.0, 0.0), Point(PADDING, PADDING)
    return Box(name, "", corner, width, height, body, inside, kind="frame")


def _in_rows(block: Block, by_name: Mapping[str, _Unit], most: float) -> Layout:
    """Compute the positions of parts beside each other, or of the parts of a chain."""
    inner = most - 2 * PADDING
    if block.kind == "beside":
        return _beside([_part(part, by_name, inner, framed=False) for part in block.parts], most)
    parts = [_part(part, by_name, inner, framed=True) for part in block.parts]
    carried = [
        any(
            name in set(part.names())
            for other in following.names()
            for name in by_name[other].inputs
        )
        for part, following in zip(block.parts, block.parts[1:], strict=False)
    ]
    return in_lines(parts, carried, most)


def _part(part: Block, by_name: Mapping[str, _Unit], most: float, *, framed: bool) -> Box | Layout:
    if part.kind == "one":
        return by_name[part.name].box
    names = dict.fromkeys(part.names())
    members = [by_name[name] for name in names]
    units = [
        one._replace(before=tuple(name for name in one.before if name in names)) for one in members
    ]
    placed = _placed(units, most)
    return _frame(f"{part.kind}: {part.name}", placed) if framed else placed


def _beside(parts: Sequence[Box | Layout], most: float) -> Layout:
    """Place parts beside each other, in rows; in columns if their widths are alike."""
    widest = max(part.width for part in parts)
    mean = sum(part.width for part in parts) / len(parts)
    if widest <= _ALIKE * mean:
        fitting = max(1, math.floor((most + GAP) / (widest + GAP)))
        number = math.ceil(len(parts) / math.ceil(len(parts) / fitting))
        rows = [parts[start : start + number] for start in range(0, len(parts), number)]
        cells = widest
    else:
        rows, cells = list(_filled(parts, most, GAP)), 0.0
    boxes: list[Box] = []
    edges: list[Edge] = []
    gap = LEVEL_GAP if any(isinstance(part, Layout) for part in parts) else GAP
    y = wide = 0.0
    for row in rows:
        x = 0.0
        for part in row:
            at = Point(x + max(0.0, cells - part.width) / 2, y)
            if isinstance(part, Layout):
                boxes += (_moved(box, at) for box in part.boxes)
                edges += (_shifted(edge, at) for edge in part.edges)
            else:
                boxes.append(_moved(part, at))
            x += max(cells, part.width) + GAP
        wide = max(wide, x - GAP)
        y += max(part.height for part in row) + gap
    return Layout(wide, y - gap, tuple(boxes), tuple(edges))


def _filled(
    parts: Sequence[Box | Layout], most: float, gap: float
) -> Iterator[Sequence[Box | Layout]]:
    """Yield parts in rows that are as long as they may be."""
    start, wide = 0, 0.0
    for number, part in enumerate(parts):
        if number > start and wide + part.width > most:
            yield parts[start:number]
            start, wide = number, 0.0
        wide += part.width + gap
    yield parts[start:]


def in_lines(parts: Sequence[Box | Layout], carried: Sequence[bool], most: float) -> Layout:
    """Place the parts of a chain in rows from left to right, like a text.

    Args:
        parts: The parts, in their order.
        carried: Whether each part receives the result of the one before it, from the second.
        most: The largest width.
    """
    boxes: list[Box] = []
    y = wide = 0.0
    for row in _filled(parts, most, _ARROW):
        x, height = 0.0, max(part.height for part in row)
        for part in row:
            assert isinstance(part, Box)
            boxes.append(_moved(part, Point(x, y + (height - part.height) / 2)))
            x += part.width + _ARROW
        wide = max(wide, x - _ARROW)
        y += height + LEVEL_GAP
    edges = [
        Edge(one.name, other.name, _onward(one, other), carries)
        for one, other, carries in zip(boxes, boxes[1:], carried, strict=False)
    ]
    return Layout(wide, y - LEVEL_GAP, tuple(boxes), tuple(edges))


def _onward(one: Box, other: Box) -> tuple[Point, ...]:
    """Lead from a box to the next: to the right, or around to the beginning of the next row."""
    right = one.corner + Point(one.width, one.height / 2)
    if other.corner.x > one.corner.x:
        return right, Point(other.corner.x, right.y)
    start = Point(one.corner.x + one.width / 2, one.corner.y + one.height)
    end = Point(other.corner.x + other.width / 2, other.corner.y)
    between = end.y - LEVEL_GAP / 2
    return start, Point(start.x, between), Point(end.x, between), end


def _levels(units: Sequence[_Unit], most: float) -> Layout:
    """Place boxes in levels, from top to bottom.

    Arrows without room are replaced by a line in the box that they enter. That line needs room too,
    and so this is repeated until all other arrows have room.
    """
    levels = [[one.name for one in level] for level in generations(units)]
    links = [
        Link(before, one.name, (before, one.name), style=before in one.inputs)
        for one in units
        for before in one.before
    ]
    boxes = {one.name: one.box for one in units}
    left_out: dict[str, list[str]] = {}
    while True:
        items = {name: Item(box.width, box.height) for name, box in boxes.items()}
        arranged = arrange(items, levels, links, most)
        missing = [link for link, way in zip(links, arranged.ways, strict=True) if not way]
        if not missing:
            break
        listed = {link.after for link in missing}  # with all that is before them
        for link in links:
            if link.after in listed:
                left_out.setdefault(link.after, []).append(link.before)
        links = [link for link in links if link.after not in listed]
        boxes = {one.name: _after(one.box, left_out.get(one.name, ()), boxes) for one in units}
    edges = tuple(
        Edge(
            link.before,
            link.after,
            downward(way),
            bool(link.style),
            head=way[-1] is items[link.after],
        )
        for link, way in zip(links, arranged.ways, strict=True)
    )
    placed = tuple(
        replace(box, corner=Point(items[name].x - box.width / 2, items[name].y))
        for name, box in boxes.items()
    )
    return Layout(arranged.width, arranged.height, placed, edges)


def _after(box: Box, names: Sequence[str], boxes: Mapping[str, Box]) -> Box:
    """Return a box with the names of what is before it, and has no arrow to it."""
    if not names:
        return box
    labels = [boxes[name].label or "the frame" for name in names]
    more = f" +{len(labels) - _AFTER_SHOWN}" if len(labels) > _AFTER_SHOWN else ""
    line = f"← {', '.join(clipped(one, NAMES_SHOWN) for one in labels[:_AFTER_SHOWN])}{more}"
    wide = max(box.width, columns(line) * CHARACTER + 2 * PADDING)
    inside = box.inside + Point((wide - box.width) / 2, LINE) if box.body else box.inside
    return replace(
        box, width=wide, height=box.height + LINE, inside=inside, notes=(*box.notes, line)
    )


def _moved(box: Box, by: Point) -> Box:
    return replace(box, corner=box.corner + by)


def _shifted(edge: Edge, by: Point) -> Edge:
    return replace(edge, points=tuple(point + by for point in edge.points))


def _box(drawn: Drawn, contents: Contents, most: float) -> Box:
    """Return a box with its size, in the corner."""
    stacked = isinstance(drawn, Stack) and drawn.is_counted
    body = _body(drawn, contents, most - 2 * PADDING)
    notes, label = contents.notes(drawn), clipped(title_of(drawn), _LONGEST)
    wide = max(columns(one) for one in (label, *notes)) * CHARACTER + 2 * PADDING
    high = HEIGHT + len(notes) * LINE
    inside = Point(0.0, 0.0)
    if body is not None:
        wide = max(wide, body.width + 2 * PADDING)
        high = body.height + TITLE + len(notes) * LINE + PADDING
        inside = Point((wide - body.width) / 2, TITLE + len(notes) * LINE)
    nodes = () if node_of(drawn) is None else names_of(drawn)
    kind: Kind = "node" if body is None else "box"
    corner = Point(0.0, 0.0)
    return Box(drawn.name, label, corner, wide, high, body, inside, notes, nodes, kind, stacked)


def _body(drawn: Drawn, contents: Contents, most: float) -> Layout | None:
    first = drawn.first if isinstance(drawn, Stack) else drawn
    if isinstance(first, SubPipeline):
        return _arranged(first.members, contents, most)
    node = first.node
    return layout(node.body, most=most) if isinstance(node, Map) else None
