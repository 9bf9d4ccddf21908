"""Routed pipelines in Graphviz's and Mermaid's languages."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from typing import Any

import pytest
from pictures import of_routes, routed, way
from seeds import orchwipy_sample, orchwipy_tea

from lokki_tf import model
from lokki_tf.authoring.routes import Registry
from lokki_tf.drawing.routes import picture_of, routes_to_dot, routes_to_mermaid
from lokki_tf.drawing.shapes import Arrow, Shape
from lokki_tf.errors import Place
from lokki_tf.model import Routes, Transition

# The titles in the README's two pictures, with labels and colours of the boxes.
TEA: dict[str, Any] = {
    "nodes": "start tea coffee drink cond1",
    "boxes": {"cond1": ("choice = 'c' ?", "#a0e5e5")},
    "edges": "start->cond1 tea->coffee coffee->drink cond1->coffee cond1->tea",
    "dashed": "cond1->tea",
}
SAMPLE: dict[str, Any] = {
    "nodes": "welcome making_tea making_coffee nochoice boil_water grind dip pour_water drink "
    "cond1 cond2 cond3 cond4",
    "boxes": {
        "cond1": ("choice = 't' ?", "#a0e5a0"),
        "cond2": ("choice = 'c' ?", "#a0e5a0"),
        "cond3": ("choice = * ?", "#a0e5a0"),
        "cond4": ("choice = 'coffee' ?", "#a0a0e5"),
    },
    "edges": "welcome->cond1 welcome->cond2 welcome->cond3 making_tea->boil_water "
    "making_coffee->boil_water boil_water->cond4 grind->pour_water dip->pour_water "
    "pour_water->drink cond1->making_tea cond2->making_coffee cond3->nochoice cond4->grind "
    "cond4->dip",
    "dashed": "cond4->dip",
}
PICTURES = [
    pytest.param(orchwipy_tea.pipe, TEA, id="tea"),
    pytest.param(orchwipy_sample.orch, SAMPLE, id="sample"),
]


def arrows(routes: Routes) -> list[str]:
    return [
        f"{one.before}{'~' if one.dashed else '-'}>{one.after}" for one in picture_of(routes).arrows
    ]


def labels(routes: Routes) -> list[str]:
    return [shape.label for shape in picture_of(routes).shapes if shape.kind == "test"]


@pytest.mark.parametrize(("registry", "picture"), PICTURES)
def test_the_readmes_pictures_are_drawn(registry: Registry, picture: dict[str, Any]) -> None:
    """The dot text has the nodes, boxes and edges of orchwipy's pictures, in their order."""
    text = routes_to_dot(of_routes(registry.routes), top_node=registry.beginner)
    nodes = re.findall(r'^  "(\w+)"(?: \[.*)?;$', text, re.MULTILINE)
    edges = re.findall(r'^  "(\w+)" -> "(\w+)"( \[style=dashed\])?;$', text, re.MULTILINE)
    boxes = re.findall(r'"(\w+)" \[shape=box,style=filled,color="(.*)7f",label="(.*)"\];', text)
    assert nodes == picture["nodes"].split()
    assert [f"{before}->{after}" for before, after, _ in edges] == picture["edges"].split()
    assert [f"{before}->{after}" for before, after, dash in edges if dash] == picture[
        "dashed"
    ].split()
    assert {box: (label, colour) for box, colour, label in boxes} == picture["boxes"]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize(("registry", "picture"), PICTURES)
def test_graphviz_draws_the_readmes_pictures(registry: Registry, picture: dict[str, Any]) -> None:
    """Graphviz's output has the titles, colours and dashes of orchwipy's pictures."""
    text = routes_to_dot(of_routes(registry.routes))
    svg = subprocess.run(
        ["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True
    ).stdout
    groups = re.findall(r'<g id="\w+" class="(node|edge)">(.*?)</g>', svg, re.DOTALL)
    titles: dict[str, list[str]] = {"node": [], "edge": []}
    for kind, inside in groups:
        title = html.unescape(inside.partition("<title>")[2].partition("</title>")[0])
        titles[kind].append(title)
        assert ("stroke-dasharray" in inside) == (title == picture["dashed"])
        if title in picture["boxes"]:
            assert f'fill="{picture["boxes"][title][1]}" fill-opacity="0.498039"' in inside
    assert sorted(titles["node"]) == sorted(picture["nodes"].split())
    assert sorted(titles["edge"]) == sorted(picture["edges"].split())


def test_a_true_value_has_a_box_without_value() -> None:
    """A test of one value, ``true`` included, has one box, and a dashed arrow for the default."""
    routes = routed(a=[way("b", True), way("c", None)], b=[], c=[])
    assert labels(routes) == ["x ?"]
    assert arrows(routes) == ["a->cond1", "cond1->b", "cond1~>c"]


def test_several_values_have_boxes_of_their_own() -> None:
    """Each of several values has a box, so has the default, and none of their arrows is dashed."""
    routes = routed(a=[way("b", "v"), way("b", True), way("c", None)], b=[], c=[])
    assert labels(routes) == ["x = 'v' ?", "x ?", "x = * ?"]
    assert not any("~" in arrow for arrow in arrows(routes))


def test_ways_that_end_have_no_arrow() -> None:
    """A return that ends the pipeline is not drawn; the test before it keeps its box."""
    routes = routed(a=[way(None), way(None, "v"), way("b", None)], b=[way(None)])
    assert arrows(routes) == ["a->cond1", "cond1~>b"]


def test_a_default_to_the_same_step_is_one_arrow() -> None:
    """Two arrows between the same shapes are drawn as one, which would otherwise overlap."""
    assert arrows(routed(a=[way("b", "v"), way("b", None)], b=[])) == ["a->cond1", "cond1->b"]


def test_steps_that_may_end_the_pipeline_are_marked() -> None:
    """Steps without a next step, or with a return that ends, are marked; tests never are."""
    routes = routed(a=[way(None, "v"), way("b", None)], b=[way("c")], c=[])
    assert [shape.id for shape in picture_of(routes).shapes if shape.ends] == ["a", "c"]


def test_returns_have_colours_of_their_own() -> None:
    """Tests of the same return share a colour; other returns have other colours."""
    one = [way("a", "v", 1), way("a", "w", 1), way("a", None, 1), way("a", "v", 2)]
    colours = [shape.colour for shape in picture_of(routed(a=one)).shapes if shape.colour]
    assert len(colours) == 4
    assert len(set(colours[:3])) == 1
    assert colours[3] != colours[0]


def test_steps_may_have_any_name() -> None:
    """A step named like a box of a test keeps its name, and a step that does not exist is drawn."""
    routes = routed(cond1=[way("nowhere", "v"), way("cond1", None)])
    assert [shape.id for shape in picture_of(routes).shapes] == ["cond1", "nowhere", "cond2"]


def test_the_top_node_comes_first() -> None:
    """Graphviz draws the first node of a circle at the top."""
    routes = routed(a=[way("b")], b=[way("a")])
    picture = picture_of(routes, "b")
    assert picture.shapes == (Shape("b", "b", "step"), Shape("a", "a", "step"))
    assert picture.arrows == (Arrow("b", "a"), Arrow("a", "b"))


def test_labels_are_written_so_that_they_are_read() -> None:
    """Quotes, brackets and newlines in a test stay inside its label."""
    test = model.Test(1, 'f("a\\n")[0] <\n `b`;' + "+ c" * 40, "v")
    routes = routed(a=[Transition("a", Place("f.py", 1), test)])
    (label,) = labels(routes)
    assert label.startswith('f("a\\n")[0] < `b`;+ c')
    assert label.endswith("… = 'v' ?")
    assert 'label="f(\\"a\\\\n\\")[0] < `b`;' in routes_to_dot(of_routes(routes))
    assert '{"f(#34;a#92;n#34;)[0] #60; #96;b#96;#59;+ c' in routes_to_mermaid(of_routes(routes))


def test_mermaid_has_the_same_content() -> None:
    """In Mermaid's language steps are boxes, tests diamonds and defaults dotted arrows."""
    assert routes_to_mermaid(of_routes(orchwipy_tea.pipe.routes)) == (
        "flowchart TD\n"
        '  n0["start"]\n'
        '  n1["tea"]\n'
        '  n2["coffee"]\n'
        '  n3["drink"]\n'
        "  n4{\"choice = 'c' ?\"}\n"
        "  n0 --> n4\n"
        "  n1 --> n2\n"
        "  n2 --> n3\n"
        "  n4 --> n2\n"
        "  n4 -.-> n1\n"
        "  style n4 fill:#a0e5e5,stroke:#a0e5e5,color:#1b2a41\n"
    )
