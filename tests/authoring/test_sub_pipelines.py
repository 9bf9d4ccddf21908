"""Pipelines that are called in other pipelines: their nodes, parameters and results."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lokki_tf import DAG, Flow, Parameter, Pipeline, flow, step, task, wait
from lokki_tf.errors import BindingError, CycleError
from lokki_tf.model import Map, Node, Wait


@step
def load(day: str) -> list[int]:
    return [len(day), 2]


@step
def clean(row: int, add: int = 0) -> int:
    return row + add


@step
def total(rows: Any) -> int:
    return sum(rows)


@step
def report(*values: Any) -> Any:
    return list(values)


@flow
def monthly(day: str, add: int = 1) -> Any:
    """A sub-pipeline with a map."""
    return load(day).map(clean, add=add).agg(total)


@flow
def halves(day: str = "abcd") -> Any:
    """A sub-pipeline with two results."""
    rows = load(day)
    return rows, total(rows)


@task()
def single(n: int) -> int:
    return n


@task()
def double(single: int) -> int:
    return 2 * single


single >> double
CALLS = Pipeline("calls", steps=[total(load(Parameter("day", str, default="abc")))])
ARROWS = DAG("arrows", tasks=[double])
BUILT = Flow("built").add(single).add(double)


def nodes(pipeline: Any) -> dict[str, Any]:
    return {node.name: node for node in pipeline.graph.every()}


def test_a_called_flow_is_included_under_its_name() -> None:
    """Nodes, maps and steps of a called flow begin with its name; a second call has a number."""

    @flow
    def parent(day: str = "abc") -> Any:
        return report(monthly(day), monthly("x", add=2))

    found = nodes(parent)
    assert set(found) == {
        *("monthly.load", "monthly.clean_map", "monthly.clean", "monthly.total"),
        *("monthly_2.load", "monthly_2.clean_map", "monthly_2.clean", "monthly_2.total"),
        "report",
    }
    assert found["monthly.load"].step.name == "monthly-load"
    assert found["monthly.load"].step is found["monthly_2.load"].step
    assert found["monthly.load"].box == ("monthly",)
    assert parent.local_run({"day": "abcd"}).result == [4 + 1 + 2 + 1, 1 + 2 + 2 + 2]


def test_every_style_can_be_included() -> None:
    """Calls, arrows, built flows and flows are included in calls, with values or results."""
    steps = [report(CALLS(), CALLS(day="z"), ARROWS(total([3])), BUILT(n=4), monthly("ab"))]
    pipeline = Pipeline("parent", steps=steps)
    assert pipeline.local_run().result == [5, 3, 6, 8, 6]
    assert {name.partition(".")[0] for name in nodes(pipeline) if "." in name} == {
        *("calls", "calls_2", "arrows", "built", "monthly")
    }


def test_sub_pipelines_are_links_of_chains() -> None:
    """``.next``, ``.map`` and ``.agg`` take a pipeline, which receives its first parameter."""

    @flow
    def summed(rows: list) -> Any:  # type: ignore[type-arg]
        return total(rows)

    @step
    def days() -> list[str]:
        return ["a", "bb"]

    pipeline = Pipeline("chain", steps=[days().map(monthly, add=3).agg(summed).next(report)])
    assert pipeline.local_run().result == [1 + 2 + 6 + 2 + 2 + 6]
    (mapped,) = (node for node in pipeline.graph.nodes if isinstance(node, Map))
    assert mapped.name == "monthly_map"
    assert [node.name for node in mapped.body.nodes] == [
        *("monthly.load", "monthly.clean_map", "monthly.total")
    ]


def test_sub_pipelines_are_nested() -> None:
    """A sub-pipeline of a sub-pipeline has both names."""

    @flow
    def inner(day: str) -> Any:
        return total(load(day))

    @flow
    def middle(day: str) -> Any:
        return report(inner(day), inner("q"))

    @flow
    def outer() -> Any:
        return report(middle("abc"))

    assert [one for one in nodes(outer) if one.endswith("load")] == [
        *("middle.inner.load", "middle.inner_2.load")
    ]
    assert nodes(outer)["middle.inner.load"].step.name == "middle-inner-load"
    assert outer.local_run().result == [[5, 3]]


def test_several_results_are_a_tuple() -> None:
    """A sub-pipeline with several results returns them in their order."""

    @flow
    def parent() -> Any:
        rows, sums = halves("ab")
        return report(sums, rows)

    assert parent.local_run().result == [4, [2, 2]]


def test_a_called_flow_outside_of_flows_stands_for_its_result() -> None:
    """With plain arguments it is a flow still, and its result as an argument; with results, too."""
    called = monthly("abc")
    assert called.local_run().result == 3 + 1 + 2 + 1
    shared = Pipeline("shared", steps=[report(called, [called]), monthly(load("x"))])
    assert shared.local_run().outputs["report"] == [7, [7]]
    assert len([name for name in nodes(shared) if name.endswith("monthly.load")]) == 1
    assert Pipeline("ends", steps=[monthly("abc"), halves()]).local_run().outputs == {
        "monthly.load": [3, 2],
        "monthly.clean_map": [4, 3],
        "monthly.total": 7,
        "halves.load": [4, 2],
        "halves.total": 6,
    }


def test_a_called_flow_outside_of_flows_has_the_methods_of_chains() -> None:
    """With plain values as well as with results; the flow itself has none."""

    @step
    def double(number: int) -> int:
        return 2 * number

    @flow
    def doubled(number: int = 1) -> Any:
        return double(number)

    waited = Pipeline("waited", steps=[doubled(number=3).wait(seconds=0).next(double)])
    assert waited.local_run().result == 12
    after = double(5)
    assert Pipeline("after", steps=[doubled(number=3).after(after)]).graph.nodes[1].after
    with pytest.raises(AttributeError, match="has no attribute 'wait'"):
        _ = doubled.wait


def test_parameters_may_be_parts_and_have_parts() -> None:
    """A parameter receives a part of a result, and a part of a parameter is selected."""

    @flow
    def inner(options: dict) -> Any:  # type: ignore[type-arg]
        return report(options["day"], options["rows"][0])

    @step
    def options() -> dict[str, Any]:
        return {"deep": {"day": "mon", "rows": [7]}}

    given = [inner({"day": "tue", "rows": [total([1])]}), inner(options()["deep"])]
    assert Pipeline("parts", steps=[report(*given)]).local_run().result == [["tue", 1], ["mon", 7]]
    with pytest.raises(BindingError, match=r"no part \['rows'\]\[0\]"):
        inner({"day": total([1])})


def test_values_of_parameters_are_checked() -> None:
    """Missing, unknown, repeated and wrong values are errors at the call, with the signature."""
    wrong: list[tuple[Any, str]] = [
        (lambda: CALLS(night=1), "has no parameter 'night'"),
        (lambda: ARROWS(), "requires 'n'"),
        (lambda: ARROWS(1, 2), "takes 1 arguments, got 2"),
        (lambda: ARROWS(n="x"), "requires int for n, got 'x'"),
        (lambda: load("x").next(monthly, day=load("x")), "receives 'day' twice"),
        (lambda: load("x").next(monthly, 1, 2), "takes 2 arguments, got 3"),
    ]
    for call, message in wrong:
        with pytest.raises(BindingError, match=message) as caught:
            call()
        assert caught.value.place is not None
        assert caught.value.place.file == __file__
        assert "its signature is" in str(caught.value)


def test_recursion_is_an_error() -> None:
    """A flow that contains itself, directly or by another one, is an error with the cycle."""

    @flow
    def first(n: int = 1) -> Any:
        return second(n)

    @flow
    def second(n: int = 1) -> Any:
        return report(first(n))

    with pytest.raises(CycleError, match="first → second → first") as caught:
        _ = first.definition
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


def test_a_sub_pipeline_waits_as_a_whole() -> None:
    """``after`` lets the first nodes of a sub-pipeline wait, and a chain without data, too."""
    first = load("x")
    included = CALLS().after(first)
    found = nodes(Pipeline("after", steps=[included]))
    assert found["calls.load"].after == ("load",)
    assert found["calls.total"].after == ()

    @flow
    def alone() -> Any:
        return total(load("y"))

    found = nodes(Pipeline("next", steps=[load("x").next(alone)]))
    assert found["alone.load"].after == ("load",)


def test_a_sub_pipeline_with_maps_or_others_inside_waits_as_a_whole() -> None:
    """``after`` applies to its first nodes outside of maps, those of an inner pipeline included."""

    @flow
    def around(day: str) -> Any:
        return monthly("abc", add=total(load(day)))

    found = nodes(Pipeline("after", steps=[around("ab").after(load("x"))]))
    waiting = {name for name, node in found.items() if "load" in node.after}
    assert waiting == {"around.load", "around.monthly.load"}


def test_waits_are_included() -> None:
    """A wait of a sub-pipeline is included, until a time that a parameter has."""

    @flow
    def late(time: Any, day: str = "a") -> Any:
        return total(load(day).after(wait(until=time)))

    @step
    def when() -> str:
        return "2030-01-01T00:00:00Z"

    found = nodes(Pipeline("until", steps=[late(when())]))
    assert isinstance(found["late.wait"], Wait)
    assert isinstance(found["late.load"], Node)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = nodes(Pipeline("until", steps=[late(tomorrow, day=Parameter("day", str))]))
    assert found["late.wait"].until.value.startswith(f"{tomorrow:%Y-%m-%dT%H:}")


def test_pictures_have_boxes() -> None:
    """SVG, Mermaid and Graphviz draw a box around the nodes of a sub-pipeline."""
    pipeline = Pipeline("pictures", steps=[report(monthly("abc"), CALLS())])
    assert 'subgraph b0["calls"]' in pipeline.to_mermaid()
    assert 'label="calls";' in pipeline.to_dot()
    run = pipeline.local_run()
    assert str(pipeline.to_svg(run)).count(">monthly</text>") == 1
    assert str(pipeline.to_svg()).count(">monthly.clean</text>") == 1


def test_a_map_of_an_included_pipeline_cannot_be_in_a_batch() -> None:
    """As a map written in the chain, it is refused, with the place of the outer map."""

    @step
    def numbers(count: int = 2) -> list[int]:
        return list(range(count))

    @step
    def same(number: int) -> int:
        return number

    @flow
    def inner(number: int) -> Any:
        return numbers(number).map(same).agg(numbers_of)

    @step
    def numbers_of(found: list[int]) -> list[int]:
        return found

    with pytest.raises(BindingError, match="a map inside a map with batch_size") as caught:
        Pipeline("outer", steps=[numbers().map(inner, batch_size=2)])
    assert "remove batch_size from the outer map" in str(caught.value.remedy)
