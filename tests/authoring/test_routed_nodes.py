"""Routed pipelines as nodes of graphs: names, arguments, and errors with their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import DAG, Flow, MicroFunctions, Parameter, Pipeline, ReturnUpdates, flow, step, task
from lokki_tf.errors import BindingError, CycleError, LokkiError, OptionError
from lokki_tf.model import Node

if TYPE_CHECKING:
    from collections.abc import Callable


@step
def load(day: str = "x") -> list[int]:
    return [len(day)]


@step
def total(rows: Any) -> int:
    return len(rows)


@task
def first(day: str) -> list[int]:
    return [len(day)]


def counting(name: str = "counting", **options: Any) -> MicroFunctions:
    """A routed pipeline with a loop."""
    pipe = MicroFunctions("count", name=name, **options)

    @pipe.fn()
    def count(rows: Any, most: int = 3) -> ReturnUpdates:
        return ReturnUpdates("again" if len(rows) < most else "end")

    @pipe.fn()
    def again(rows: Any, most: int = 3) -> ReturnUpdates:
        return ReturnUpdates("count", rows=[*rows, 0])

    @pipe.fn(terminates=True)
    def end(rows: Any, most: int = 3) -> dict[str, Any]:
        return {"rows": rows}

    return pipe


COUNTING = counting()


def test_names_of_states_and_functions() -> None:
    """Nodes have numbers, and share the functions of their steps."""

    @flow
    def twice():
        return total([COUNTING(rows=load()), COUNTING(rows=[1], most=2)])

    assert [node.name for node in twice.graph.nodes] == ["load", "counting", "counting_2", "total"]
    found = [one.name for one in twice.definition.steps]
    assert found == ["load", "counting-count", "counting-again", "counting-end", "total"]
    (one, other) = twice.graph.routed
    assert [*one.visits] == ["counting.count", "counting.again", "counting.end"]
    assert [*other.visits] == ["counting_2.count", "counting_2.again", "counting_2.end"]


def test_defaults_are_those_of_the_first_step() -> None:
    """An argument that is left out is not in the state."""
    (one,) = Pipeline("calls", steps=[COUNTING(rows=load())]).graph.routed
    assert [name for name, _ in one.kwargs] == ["rows"]


def test_an_included_graph_takes_it_along() -> None:
    """Names begin with those of all pipelines around it."""

    @flow
    def inner(day: str):
        return load(day).next(COUNTING)

    @flow
    def outer():
        return total(inner("a"))

    assert [one.name for one in outer.graph.nodes] == ["inner.load", "inner.counting", "total"]
    found = [one.name for one in outer.definition.steps]
    assert found[1:4] == ["inner-counting-count", "inner-counting-again", "inner-counting-end"]


def test_parameters_of_a_pipeline_that_begins_with_it() -> None:
    """In every style, its required parameters may be those of the run."""
    calls = Pipeline("calls", steps=[COUNTING(rows=Parameter("rows", list))])
    built = Flow("built").add(COUNTING)
    drawn = DAG("drawn", tasks=[counting("drawn-one") >> after])
    for pipe in (calls, built, drawn):
        assert [one.name for one in pipe.definition.parameters] == ["rows"]
        assert pipe.local_run({"rows": [1, 2]}).result == {"rows": [1, 2, 0]}


@task
def after(rows: Any) -> Any:
    return rows


def with_graph() -> MicroFunctions:
    @flow
    def graph(rows: Any):
        return total(rows)

    pipe = MicroFunctions("graph", name="with-graph")
    pipe.include(graph)
    return pipe


def with_start() -> MicroFunctions:
    pipe = MicroFunctions("prices", name="with-start")
    pipe.start_pipeline("prices", ["rows"])
    return pipe


def in_a_circle() -> None:
    pipe = counting("circle")

    @flow
    def around(rows: Any):
        return pipe(rows=rows)

    pipe.include(around)


def with_limit(pipe: MicroFunctions) -> Any:
    return [one for one in Pipeline("x", steps=[pipe(rows=[1])]).check() if "limit" in one.rule]


@step
def done() -> None: ...


WRONG: list[tuple[Callable[[], Any], type[LokkiError], str]] = [
    (lambda: COUNTING(), BindingError, "pipeline 'counting' requires 'rows'"),
    (lambda: COUNTING(rows=1, many=2), BindingError, "has no parameter 'many'"),
    (lambda: COUNTING(rows=1, most="x"), BindingError, "requires int for most, got 'x'"),
    (lambda: COUNTING(rows=1, catch=3), OptionError, "catch"),
    (lambda: COUNTING(rows=1, retry=3), BindingError, "has no parameter 'retry'"),
    (lambda: load().next(with_graph()), BindingError, "that includes another one, 'graph'"),
    (lambda: load().next(with_start()), BindingError, "begins with start_pipeline"),
    (lambda: load().next(MicroFunctions("x", name="no")), BindingError, "begins with 'x'"),
    (lambda: load().next(counting(cleanup=done)), BindingError, "with cleanup="),
    (lambda: load().next(counting(max_concurrent_runs=1)), BindingError, "max_concurrent_runs="),
    (lambda: load().map(COUNTING, batch_size=2), OptionError, "is in a map with batch_size"),
    (in_a_circle, CycleError, "would contain itself"),
]


@pytest.mark.parametrize(("write", "error", "says"), WRONG)
def test_wrong_uses_are_errors(
    write: Callable[[], Any], error: type[LokkiError], says: str
) -> None:
    """Each error has a place in the user's code."""
    with pytest.raises(error, match=says) as caught:
        Pipeline("x", steps=[write()])
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


def test_its_time_limit_has_no_effect() -> None:
    """As for other included pipelines, that is a warning."""
    (found,) = Pipeline("x", steps=[counting(timeout_seconds=9)(rows=[1])]).check()
    assert found.rule == "unused-limit"


def test_its_routes_are_checked() -> None:
    """What is wrong on a path of it is an error of the pipeline around it."""
    pipe = MicroFunctions("start", name="wrong")

    @pipe.fn()
    def start(rows: Any) -> ReturnUpdates:
        return ReturnUpdates("nowhere")

    with pytest.raises(LokkiError, match="step 'start' leads to step 'nowhere'"):
        Pipeline("x", steps=[pipe(rows=[1])])


def test_an_express_map_cannot_wait_inside_of_it() -> None:
    """What an Express execution cannot contain is an error in a routed pipeline as well."""
    pipe = MicroFunctions("ask", name="asks")

    @pipe.fn(callback=True, terminates=True)
    def ask(rows: Any) -> ReturnUpdates:
        return ReturnUpdates(None)

    chain = load().map(pipe, execution_type="express")
    with pytest.raises(OptionError, match="callback=True in a map with"):
        Pipeline("x", steps=[chain])


def test_events_are_limited() -> None:
    """A loop that could exceed the events of an execution is an error of check."""
    pipe = counting("endless", max_steps=5_000)
    found = Pipeline("x", steps=[pipe(rows=[1])]).check()
    assert any("max_steps=5000 allows executions with more than" in one.message for one in found)


def test_a_node_has_one_routed_pipeline() -> None:
    """A call is one node, in which a run visits several steps."""
    assert [type(one) for one in Pipeline("x", steps=[COUNTING(rows=[1])]).graph.nodes] == [Node]
