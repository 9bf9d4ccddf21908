"""Pictures of graphs: well-formed, escaped, and without overlaps."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from typing import Any

import pytest
from counting import calls_of
from golden_files import agrees_with_golden
from hypothesis import HealthCheck, given, settings
from pictures import DAILY, OUTCOMES, parsed, runs, texts
from strategies import pipelines

from lokki_tf import Pipeline, step
from lokki_tf.drawing import to_svg
from lokki_tf.drawing.characters import writable
from lokki_tf.drawing.contents import Contents
from lokki_tf.drawing.layers import WIDEST
from lokki_tf.drawing.nested import Box, Layout, layout
from lokki_tf.drawing.status import LOOKS, format_outcome, outcome_of
from lokki_tf.model import Outcome

MOST = 1200
"""The width that pictures keep."""
SVG = "{http://www.w3.org/2000/svg}"


@step
def load() -> list[int]:
    return [1]


@step
def work(item: int) -> int:
    return item


@step
def done(*values: Any) -> Any:
    return values


@step(name="a<b&c")
def odd(value: Any) -> Any:
    return value


def example() -> Pipeline:
    rows = load()
    late = done(1)
    late.after(rows)
    mapped = rows.map([work, done]).agg(done)
    return Pipeline("p", steps=[done(mapped, rows, done(done(rows))), late])


def test_a_picture_has_every_node_and_arrow() -> None:
    """Each node is a labelled box, each dependency an arrow, dashed if it only sets the order."""
    pipeline = example()
    root = ET.fromstring(pipeline.to_svg())
    texts = [one.text for one in root.iter(f"{SVG}text")]
    names = [node.name for node in pipeline.graph.walk()]
    assert sorted(texts) == sorted([*names, "work_map: for each item"])
    paths = lines(root)
    outer = sum(len(node.predecessors) for node in pipeline.graph.nodes)
    assert len(paths) == outer + 1  # one inside the map
    assert sum(one.get("stroke-dasharray") is not None for one in paths) == 1
    assert pipeline._repr_svg_() == pipeline.to_svg() == example().to_svg()


def test_names_are_escaped() -> None:
    """A name is shown as text, with any characters."""
    from lokki_tf.model import Definition, Graph, Node, RetryConfig

    place = odd.step.place
    node = Node("<script>&'\"", odd.step, (), (), (), RetryConfig(), place)
    root = ET.fromstring(to_svg(Definition("<p&>", Graph((node,)))))
    assert [one.text for one in root.iter(f"{SVG}text")] == ["<script>&'\""]
    assert [one.text for one in root.iter(f"{SVG}title")] == ["<p&>"]


def lines(root: ET.Element) -> list[ET.Element]:
    """Return the arrows of a picture, without their heads."""
    return [one for one in root.iter(f"{SVG}path") if one.get("fill") == "none"]


def apart(one: Box, other: Box) -> bool:
    return (
        one.corner.x + one.width < other.corner.x
        or other.corner.x + other.width < one.corner.x
        or one.corner.y + one.height < other.corner.y
        or other.corner.y + other.height < one.corner.y
    )


def assert_clear(placed: Layout) -> None:
    for one, other in combinations(placed.boxes, 2):
        assert apart(one, other)
    for box in placed.boxes:
        assert box.corner.x >= -0.01
        assert box.corner.x + box.width <= placed.width + 0.01
        assert box.corner.y + box.height <= placed.height + 0.01
        if box.body is not None:
            assert box.inside.x + box.body.width <= box.width
            assert box.inside.y + box.body.height <= box.height
            assert_clear(box.body)
    for edge in placed.edges:
        for start, end in zip(edge.points, edge.points[1:], strict=False):
            assert start.y <= end.y
            # A curve stays between the heights of its ends, and between its sides.
            way = Box("", "", start, 0, 0, None, start)
            for box in placed.boxes:
                if box.name in (edge.before, edge.after):
                    continue
                below = end.y <= box.corner.y or start.y >= box.corner.y + box.height
                left, right = sorted((start.x, end.x))
                beside = right < box.corner.x or left > box.corner.x + box.width
                assert below or beside, (way, box)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(pipelines(most=12))
def test_nothing_overlaps(pipeline: Pipeline) -> None:
    """Boxes do not overlap, bodies are inside their maps, and no arrow crosses a box."""
    done = dict.fromkeys(pipeline.graph.by_name, Outcome("done", 0.0, 1.2))
    for most in (WIDEST, 300.0):
        assert_clear(layout(pipeline.graph, most=most))
        assert_clear(layout(pipeline.graph, Contents(done), most))


def test_a_picture_is_as_it_was_reviewed(request: pytest.FixtureRequest) -> None:
    """The picture of a run equals its golden file."""
    agrees_with_golden(request, "daily.run.svg", to_svg(DAILY, OUTCOMES))


def test_a_run_shows_colours_and_outcomes() -> None:
    """Each box has its status's colours, an outcome and a tooltip; a map's body stays plain."""
    root = parsed(to_svg(DAILY, OUTCOMES))
    boxes = {}
    for group in root.iter(f"{SVG}g"):
        name, note = (one.text for one in group.findall(f"{SVG}text"))
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        boxes[name] = (note, rect.get("fill"), rect.get("stroke-dasharray") is not None)
    assert boxes == {
        "load": ("done · 1.2 s", LOOKS["done"].fill, False),
        "rates": ("cached", LOOKS["cached"].fill, False),
        "score": ("failed after 3 attempts · 0.4 s", LOOKS["failed"].fill, False),
        "mail": ("skipped", LOOKS["skipped"].fill, True),
        "each: for each item": ("not run", LOOKS["not run"].fill, True),
    }
    assert [one.text for one in root.iter(f"{SVG}title")] == [
        "daily",
        "load: done · 1.2 s, from 0 ms to 1.2 s",
        "rates: cached, from 0 ms to 0 ms",
        "score: failed after 3 attempts · 0.4 s, from 1.2 s to 1.6 s",
        "mail: skipped, from 1.6 s to 1.6 s",
        "each: not run",
    ]
    assert "inner" in texts(root)


def as_xml_reads(text: str) -> str:
    return writable(text).replace("\r\n", "\n").replace("\r", "\n")


@settings(deadline=None)
@given(runs())
def test_every_node_and_outcome_is_in_the_picture(run: Any) -> None:
    """Any name is shown unchanged, and no text is outside the picture."""
    drawn, outcomes, _ = run
    written = texts(parsed(to_svg(drawn, outcomes)))
    plain = texts(parsed(to_svg(drawn)))
    for node in drawn.graph.nodes:
        name = as_xml_reads(node.name)
        assert {name, f"{name}: for each item"} & set(plain)
        assert {name, f"{name}: for each item"} & set(written)
        assert format_outcome(outcome_of(node.name, outcomes)) in written


def test_the_work_of_a_large_graph_grows_with_its_size() -> None:
    """Twice as many nodes, each of which needs the ten before it, take about twice the calls."""

    def work(nodes: int) -> int:
        calls: list[Any] = []
        for _ in range(nodes):
            calls.append(done(*calls[-10:]))
        pipeline = Pipeline("large", steps=[calls[-1]])
        pictures: list[str] = []
        made = calls_of(lambda: pictures.append(pipeline.to_svg()))
        root = parsed(pictures[0])
        assert len(list(root.iter(f"{SVG}rect"))) == nodes
        assert float(root.attrib["width"]) < MOST
        return made

    assert work(500) < 2.5 * work(250)
