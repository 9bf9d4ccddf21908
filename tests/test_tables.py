"""Tables of executions in the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from lokki_tf import Pipeline, step
from lokki_tf.cli.tables import steps_table
from lokki_tf.model import Graph
from lokki_tf.operate.states import StepState


@step
def load() -> int:
    return 1


@step
def fetch(value: int, number: int) -> int:
    return value


@step
def total(*values: int) -> int:
    return sum(values)


def written(states: list[StepState], graph: Graph) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=100)
    console.print(steps_table(states, graph))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [" ".join(line.split()).split(" ", 2) for line in lines[2:]]


def test_equal_steps_are_one_line() -> None:
    """300 equal calls are a line for each status; the first that failed have lines of their own."""
    rows = load()
    graph = Pipeline("p", steps=[total(*[fetch(rows, one) for one in range(300)])]).graph
    states = [StepState(name, "done", 0.5) for name in graph.by_name]
    for number in (7, 9, 11, 13, 15):
        states[number] = StepState(states[number].node, "failed", 1.0, 2, "ValueError: no")
    states[20].duration, states[21].retries, states[-1] = 3.0, 4, StepState("total")
    assert written(states, graph) == [
        ["load", "done", "0.5 s"],
        ["fetch", "×295", "done 0.5 s to 3.0 s 4"],
        ["fetch_7", "failed", "1.0 s 2 ValueError: no"],
        ["fetch_9", "failed", "1.0 s 2 ValueError: no"],
        ["fetch_11", "failed", "1.0 s 2 ValueError: no"],
        ["fetch", "×2", "failed 1.0 s 4 ValueError: no"],
        ["total", "not", "run"],
    ]


def test_visits_of_a_routed_pipeline_are_a_line_each() -> None:
    """Without a graph, the steps are listed as they are."""
    states = [StepState("a", "done", 0.5), StepState("a_2", "done", 0.5)]
    assert written(states, Graph(())) == [["a", "done", "0.5 s"], ["a_2", "done", "0.5 s"]]
