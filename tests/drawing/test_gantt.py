"""Runs as Gantt charts: to scale, complete, and readable at any size."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest
from counting import calls_of
from hypothesis import given, settings
from pictures import DAILY, OUTCOMES, SVG, definition, node, parsed, runs, texts

from lokki_tf.drawing import to_gantt
from lokki_tf.drawing.status import LOOKS, outcome_of, tooltip
from lokki_tf.drawing.timeline import critical_chain, timeline
from lokki_tf.model import Outcome

PLOT = 520.0


def axis(root: ET.Element) -> float:
    """Return the x at which the axis begins: the first line of the grid."""
    _, grid = root.findall(f"{SVG}path")
    found = re.match(r"M([\d.]+) ", grid.attrib["d"])
    assert found is not None
    return float(found[1])


def rows(root: ET.Element) -> dict[str, tuple[list[str], list[ET.Element]]]:
    """Return the texts and rectangles of each row, by its tooltip."""
    return {
        group.findtext(f"{SVG}title", ""): (texts(group), group.findall(f"{SVG}rect"))
        for group in root.iter(f"{SVG}g")
    }


def test_a_run_is_a_row_a_node() -> None:
    """Rows are sorted by start and show duration or status; nodes that did not begin are last."""
    root = parsed(to_gantt(DAILY, OUTCOMES, 2.0))
    assert [written for written, _ in rows(root).values()] == [
        ["load", "1.2 s"],
        ["rates", "cached"],
        ["score", "failed after 3 attempts · 0.4 s"],
        ["mail", "skipped"],
        ["each", "not run"],
    ]
    heads = texts(root)[: texts(root).index("load")]
    assert heads == [
        "daily",
        "· 2.0 s",
        "1 done",
        "1 cached",
        "1 skipped",
        "1 failed",
        "1 not run",
        "critical chain",
        "0",
        "0.5 s",
        "1.0 s",
        "1.5 s",
        "2.0 s",
    ]


def test_bars_are_to_scale_and_coloured() -> None:
    """A bar begins and ends with its node; a cached or skipped node has a thin mark."""
    root = parsed(to_gantt(DAILY, OUTCOMES, 2.0))
    left = axis(root)
    bars = [
        (
            round((float(bar.attrib["x"]) - left) / PLOT * 2, 2),
            round(float(bar.attrib["width"]) / PLOT * 2, 2),
            bar.get("fill"),
            len(more),
        )
        for _, [bar, *more] in list(rows(root).values())[:4]
    ]
    assert bars == [
        (0.0, 1.2, LOOKS["done"].line, 1),
        (0.0, 0.01, LOOKS["cached"].line, 0),
        (1.2, 0.4, LOOKS["failed"].line, 1),
        (1.6, 0.01, LOOKS["skipped"].line, 1),
    ]


@settings(deadline=None)
@given(runs())
def test_any_run_has_a_picture(run: Any) -> None:
    """Every node has a row, and every bar is within the axis and as long as its node took."""
    drawn, outcomes, duration = run
    picture = to_gantt(drawn, outcomes, duration)
    assert picture == to_gantt(drawn, outcomes, duration)
    root = parsed(picture)
    shown = timeline(drawn.graph, outcomes, duration)
    assert {row.name for row in shown.rows} | {name for name, _ in shown.waiting} == set(
        drawn.graph.by_name
    )
    assert len(list(root.iter(f"{SVG}g"))) == len(drawn.graph.nodes)
    left = axis(root)
    for row, group in zip(shown.rows, root.iter(f"{SVG}g"), strict=False):
        bar, *outline = group.findall(f"{SVG}rect")
        begin, wide = float(bar.attrib["x"]), float(bar.attrib["width"])
        assert left - 0.1 <= begin
        assert begin + wide <= left + PLOT + 0.1
        assert len(outline) == row.critical
        if row.outcome.status not in ("cached", "skipped"):
            assert wide == pytest.approx(max(1.5, (row.end - row.start) / shown.span * PLOT), abs=1)


def test_a_long_name_is_shortened_but_complete_in_the_tooltip() -> None:
    """A long name does not reach the bars."""
    name = "a_name_that_is_much_too_long_for_a_column"
    root = parsed(to_gantt(definition(node(name)), {}, 1.0))
    [(hinted, (written, bars))] = rows(root).items()
    assert hinted == f"{name}: not run" == tooltip(name, outcome_of(name, {}))
    assert written == ["a_name_that_is_much_too_long_…", "not run"]
    assert bars == []


def test_an_interrupted_bar_extends_to_the_end() -> None:
    """The bar of an interrupted node is hollow and ends with the run."""
    root = parsed(to_gantt(definition(node("a")), {"a": Outcome("interrupted", 1.0)}, 4.0))
    [(_, [bar, _])] = rows(root).values()
    assert float(bar.attrib["width"]) == pytest.approx(PLOT * 3 / 4)
    assert bar.get("stroke-dasharray")


def test_the_critical_chain_follows_the_last_predecessor() -> None:
    """The critical chain leads from the last node to the last of its predecessors, and so on."""
    graph = definition(
        node("a"), node("b"), node("c", ["a", "b"]), node("d"), node("e", ["c", "d"]), node("f")
    ).graph
    ends = {"a": 3.0, "b": 2.0, "c": 4.0, "d": 1.0, "e": 9.0, "f": 8.0}
    assert critical_chain(graph, ends) == {"e", "c", "a"}
    assert critical_chain(graph, {"a": 0.0, "c": 0.0}) == {"a", "c"}
    assert critical_chain(graph, {}) == set()


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (0.0, ["0", "0.2 ms", "0.4 ms", "0.6 ms", "0.8 ms", "1.0 ms"]),
        (0.3, ["0", "50 ms", "100 ms", "150 ms", "200 ms", "250 ms", "300 ms"]),
        (1.0, ["0", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1.0 s"]),
        (12.3, ["0", "2 s", "4 s", "6 s", "8 s", "10 s", "12 s"]),
        (119.0, ["0", "20 s", "40 s", "60 s", "80 s", "100 s"]),
        (200.0, ["0", "0.5 min", "1.0 min", "1.5 min", "2.0 min", "2.5 min", "3.0 min"]),
        (4 * 3600.0, [f"{half / 2:.1f} h" if half else "0" for half in range(9)]),
    ],
)
def test_ticks_are_round(span: float, labels: list[str]) -> None:
    """Ticks are 1, 2 or 5 times a power of ten, in the largest unit that fits."""
    ticks = timeline(DAILY.graph, {}, span).ticks
    assert [tick.label for tick in ticks] == labels


def test_a_run_without_duration_has_a_picture() -> None:
    """A run without duration does not cause a division by zero."""
    nothing = {name: Outcome("done", 0.0, 0.0) for name in DAILY.graph.by_name}
    assert "0 ms" in texts(parsed(to_gantt(DAILY, nothing, 0.0)))
    assert texts(parsed(to_gantt(definition(), {}, 0.0)))[:2] == ["daily", "· 0 ms"]


def test_a_large_run_is_drawn_in_few_calls() -> None:
    """1,000 nodes take 60 calls each, with rows of the usual height and two axes."""
    dice = random.Random(1)
    nodes = [node(f"n{index}", [f"n{index - 1}"][: index % 7]) for index in range(1000)]
    outcomes = {one.name: Outcome("done", dice.random() * 90, 100.0) for one in nodes}
    pictures: list[str] = []
    run = definition(*nodes)
    assert calls_of(lambda: pictures.append(to_gantt(run, outcomes, 100.0))) < 60 * len(nodes)
    root = parsed(pictures[0])
    heights = [float(one.attrib["y"]) for one in root.findall(f"{SVG}g/{SVG}text")[::2]]
    assert {round(b - a) for a, b in pairwise(heights)} == {24}
    assert texts(root).count("60 s") == 2
