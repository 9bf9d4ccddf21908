"""Definitions and runs for tests of pictures, and checks that hold for every picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from lokki_tf.drawing.characters import CHARACTER, columns
from lokki_tf.errors import Place
from lokki_tf.model import (
    Binding,
    Definition,
    Graph,
    Literal,
    Map,
    MapOptions,
    Node,
    Outcome,
    Output,
    RetryConfig,
    Route,
    Routes,
    Step,
    StepOptions,
    Test,
    Transition,
)

SVG = "{http://www.w3.org/2000/svg}"
PLACE = Place("pipeline.py", 1)
AWKWARD = (
    'a"b', "<script>", "a&b", "&lt;", "#quot;", "#35;", "[x]", "back\\slash", "end\\", "\\N", "\\n",
    "`md`", "**bold**", "__init__", "1. one", "- one", "%% c", "end", "style: #a;", "$$x$$", "n0",
    "m0", "é😀 世界", "www.example.com", "fa:fa-car", "a\nb", "  two", "subgraph", "\x00", "\ud800",
)  # fmt: skip


def node(name: str, inputs: Sequence[str] = (), after: Sequence[str] = ()) -> Node:
    step = Step("step", lambda: None, StepOptions(), PLACE)
    return Node(name, step, tuple(map(Output, inputs)), (), tuple(after), RetryConfig(), PLACE)


def mapped(name: str, *body: Node | Map, items: Binding | None = None) -> Map:
    return Map(name, items or Literal([1]), Graph(body), (), MapOptions(), (), PLACE)


def way(target: str | None, value: str | bool | None = "", line: int = 1) -> Transition:
    """Make a transition; one with a value, or ``None``, depends on ``x``."""
    test = None if value == "" else Test(line, "x", value)
    return Transition(target, Place("f.py", line), test)


def routed(**steps: list[Transition]) -> Routes:
    """Make a routed pipeline of these steps."""
    routes = [
        Route(Step(name, lambda: None, StepOptions(), Place("f.py", 1)), tuple(ways))
        for name, ways in steps.items()
    ]
    return Routes(next(iter(steps)), tuple(routes))


def of_routes(routes: Routes, name: str = "p") -> Definition:
    """Make the definition of a routed pipeline."""
    return Definition(name, Graph(()), routes=routes)


def definition(*nodes: Node | Map, name: str = "daily") -> Definition:
    return Definition(name, Graph(nodes))


names = st.one_of(
    st.sampled_from(AWKWARD), st.text(min_size=1, max_size=60), st.from_regex(r"[a-z_]{1,12}")
)
_times = st.floats(0, 1e5) | st.floats(0, 2) | st.just(0.0)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Definition, dict[str, Outcome], float]:
    """Draw a graph, the outcomes of its nodes, and the run's duration."""
    nodes: list[Node | Map] = []
    outcomes: dict[str, Outcome] = {}
    for name in draw(st.lists(names, min_size=1, max_size=12, unique=True)):
        before = draw(st.lists(st.sampled_from([""] + [one.name for one in nodes]), max_size=3))
        inputs = [one for one in dict.fromkeys(before) if one]
        if draw(st.integers(0, 4)):
            nodes.append(node(name, inputs))
        else:
            items = Output(inputs[0]) if inputs else None
            nodes.append(mapped(name, node(f"in {name}"), items=items))
        if draw(st.integers(0, 9)):
            outcomes[name] = draw(_outcome())
    return definition(*nodes, name=draw(names)), outcomes, draw(_times)


@st.composite
def _outcome(draw: st.DrawFn) -> Outcome:
    status = draw(st.sampled_from(["done", "cached", "skipped", "failed", "interrupted"]))
    start, seconds = draw(_times), draw(_times)
    if status in ("cached", "skipped") and draw(st.booleans()):
        return Outcome(status)
    end = None if status == "interrupted" else start + seconds
    return Outcome(status, start, end, draw(st.integers(1, 4)))


@st.composite
def any_routes(draw: st.DrawFn) -> Routes:
    """Draw steps with transitions to any step, to themselves and to missing ones included."""
    steps = draw(st.lists(names, min_size=1, max_size=12, unique=True))
    targets = st.sampled_from([*steps, None]) | names
    values = st.sampled_from(["", "", "v", "w", True, None])
    ways = st.lists(st.builds(way, targets, values, st.integers(1, 2)), max_size=4)
    return routed(**{name: draw(ways) for name in steps})


def parsed(picture: str) -> ET.Element:
    """Parse a picture and check that it has no foreign elements, and no text outside."""
    root = ET.fromstring(picture)
    width, height = (float(root.attrib[key]) for key in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    kinds = {one.tag.removeprefix(SVG) for one in root.iter()}
    assert kinds <= {"svg", "g", "title", "desc", "text", "rect", "path"}
    # Nothing that a strict content security policy refuses, and no ids, which pages could share.
    refused = ("href", "style", "class", "id")
    assert not any(word in refused for one in root.iter() for word in one.attrib)
    assert root.get("role") == "img"
    assert [one.tag.removeprefix(SVG) for one in root[:2]] == ["title", "desc"][: len(root)]
    for text in root.iter(f"{SVG}text"):
        size = float(text.get("font-size", "12")) / 12
        wide = columns("".join(text.itertext())) * CHARACTER * size
        left = float(text.attrib["x"]) - (wide / 2 if text.get("text-anchor") else 0)
        assert left >= -0.1
        assert left + wide <= width + 0.1
        assert 10 <= float(text.attrib["y"]) <= height - 2
    return root


def texts(root: ET.Element) -> list[str]:
    """Return all texts of a picture."""
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


OUTCOMES: Mapping[str, Outcome] = {
    "load": Outcome("done", 0.0, 1.2),
    "rates": Outcome("cached", 0.0, 0.0),
    "score": Outcome("failed", 1.2, 1.6, 3),
    "mail": Outcome("skipped", 1.6, 1.6),
}
DAILY = definition(
    node("load"),
    node("rates"),
    node("score", ["load", "rates"]),
    node("mail", after=["score"]),
    mapped("each", node("inner"), items=Output("score")),
)
"""A run's outcomes; ``each`` has none, because it has not run."""
