"""Pictures of wide and deep graphs: equal nodes as one, and rows instead of long lines."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import SVG, definition, mapped, node, parsed, texts

from lokki_tf import Failure, Pipeline, step
from lokki_tf.drawing import to_dot, to_mermaid, to_outline, to_svg
from lokki_tf.drawing.folding import FAILED_SHOWN, FEWEST
from lokki_tf.model import Definition, Outcome, Step, StepOptions
from lokki_tf.model.graph import Map, Node

MOST = 1200
"""The width that pictures keep."""


@step
def load() -> int:
    return 1


@step
def fetch(value: Any) -> Any:
    return value


@step
def parse(value: Any) -> Any:
    return value


@step
def report(*values: Any) -> Any:
    return values


def wide(count: int) -> Pipeline:
    """Return a pipeline with equal chains of two calls between a first and a last one."""
    rows = load()
    return Pipeline("wide", steps=[report(*[parse(fetch(rows)) for _ in range(count)])])


def labels(picture: str) -> list[str]:
    return texts(parsed(picture))


def width(picture: str) -> float:
    return float(parsed(picture).attrib["width"])


@pytest.mark.parametrize("count", [FEWEST, 40, 300])
def test_equal_calls_are_one_box_with_their_number(count: int) -> None:
    """Equal calls, and the equal calls after them, are a stack each, in every language."""
    pipeline = wide(count)
    assert labels(pipeline.to_svg()) == ["load", f"fetch ×{count}", f"parse ×{count}", "report"]
    assert pipeline.to_mermaid() == (
        "flowchart TD\n"
        '  n0["load"]\n'
        f'  n1[["fetch #215;{count}"]]\n'
        f'  n2[["parse #215;{count}"]]\n'
        f'  n{2 * count + 1}["report"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        f"  n2 --> n{2 * count + 1}\n"
    )
    assert f'"fetch" [label="fetch ×{count}", peripheries=2];' in pipeline.to_dot()
    assert pipeline.to_dot().count("->") == 3


def test_few_equal_calls_are_drawn_one_by_one() -> None:
    """Calls that are fewer than the limit have a box each."""
    assert len(labels(wide(FEWEST - 1).to_svg())) == 2 * (FEWEST - 1) + 2


def test_calls_with_different_places_in_the_graph_are_apart() -> None:
    """Calls of one step before different steps, or after them, are stacks of their own."""
    rows = load()
    first = report(*[fetch(rows) for _ in range(10)])
    second = parse(report(*[fetch(rows) for _ in range(20)], *[fetch(first) for _ in range(9)]))
    shown = labels(Pipeline("p", steps=[first, second]).to_svg())
    assert sorted(shown) == sorted(
        ["load", "fetch ×10", "report", "fetch ×20", "fetch ×9", "report_2", "parse"]
    )


def failing(failed: int, count: int = 40) -> tuple[Definition, dict[str, Outcome]]:
    drawn = wide(count).definition
    outcomes = {
        name: Outcome("done", 0.0, 0.5 + at / 10) for at, name in enumerate(drawn.whole.by_name)
    }
    for number in range(1, failed + 1):
        outcomes[f"fetch_{number + 4}"] = Outcome("failed", 0.0, 1.0)
        del outcomes[f"parse_{number + 4}"]
    return drawn, outcomes


def test_failed_calls_are_beside_their_stack() -> None:
    """Calls that have failed are drawn by name, the others as stacks by status."""
    shown = labels(to_svg(*failing(2)))
    assert shown == [
        *("load", "done · 0.5 s"),
        *("fetch ×38", "38 done · 0.6 s to 8.4 s"),
        *("fetch_5", "failed · 1.0 s"),
        *("fetch_6", "failed · 1.0 s"),
        *("parse ×38", "38 done · 0.7 s to 8.5 s"),
        *("parse ×2", "2 not run"),
        *("report", "done · 8.6 s"),
    ]
    assert '"fetch_5" -> "parse_5";' in to_dot(*failing(2))
    assert "fetch_5\\nfailed" in to_mermaid(*failing(2))


def test_only_the_first_failed_calls_are_drawn_by_name() -> None:
    """Where more calls have failed, the rest of them is a stack."""
    shown = labels(to_svg(*failing(20)))
    assert f"fetch ×{20 - FAILED_SHOWN}" in shown
    assert f"{20 - FAILED_SHOWN} failed · 1.0 s" in shown
    assert "fetch_7" in shown
    assert "fetch_8" not in shown


def test_equal_maps_are_one_box_with_their_body() -> None:
    """Equal maps are a stack around one body, and arrows lead to that body."""
    rows = load()
    pipeline = Pipeline("maps", steps=[report(*[rows.map(fetch).agg(parse) for _ in range(9)])])
    assert labels(pipeline.to_svg()) == [
        *("load", "fetch_map ×9: for each item", "fetch", "parse ×9", "report")
    ]
    assert pipeline.to_dot().count("->") == 3
    assert pipeline.to_mermaid().count("-->") == 3


def test_custom_names_are_listed() -> None:
    """Below the number of calls with names of their own are some of the names."""
    one = Step("fetch", lambda: None, StepOptions(), node("x").place)
    cities = ("Aachen", "Berlin", "Celle", "Dresden", "Essen", "Fulda", "Gera", "Hof")
    names = [f"{city} rows" for city in cities]
    nodes = [Node(name, one, (), (), (), (), one.place) for name in names]
    shown = labels(to_svg(definition(*nodes)))
    assert shown == ["fetch ×8", "Aachen rows, Berlin rows, … Hof rows"]


def distinct(count: int, *, deep: bool = False) -> Definition:
    """Return different steps, one after another or beside each other."""
    nodes = [node("first")]
    for number in range(count):
        nodes.append(node(f"step_{number:03}", [nodes[-1].name if deep else "first"]))
    last = nodes[-1:] if deep else nodes[1:]
    return definition(*nodes, node("last", [one.name for one in last]))


@pytest.mark.parametrize("count", [5, 30, 40, 300])
@pytest.mark.parametrize("deep", [False, True])
def test_wide_and_deep_graphs_are_drawn_in_rows(count: int, deep: bool) -> None:
    """Every step is in the picture once, which is not too wide, and not as high as a long chain."""
    drawn = distinct(count, deep=deep)
    picture = to_svg(drawn)
    assert sorted(labels(picture)) == sorted(drawn.graph.by_name)
    assert width(picture) < MOST
    assert float(parsed(picture).attrib["height"]) < 600 + 12 * count


def test_other_programs_place_wide_graphs_in_rows_too() -> None:
    """Invisible arrows from row to row keep Graphviz and Mermaid from drawing one long row."""
    assert '"step_000" -> "step_010" [style=invis];' in to_dot(distinct(40))
    assert "n1 ~~~ n11" in to_mermaid(distinct(40))
    assert "style=invis" not in to_dot(distinct(10))
    assert "~~~" not in to_mermaid(distinct(10))


def test_a_frame_replaces_arrows_from_and_to_all_that_is_in_it() -> None:
    """Parts in rows are in a frame, with one arrow to it, one from it, and its meaning."""
    root = parsed(to_svg(distinct(40)))
    assert len([one for one in root.iter(f"{SVG}path") if one.get("fill") == "none"]) == 2
    hints = [one.text for one in root.iter(f"{SVG}title")]
    assert hints[1].startswith("Each arrow to this frame leads to all parts in it")  # type: ignore[union-attr]


@st.composite
def tangles(draw: st.DrawFn) -> Definition:
    """Draw a graph of many nodes, each with a few of the nodes before it."""
    count = draw(st.integers(20, 60))
    reach = draw(st.sampled_from([1, 3, 8, count]))
    nodes: list[Node | Map] = []
    for number in range(count):
        near = nodes[-reach:]
        before = draw(st.lists(st.sampled_from(near), max_size=3, unique=True)) if near else []
        inputs = [one.name for one in before]
        name = f"{number}{'x' * draw(st.integers(0, 60))}"
        nodes.append(mapped(name, node(f"in {name}")) if number % 9 == 8 else node(name, inputs))
    return definition(*nodes)


@settings(max_examples=25, deadline=None)
@given(tangles())
def test_no_picture_is_too_wide(drawn: Definition) -> None:
    """Any graph fits into the width, with every node, and every dependency as arrow or as text."""
    picture = to_svg(drawn)
    shown = labels(picture)
    assert width(picture) < MOST
    names = [one.name for one in drawn.graph.every()]
    assert all({name, f"{name}: for each item"} & set(shown) for name in names)
    assert picture == to_svg(drawn)


def test_arrows_without_room_are_written_into_the_boxes_that_they_enter() -> None:
    """Where too many arrows would pass a row, the box names what is before it."""
    count = 120
    sources = [node(f"source_{number:03}_{'x' * 20}") for number in range(count)]
    uses = [
        node(f"use_{number:03}", [sources[number * by % count].name for by in (7, 11, 17)])
        for number in range(1, count)
        if number * 4 % count and number * 6 % count and number * 10 % count
    ]
    picture = to_svg(definition(*sources, *uses))
    listed = [line for line in labels(picture) if line.startswith("← ")]
    assert width(picture) < MOST
    assert len(listed) > 5
    assert all(line.count("source_") == 3 for line in listed)


def test_a_run_shows_the_failed_items_of_a_map() -> None:
    """A map has the number of its items, of failed ones, and their first indices."""

    @step
    def rows() -> list[int]:
        return list(range(50))

    @step
    def score(item: int) -> int:
        if item % 10 == 3:
            raise ValueError(item)
        return item

    @step(catch=ValueError)
    def safe(item: int) -> int | Failure:
        if item == 7:
            raise ValueError(item)
        return item

    first = rows()
    pipeline = Pipeline(
        "items", steps=[first.map(score, tolerated_failure_percentage=20), first.map(safe)]
    )
    run = pipeline.local_run(executor="sequential")
    for picture in (pipeline.to_svg(run), pipeline.to_dot(run), pipeline.to_mermaid(run)):
        assert "5 of 50 items failed: 3, 13, 23, …" in picture
        assert "1 of 50 items failed: 7" in picture
    with pytest.raises(ValueError, match="3") as caught:
        Pipeline("items", steps=[first.map(score)]).local_run(executor="sequential")
    failed = vars(caught.value)["run"]
    assert "1 of 50 items failed: 3" in to_svg(failed.definition, failed.outcomes)


def test_the_picture_is_described_in_words() -> None:
    """The description has the number of steps, and of a run the statuses and what has failed."""
    root = parsed(to_svg(*failing(7)))
    described = root.findtext(f"{SVG}desc")
    assert described == (
        "A pipeline of 82 steps from load to report. 68 done, 7 failed, 7 not run. "
        "Failed: fetch_5, fetch_6, fetch_7, fetch_8, fetch_9, …."
    )


def test_a_text_has_a_line_for_each_box_and_the_width_of_the_terminal() -> None:
    """Equal nodes are one line, names before a node are as many as fit, and no line is too long."""
    drawn, outcomes = failing(1)
    assert [line.split(" · ")[0] for line in to_outline(drawn, outcomes, 60).splitlines()] == [
        "wide: 82 steps",
        " 1  load  done",
        " 2  fetch ×39  ← load  39 done",
        " 2  fetch_5  ← load  failed",
        " 3  parse ×39  ← fetch ×39  39 done",
        " 3  parse_5  ← fetch_5  not run",
        " 4  report  ← parse ×39, parse_5  done",
    ]
    for width in (40, 80, 200):
        lines = to_outline(distinct(300), width=width).splitlines()
        assert max(map(len, lines)) <= width
        assert re.search(r"last  ← step_000, .*\+\d+$", lines[-1])
