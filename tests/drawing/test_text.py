"""Graphs in Graphviz's and Mermaid's languages, and as lists."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from pictures import (
    AWKWARD,
    DAILY,
    OUTCOMES,
    definition,
    mapped,
    names,
    node,
    routed,
    runs,
    way,
)

from lokki_tf import Pipeline, step
from lokki_tf.drawing import to_dot, to_listing, to_mermaid
from lokki_tf.drawing.characters import writable
from lokki_tf.drawing.status import LOOKS
from lokki_tf.model import Definition, Graph, Item, Literal, Outcome


@step
def load() -> list[int]:
    return [1]


@step
def work(item: int) -> int:
    return item


@step
def done(value: Any) -> Any:
    return value


def test_mermaid_shows_data_order_and_maps() -> None:
    """Solid arrows pass data, dotted ones only set the order, and a map is a box."""
    rows = load()
    late = done(1)
    late.after(rows)
    text = Pipeline("p", steps=[rows.map(work).agg(done), late]).to_mermaid()
    assert text == (
        "flowchart TD\n"
        '  n0["load"]\n'
        '  n1["done"]\n'
        '  subgraph m0["work_map: for each item"]\n'
        '    n2["work"]\n'
        "  end\n"
        '  n3["done_2"]\n'
        "  n0 -.-> n1\n"
        "  n0 --> n2\n"
        "  n2 --> n3\n"
    )


def test_dot_is_what_graphviz_reads() -> None:
    """The dot text has quoted nodes, clusters and dashed edges."""
    rows = load()
    late = done(rows.map(work))
    late.after(done(1))
    text = Pipeline("a-b", steps=[late]).to_dot()
    assert text.startswith('digraph "a-b" {\n')
    assert 'subgraph "cluster_work_map" {' in text
    assert '"work" -> "done"' in text
    assert '"done_2" -> "done" [style=dashed];' in text


def test_mermaid_shows_a_run() -> None:
    """Each node shows its outcome and has its status's class; a map does so in one line."""
    assert to_mermaid(DAILY, OUTCOMES) == (
        "flowchart TD\n"
        '  n0["load\\ndone · 1.2 s"]\n'
        '  n1["rates\\ncached"]\n'
        '  n2["score\\nfailed after 3 attempts · 0.4 s"]\n'
        '  n3["mail\\nskipped"]\n'
        '  subgraph m0["each: for each item · not run"]\n'
        '    n4["inner"]\n'
        "  end\n"
        "  n0 --> n2\n"
        "  n1 --> n2\n"
        "  n2 -.-> n3\n"
        "  n2 --> n4\n"
        "  classDef done fill:#e2f4ec,stroke:#17795b,color:#1b2a41\n"
        "  class n0 done\n"
        "  classDef cached fill:#e3eefc,stroke:#2f6fc4,color:#1b2a41\n"
        "  class n1 cached\n"
        "  classDef skipped fill:#e9ecf1,stroke:#667184,color:#1b2a41,stroke-dasharray:5 3\n"
        "  class n3 skipped\n"
        "  classDef failed fill:#fde6e3,stroke:#c0362c,color:#1b2a41\n"
        "  class n2 failed\n"
        "  classDef notrun fill:#eff1f4,stroke:#7a8596,color:#1b2a41,stroke-dasharray:5 3\n"
        "  class m0 notrun\n"
    )


def test_dot_shows_a_run() -> None:
    """Each node shows its outcome in its status's colours; a map's body stays plain."""
    assert to_dot(DAILY, OUTCOMES) == (
        'digraph "daily" {\n'
        "  rankdir=TB;\n"
        '  "load" [label="load\\ndone · 1.2 s", style="filled", fillcolor="#e2f4ec", '
        'color="#17795b", fontcolor="#1b2a41"];\n'
        '  "rates" [label="rates\\ncached", style="filled", fillcolor="#e3eefc", '
        'color="#2f6fc4", fontcolor="#1b2a41"];\n'
        '  "score" [label="score\\nfailed after 3 attempts · 0.4 s", style="filled", '
        'fillcolor="#fde6e3", color="#c0362c", fontcolor="#1b2a41"];\n'
        '  "mail" [label="mail\\nskipped", style="filled,dashed", fillcolor="#e9ecf1", '
        'color="#667184", fontcolor="#1b2a41"];\n'
        '  subgraph "cluster_each" {\n'
        '    label="each: for each item\\nnot run";\n'
        '    "inner";\n'
        '    style="filled,dashed";\n'
        '    fillcolor="#eff1f4";\n'
        '    color="#7a8596";\n'
        '    fontcolor="#1b2a41";\n'
        "  }\n"
        '  "load" -> "score";\n'
        '  "rates" -> "score";\n'
        '  "score" -> "mail" [style=dashed];\n'
        '  "score" -> "inner";\n'
        "}\n"
    )


@given(names)
def test_mermaid_takes_names_as_they_are(name: str) -> None:
    """A label contains words, and entities for characters that Mermaid could interpret."""
    both = definition(node(name), mapped(f"{name} map", node("inner")))
    found = re.search(r'^  n0\["(.*)"\]$', to_mermaid(both), re.MULTILINE)
    assert found is not None
    assert f'subgraph m0["{found[1]} map: for each item"]' in to_mermaid(both)
    assert not re.search(r'["<>&`*$\[\]{}()|:%\\\n]', found[1])
    assert not re.match(r"[ -]|\d+\. ", found[1])
    assert re.sub(r"#(\d+);", lambda one: chr(int(one[1])), found[1]) == writable(name)


@given(names)
def test_dot_takes_names_as_they_are(name: str) -> None:
    """A name with quotes and backslashes is one string, and "&" begins no entity in a label."""
    text = to_dot(definition(node(name)), {})
    found = re.fullmatch(
        r'digraph "daily" {\n  rankdir=TB;\n  ("(?:[^"\\]|\\["\\])*") '
        r'\[label="((?:[^"\\]|\\["\\])*)\\nnot run", [^\n]*\];\n}\n',
        text,
    )
    assert found is not None
    assert re.sub(r"\\(.)", r"\1", found[1][1:-1]) == writable(name)
    assert re.sub(r"\\(.)", r"\1", found[2]).replace("&amp;", "&") == writable(name)


def test_dot_labels_the_names_that_graphviz_would_not_show() -> None:
    """Most names are their own labels; an entity and a percent sign need an explicit label."""
    text = to_dot(definition(node("a"), node("&lt;"), node("%b")))
    assert '  "a";\n  "&lt;" [label="&amp;lt;"];\n  "%b" [label="%b"];\n' in text


def test_no_box_inherits_the_colour_around_it() -> None:
    """In dot a map's colours come after the maps inside, which would inherit them."""
    inner = mapped("inner", node("deep"), items=Item())
    text = to_dot(definition(mapped("outer", inner)), {"outer": Outcome("failed", 0.0, 1.0)})
    assert text.index("cluster_inner") < text.index("fillcolor")
    assert text.count("fillcolor") == 1


@given(runs())
def test_every_node_is_in_the_text_of_a_run(run: Any) -> None:
    """Each outer node has one class in Mermaid and one colour in dot, at any outcome."""
    drawn, outcomes, _ = run
    classed = re.findall(r"^  class (\S+) \w+$", to_mermaid(drawn, outcomes), re.MULTILINE)
    assert len(",".join(classed).split(",")) == len(drawn.graph.nodes)
    assert to_dot(drawn, outcomes).count("fillcolor=") == len(drawn.graph.nodes)


def test_statuses_differ_in_more_than_colour() -> None:
    """No two statuses look alike, and those of nodes that did not run are dashed."""
    assert len({(look.fill, look.line) for look in LOOKS.values()}) == len(LOOKS) == 7
    assert [status for status, look in LOOKS.items() if look.dashed] == ["skipped", "not run"]


def test_a_graph_is_listed() -> None:
    """Each node is listed with its predecessors and successors, in order."""
    diamond = definition(
        node("load"),
        node("left", ["load"]),
        node("right", ["load"]),
        node("join", ["left", "right"]),
        mapped("alone", node("inner"), items=Literal([1])),
        name="example",
    )
    assert to_listing(diamond, "DAG") == (
        "DAG: example\n"
        "========================================\n"
        "\nTask: load\n  Downstream: left, right\n"
        "\nTask: left\n  Upstream: load\n  Downstream: join\n"
        "\nTask: right\n  Upstream: load\n  Downstream: join\n"
        "\nTask: join\n  Upstream: left, right\n"
        "\nTask: alone\n  (isolated task)"
    )
    assert to_listing(definition()) == "Pipeline: daily\n" + "=" * 40


def test_awkward_names_are_listed_as_they_are() -> None:
    """Names in a list are not escaped."""
    text = to_listing(definition(*map(node, AWKWARD)))
    assert all(f"Task: {name}\n  (isolated task)" in text for name in AWKWARD)


def test_routed_pipelines_are_listed() -> None:
    """Each step is listed with its predecessors and successors, itself included."""
    routes = routed(a=[way("b", "v"), way("c", None), way("b")], b=[way("b"), way("gone")], c=[])
    assert to_listing(Definition("p", Graph(()), routes=routes), "Functions") == (
        "Functions: p\n" + "=" * 40 + "\n"
        "\nStep: a\n  Downstream: b, c\n"
        "\nStep: b\n  Upstream: a, b\n  Downstream: b, gone\n"
        "\nStep: c\n  Upstream: a"
    )
