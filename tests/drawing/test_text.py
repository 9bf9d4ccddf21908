"""Graphs as text."""

from __future__ import annotations

from typing import Any

from lokki_tf import Pipeline, step


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
    """Solid arrows carry data, dotted ones order, and a map is a box."""
    rows = load()
    late = done(1)
    late.after(rows)
    text = Pipeline("p", steps=[rows.map(work).agg(done), late]).to_mermaid()
    assert text == (
        "flowchart TD\n"
        '  n0["load"]\n'
        '  n1["done"]\n'
        '  subgraph work_map["work_map: for each item"]\n'
        '    n2["work"]\n'
        "  end\n"
        '  n3["done_2"]\n'
        "  n0 -.-> n1\n"
        "  n0 --> n2\n"
        "  n2 --> n3\n"
    )


def test_dot_is_what_graphviz_reads() -> None:
    """Nodes, clusters and dashed edges, quoted."""
    rows = load()
    late = done(rows.map(work))
    late.after(done(1))
    text = Pipeline("a-b", steps=[late]).to_dot()
    assert text.startswith('digraph "a-b" {\n')
    assert 'subgraph "cluster_work_map" {' in text
    assert '"work" -> "done"' in text
    assert '"done_2" -> "done" [style=dashed];' in text
