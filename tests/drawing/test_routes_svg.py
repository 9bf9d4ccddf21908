"""Pictures of routed pipelines: complete, without overlaps, and with loops that lead back."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import combinations, pairwise

import pytest
from counting import calls_of
from golden_files import agrees_with_golden
from hypothesis import given, settings
from pictures import AWKWARD, SVG, any_routes, of_routes, parsed, routed, texts, way
from seeds import orchwipy_sample, orchwipy_tea

from lokki_tf import drawing
from lokki_tf.drawing.characters import writable
from lokki_tf.drawing.layers import HEIGHT, Point
from lokki_tf.drawing.loops import cut
from lokki_tf.drawing.routes import picture_of, routes_to_dot, routes_to_mermaid
from lokki_tf.drawing.routes_layout import Drawn, Placed, RoutesLayout, routes_layout
from lokki_tf.drawing.routes_svg import routes_to_svg
from lokki_tf.model import Definition, Graph, Routes

LOOPS = routed(
    fetch=[way("parse"), way("fetch")],
    parse=[way("store", "v"), way("fetch", None)],
    store=[way("parse"), way("report"), way("store")],
    report=[way(None)],
    stray=[way("store"), way("fetch")],
)


def placed(routes: Routes) -> RoutesLayout:
    return routes_layout(picture_of(routes, routes.start))


def shapes(routes: Routes) -> dict[str, Placed]:
    return {one.shape.id: one for one in placed(routes).shapes}


def arrows(routes: Routes) -> dict[tuple[str, str], Drawn]:
    return {(one.arrow.before, one.arrow.after): one for one in placed(routes).arrows}


def drawn_arrows(root: ET.Element) -> list[ET.Element]:
    return [one for one in root.iter(f"{SVG}path") if one.get("fill") == "none"]


def extent(root: ET.Element) -> Iterator[Point]:
    """Yield points that enclose everything in the picture."""
    for one in root.iter(f"{SVG}rect"):
        x, y, width, height = (float(one.attrib[key]) for key in ("x", "y", "width", "height"))
        yield from (Point(x, y), Point(x + width, y + height))
    for one in root.findall(f"{SVG}path"):
        at = Point(0, 0)
        for command, given_numbers in re.findall(r"([MLCQH])([^A-Za-z]+)", one.attrib["d"]):
            numbers = list(map(float, given_numbers.split()))
            if command == "H":
                numbers.append(at.y)
            for x, y in zip(numbers[::2], numbers[1::2], strict=True):
                at = Point(x, y)
                yield at


@pytest.mark.parametrize("routes", [orchwipy_tea.pipe.routes, orchwipy_sample.orch.routes])
def test_a_picture_has_every_shape_and_arrow(routes: Routes) -> None:
    """Steps are boxes, tests hexagons in the colours of the dot text, defaults dashed arrows."""
    picture, root = picture_of(routes), parsed(routes_to_svg(of_routes(routes)))
    assert sorted(texts(root)) == sorted(shape.label for shape in picture.shapes)
    rounded = [one for one in root.iter(f"{SVG}rect") if one.get("fill") != "none"]
    assert len(rounded) == sum(shape.kind == "step" for shape in picture.shapes)
    hexagons = [one for one in root.findall(f"{SVG}path") if one.attrib["d"].count("L") == 5]
    colours = [one.get("fill") for one in hexagons]
    assert colours == [shape.colour for shape in picture.shapes if shape.colour]
    assert len(drawn_arrows(root)) == len(picture.arrows)
    dashed = sum(one.get("stroke-dasharray") is not None for one in drawn_arrows(root))
    assert dashed == sum(arrow.dashed for arrow in picture.arrows)


def test_a_picture_is_as_it_was_reviewed(request: pytest.FixtureRequest) -> None:
    """The picture of a pipeline with loops equals its golden file."""
    agrees_with_golden(request, "loops.svg", routes_to_svg(of_routes(LOOPS, "loops")))


def test_ends_have_a_double_outline() -> None:
    """Each step with which the pipeline may end has a second rectangle inside its own."""
    root = parsed(routes_to_svg(of_routes(routed(a=[way("b"), way(None)], b=[way("c")], c=[]))))
    assert [one.get("fill") == "none" for one in root.iter(f"{SVG}rect")] == [
        *(False, True),
        False,
        *(False, True),
    ]


@settings(deadline=None)
@given(any_routes())
def test_any_name_is_shown_unchanged(routes: Routes) -> None:
    """Any names are shown unchanged, with all arrows, and nothing is outside the picture."""
    picture, svg = picture_of(routes), routes_to_svg(of_routes(routes, AWKWARD[1]))
    root = parsed(svg)
    labels = (writable(line) for shape in picture.shapes for line in shape.lines)
    as_xml_reads = [text.replace("\r\n", "\n").replace("\r", "\n") for text in labels]
    assert sorted(texts(root)) == sorted(as_xml_reads)
    assert len(drawn_arrows(root)) == len(picture.arrows)
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    assert all(0 < x < width and 0 < y < height for x, y in extent(root))
    assert svg == routes_to_svg(of_routes(routes, AWKWARD[1]))


@settings(deadline=None)
@given(any_routes())
def test_nothing_overlaps(routes: Routes) -> None:
    """Shapes do not overlap, and no arrow crosses a shape that it neither leaves nor enters."""
    layout = placed(routes)
    for one, other in combinations(layout.shapes, 2):
        assert (
            one.corner.y != other.corner.y
            or one.corner.x + one.width < other.corner.x
            or other.corner.x + other.width < one.corner.x
        )
    for arrow in layout.arrows:
        ends = (arrow.arrow.before, arrow.arrow.after)
        for start, end in pairwise(arrow.points):
            (left, right), (top, bottom) = sorted((start.x, end.x)), sorted((start.y, end.y))
            for one in layout.shapes:
                assert (
                    one.shape.id in ends
                    or right < one.corner.x
                    or left > one.corner.x + one.width
                    or bottom <= one.corner.y
                    or top >= one.corner.y + HEIGHT
                )


@settings(deadline=None)
@given(any_routes())
def test_arrows_end_at_their_shapes(routes: Routes) -> None:
    """An arrow ends with a head at its shape, or without one on an arrow to the same shape."""
    layout = placed(routes)
    boxes = {one.shape.id: one for one in layout.shapes}
    for one in layout.arrows:
        box, end = boxes[one.arrow.after], one.points[-1]
        if one.head:
            assert box.corner.x - 0.01 <= end.x <= box.corner.x + box.width + 0.01
            assert box.corner.y <= end.y < box.corner.y + HEIGHT
        else:
            assert any(
                end in other.points[:-1]
                for other in layout.arrows
                if (other.arrow.after, other.arrow.dashed) == (one.arrow.after, one.arrow.dashed)
            )


def test_loops_lead_back_up() -> None:
    """An arrow that closes a loop leaves on the right and enters on the right, further up."""
    boxes, ways = shapes(LOOPS), arrows(LOOPS)
    for before, after in [("cond1", "fetch"), ("store", "parse"), ("stray", "fetch")]:
        points = ways[before, after].points
        assert points[0].x == pytest.approx(boxes[before].corner.x + boxes[before].width)
        assert points[-1].x == pytest.approx(boxes[after].corner.x + boxes[after].width)
        assert points[-1].y < points[0].y
        assert points[-2].x > points[-1].x


def test_a_step_that_leads_to_itself_has_a_loop() -> None:
    """A step's arrow to itself leaves and enters on the left, where no other arrow is."""
    box, way_back = shapes(LOOPS)["fetch"], arrows(LOOPS)["fetch", "fetch"]
    first, *between, last = way_back.points
    assert first.x == last.x == pytest.approx(box.corner.x)
    assert box.corner.y < first.y < last.y < box.corner.y + HEIGHT
    assert all(point.x < first.x for point in between)


def test_the_first_step_is_alone_on_top() -> None:
    """The first step, or another one on request, is above all others, even those without arrows."""
    heights = {name: one.corner.y for name, one in shapes(LOOPS).items()}
    assert [name for name, y in heights.items() if y == 0] == ["fetch"]
    top = parsed(routes_to_svg(of_routes(LOOPS), top_node="store"))
    assert {one.get("y") for one in top.iter(f"{SVG}text") if one.text == "store"} == {"32"}


@settings(deadline=None)
@given(any_routes())
def test_levels_lead_down_but_for_loops(routes: Routes) -> None:
    """An arrow leads down, closes a loop, or leads to the top."""
    ways = {name: route.targets for name, route in routes.by_name.items()}
    names = list(dict.fromkeys([*ways, *(one for targets in ways.values() for one in targets)]))
    pairs = [(before, after) for before, targets in ways.items() for after in targets]
    levels, back = cut(names, pairs)
    level = {name: number for number, members in enumerate(levels) for name in members}
    assert levels[0] == names[:1]
    assert sorted(level) == sorted(names)
    for before, after in pairs:
        assert (level[after] > level[before]) == ((before, after) not in back)
        if (before, after) in back and after != names[0]:
            reached = [after]
            for name in reached:
                reached += [one for one in ways.get(name, ()) if one not in reached]
            assert before in reached


def test_arrows_to_one_step_share_their_path() -> None:
    """Long arrows of one kind to the same step meet, and continue as one."""
    ways = arrows(routed(a=[way("b"), way("z")], b=[way("c"), way("z")], c=[way("z")], z=[]))
    long, short = ways["a", "z"], ways["b", "z"]
    assert (long.head, short.head) == (True, False)
    assert short.points[-1] in long.points


def diamonds(count: int) -> Routes:
    """Return steps, every fourth of which has two transitions that meet again."""
    steps = {}
    for first in range(0, count, 4):
        second, third, last = (f"s{first + more}" for more in (1, 2, 3))
        steps[f"s{first}"] = [way(second, "v", first), way(third, None, first)]
        steps |= {second: [way(last)], third: [way(last)], last: [way(f"s{first + 4}")]}
    return routed(**steps | {f"s{count}": []})


def anywhere(count: int) -> Routes:
    """Return steps with one test each, whose two transitions lead to any steps."""
    pick = random.Random(1).randrange
    return routed(
        **{
            f"s{one}": [way(f"s{pick(count)}", value, one) for value in ("v", None)]
            for one in range(count)
        }
    )


def test_a_long_chain_is_in_rows() -> None:
    """300 steps, one after another, are in rows; a loop around them leads back to their frame."""
    steps = {f"s{n}": [way(f"s{n + 1}")] for n in range(299)}
    ends = {"s299": [way("s0", "v"), way("end", None)], "end": [way(None)]}
    routes = routed(begin=[way("s0")], **steps, **ends)
    layout = placed(routes)
    assert layout.width < 1_150
    assert layout.height < 2_400
    ((corner, size),) = layout.frames
    boxes = {one.shape.id: one for one in layout.shapes}
    for name in ("begin", "end"):
        at = boxes.pop(name).corner
        assert not (corner.x < at.x < corner.x + size.x and corner.y < at.y < corner.y + size.y)
    for one in boxes.values():
        assert corner.x < one.corner.x
        assert one.corner.x + one.width < corner.x + size.x
        assert corner.y < one.corner.y < corner.y + size.y
    order = sorted(steps, key=lambda name: (boxes[name].corner.y, boxes[name].corner.x))
    assert order == list(steps)
    expected = {(one.before, one.after) for one in picture_of(routes, "begin").arrows}
    assert {(one.arrow.before, one.arrow.after) for one in layout.arrows} == expected
    root = parsed(routes_to_svg(of_routes(routes)))
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    assert all(0 < x < width and 0 < y < height for x, y in extent(root))


@pytest.mark.parametrize("routes", [diamonds(500), anywhere(500)], ids=["diamonds", "anywhere"])
def test_a_large_picture_is_drawn_in_a_moment(routes: Routes) -> None:
    """500 steps take a million calls at most, and the picture contains all of their arrows."""
    assert calls_of(lambda: routes_to_svg(of_routes(routes))) < 1_000_000
    svg = routes_to_svg(of_routes(routes))
    root = parsed(svg)
    assert len(drawn_arrows(root)) == len(picture_of(routes).arrows)
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    assert all(0 < x < width and 0 < y < height for x, y in extent(root))


def test_the_longest_arrows_go_around_when_there_are_too_many() -> None:
    """The longest arrows go beside all shapes, and end at their targets."""
    layout = placed(anywhere(500))
    side = max(one.corner.x + one.width for one in layout.shapes)
    far = [one for one in layout.arrows if max(point.x for point in one.points) > side + 40]
    boxes = {one.shape.id: one for one in layout.shapes}
    assert len(far) > 100
    for one in far:
        box = boxes[one.arrow.after]
        assert one.head
        assert one.points[-1] == (pytest.approx(box.corner.x + box.width / 2), box.corner.y)


def test_each_language_draws_both_kinds_of_pipelines() -> None:
    """Each language has one function, which draws a routed pipeline with its first step on top."""
    routes = routed(b=[way("a")], a=[way("b")])
    routes = Routes("a", routes.routes)
    pipeline = Definition("p", Graph(()), routes=routes)
    assert drawing.to_dot(pipeline) == routes_to_dot(pipeline, "a")
    assert drawing.to_mermaid(pipeline) == routes_to_mermaid(pipeline)
    assert routes_to_mermaid(pipeline).startswith('flowchart TD\n  n0["a"]\n')
    assert drawing.to_svg(pipeline, {}) == routes_to_svg(of_routes(routes))
