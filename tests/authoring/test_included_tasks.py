"""Pipelines between arrows, and in flows that are built step by step."""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import DAG, Flow, Parameter, Pipeline, Task, flow, start_pipeline, step, task, wait
from lokki_tf.errors import BindingError, CycleError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable


@step
def load(day: str) -> list[int]:
    return [len(day), 2]


@step
def clean(row: int, add: int = 0) -> int:
    return row + add


@step
def total(rows: Any) -> int:
    return sum(rows)


def monthly(day: str, add: int = 1) -> Any:
    return load(day).map(clean, add=add).agg(total)


def halves(rows: list) -> Any:  # type: ignore[type-arg]
    return total(rows), load("abc")


def new(function: Callable[..., Any], **options: Any) -> Any:
    """A flow that no arrows connect yet."""
    return flow(**options)(function)


def made(name: str, function: Callable[..., Any]) -> Task[..., Any]:
    return task(name=name)(function)


def day_of() -> str:
    return "abc"


def number() -> int:
    return 5


def same(value: Any) -> Any:
    return value


def nodes(pipeline: Any) -> dict[str, Any]:
    return {node.name: node for node in pipeline.graph.every()}


def test_arrows_lead_to_a_pipeline_and_from_it() -> None:
    """It receives results by position, and the task after it its result; a box has its nodes."""
    day, sub, last = made("day", day_of), new(monthly), made("last", same)
    assert (day >> sub) is sub
    sub >> last
    pipeline = DAG("arrows", tasks=[last])
    assert pipeline.run()["last"] == 3 + 1 + 2 + 1
    found = nodes(pipeline)
    assert {"monthly.load", "monthly.clean_map", "monthly.total"} < set(found)
    assert found["monthly.load"].step.name == "monthly-load"
    assert found["monthly.load"].box == ("monthly",)
    assert 'subgraph b0["monthly"]' in pipeline.to_mermaid()


def test_a_pipeline_receives_results_under_the_names_of_its_parameters() -> None:
    """Results named like parameters go there, whatever the order of the arrows; others follow."""
    add, day, sub, last = made("add", number), made("other", day_of), new(monthly), made("x", same)
    [add, day] >> sub >> last
    assert DAG("named", tasks=[last]).run()["x"] == 3 + 5 + 2 + 5


def test_all_nodes_of_a_pipeline_come_after_the_arrow() -> None:
    """Nodes that use no result wait for it as well, and what follows for all ends."""
    day, sub, last = made("rows", lambda: [1]), new(halves), made("last", day_of)
    day >> sub >> last
    found = nodes(DAG("order", tasks=[last]))
    assert found["halves.load"].after == ("rows",)
    assert found["halves.total"].after == ()
    assert set(found["last"].after) == {"halves.total", "halves.load"}


def test_several_results_arrive_as_a_tuple() -> None:
    """A pipeline with two ends passes both to the task after it, in arrows and in flows."""
    rows, sub, last = made("rows", lambda: [1, 2]), new(halves), made("last", same)
    rows >> sub >> last
    assert DAG("ends", tasks=[last]).run()["last"] == (3, [3, 2])
    after = made("after", lambda halves: halves)
    assert Flow("ends").add(rows).add(new(halves)).add(after).run()["after"] == (3, [3, 2])


def test_a_built_flow_passes_results_by_name() -> None:
    """A pipeline receives them as a task does; its own is named after it, with underscores."""
    sub = new(monthly, name="monthly-sum")
    last = made("last", lambda monthly_sum, add: (monthly_sum, add))
    pipeline = Flow("built").branch(made("day", day_of), made("add", number)).add(sub).add(last)
    assert pipeline.run()["last"] == (3 + 5 + 2 + 5, 5)
    assert "monthly-sum.load" in nodes(pipeline)


@pytest.mark.parametrize("style", ["arrows", "built"])
def test_required_parameters_of_a_first_pipeline_are_those_of_the_run(style: str) -> None:
    """As of a first task, with their types; optional ones keep their defaults."""
    sub, last = new(monthly), made("last", lambda monthly: monthly)
    sub >> last
    pipeline = Flow("first").add(sub).add(last) if style == "built" else DAG("first", tasks=[last])
    (parameter,) = pipeline.definition.parameters
    assert (parameter.name, parameter.kind) == ("day", str)
    assert pipeline.run(parameters={"day": "ab"})["last"] == 2 + 1 + 2 + 1
    with pytest.raises(BindingError, match="'day' must have a value"):
        pipeline.run()


def test_every_kind_of_pipeline_can_be_included() -> None:
    """Calls, arrows, built flows and flows follow each other, and contain each other."""
    calls = Pipeline("calls", steps=[load(Parameter("day", str))])
    rows = made("rows", same)
    inner = DAG("inner", tasks=[rows])
    outer = Flow("outer").add(inner)
    last = made("last", same)
    made("first", day_of) >> calls >> outer >> new(halves) >> last
    pipeline = DAG("all", tasks=[last])
    assert pipeline.run()["last"] == (5, [3, 2])
    assert nodes(pipeline)["outer.inner.rows"].box == ("outer", "inner")


def test_calls_of_a_flow_are_pipelines_of_their_own() -> None:
    """Each call of a flow with values can be used once, and numbers separate their nodes."""
    sub = new(monthly)
    one, other, last = sub(day="a"), sub(day="bc", add=2), made("last", lambda *given: given)
    [one, other] >> last
    pipeline = DAG("twice", tasks=[last])
    assert pipeline.run()["last"] == (1 + 1 + 2 + 1, 2 + 2 + 2 + 2)
    assert {"monthly.load", "monthly_2.load"} < set(nodes(pipeline))
    both = Flow("both").branch(one, other).add(made("last", lambda monthly, monthly_2: monthly_2))
    assert both.run()["last"] == 8


def test_waits_and_starts_are_between_pipelines() -> None:
    """A task after a wait receives the pipeline's result; a start comes after the pipeline."""
    day, sub, last = made("day", day_of), new(monthly), made("last", same)
    day >> sub >> wait(seconds=9) >> last
    assert DAG("waits", tasks=[last]).run(wait_scale=0)["last"] == 7
    alone = new(monthly)
    started = start_pipeline("after-monthly", {"day": day})
    day >> alone >> started >> (end := made("end", day_of))
    assert set(nodes(DAG("starts", tasks=[end]))["after-monthly"].after) == {"day", "monthly.total"}


def test_a_dag_of_variables_contains_pipelines_that_have_arrows() -> None:
    """Tasks of these pipelines are not in it a second time, although they are variables."""
    first, inside, other = made("first", day_of), made("inside", same), made("other", same)
    sub = DAG("sub", tasks=[inside])
    unused = new(halves)
    first >> sub
    whole = DAG("whole")
    assert set(nodes(whole)) == {"first", "other", "sub.inside"}
    assert unused.edges_in == {}
    assert other.name == "other"
    only = new(monthly)
    only >> (ahead := new(monthly))
    assert set(nodes(DAG("pair", tasks=[ahead]))) > {"monthly.load", "monthly_2.load"}


def test_a_changed_pipeline_changes_those_that_include_it() -> None:
    """What is added to an included flow later is in the pipeline as well."""
    sub = Flow("sub").add(made("first", day_of))
    pipeline = Flow("outer").add(sub)
    assert set(nodes(pipeline)) == {"sub.first"}
    sub.add(made("second", lambda first: first))
    assert set(nodes(pipeline)) == {"sub.first", "sub.second"}
    assert pipeline.definition is pipeline.definition


def _cleaned() -> Any:
    return Pipeline("cleaned", steps=[load("x")], cleanup=made("free", day_of))


def _limited() -> Any:
    return Pipeline("limited", steps=[load("x")], max_concurrent_runs=1)


def _limited_flow() -> Any:
    @flow(max_concurrent_runs=2, when_busy="skip")
    def limited(day: str) -> Any:
        return load(day)

    made("day", day_of) >> limited
    return DAG("outer", tasks=[limited])


def _limited_branch() -> Any:
    return Flow("outer").add(made("day", day_of)).branch(_limited(), made("other", same))


def _recursive() -> Any:
    first = Flow("first")
    second = DAG("second", tasks=[first])
    return first.add(second)


def _recursive_flow() -> Any:
    @flow
    def inner(day: str = "x") -> Any:
        return total(around(rows=load(day)))

    around = Flow("around").add(made("rows", same)).add(inner)
    return inner


def _too_many(sub: Any) -> Any:
    [made("one", number), made("two", number), made("three", number)] >> sub
    return DAG("many", tasks=[sub])


def _too_few(sub: Any) -> Any:
    @flow
    def needy(one: int, two: int) -> Any:
        return total([one, two])

    made("first", number) >> needy
    return DAG("few", tasks=[needy])


def _misspelt(sub: Any) -> Any:
    return Flow("misspelt").add(made("days", day_of)).add(sub)


def _twice(sub: Any) -> Any:
    return Flow("twice").add(sub).add(sub)


def _same_name(sub: Any) -> Any:
    return Flow("same").add(made("monthly", day_of)).add(sub(day="x"))


_LIMITED = "'limited' is a pipeline with max_concurrent_runs="
WRONG: list[tuple[Callable[[Any], Any], str, str]] = [
    (_too_many, "3 tasks lead to flow 'monthly'", "draw no arrow"),
    (_too_few, "parameter 'two' of flow 'needy' gets nothing", "draw an arrow"),
    (_misspelt, "parameter 'day' of flow 'monthly' is named like no task", "did you mean 'days'"),
    (_twice, "pipeline 'monthly' is used twice in the flow", "monthly\\(day=…\\)"),
    (_same_name, "two tasks are named 'monthly'", "@task\\(name="),
    (lambda _: Flow("outer").add(_cleaned()), "'cleaned' is a pipeline with cleanup=", "give"),
    (lambda _: Flow("outer").add(_limited()), _LIMITED, "start_pipeline\\('limited'\\)"),
    (lambda _: DAG("outer", tasks=[_limited() >> made("rows", same)]), _LIMITED, "start"),
    (lambda _: _limited_flow(), _LIMITED, "give max_concurrent_runs= to the other"),
    (lambda _: _limited_branch(), _LIMITED, "start"),
    (lambda _: _recursive(), "contain each other: first → second → first", "remove"),
    (lambda _: Flow("o").add(_recursive_flow()), "inner → around → inner", "remove"),
]


@pytest.mark.parametrize(("wrong", "message", "remedy"), WRONG)
def test_wrong_use_is_an_error(wrong: Any, message: str, remedy: str) -> None:
    """Missing and superfluous results, recursion, cleanup steps and limits of runs are refused."""
    with pytest.raises((BindingError, CycleError), match=message) as caught:
        _ = wrong(new(monthly)).definition
    assert __file__ in str(caught.value)
    with pytest.raises(DefinitionError, match=remedy):
        raise caught.value


def test_check_places_are_those_of_the_included_steps() -> None:
    """A finding about a step of an included pipeline has that step's file and line."""

    @step
    def bad(day: str, values: Any = print) -> str:
        return day

    @flow
    def faulty(day: str) -> Any:
        return bad(day, values=lambda: 1)

    made("day", day_of) >> faulty
    found = DAG("checked", tasks=[faulty]).check()
    assert [one.place.file for one in found if one.place is not None] == [__file__] * len(found)
    assert found


def run_cells(names: dict[str, Any], *texts: str) -> None:
    """Run cells as a kernel does."""
    for text in texts:
        filename = f"/tmp/ipykernel_1/{abs(hash(text))}.py"
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        exec(compile(text, filename, "exec"), names)


def test_a_flow_whose_cell_ran_again_replaces_the_first() -> None:
    """The arrows of the first one lead to the new one."""
    names: dict[str, Any] = {"In": [""], "DAG": DAG, "flow": flow, "step": step, "task": task}
    run_cells(
        names,
        "@step\ndef one(n: int) -> int:\n    return n + 1\n",
        "@task\ndef first() -> int:\n    return 1\n",
        "@task\ndef last(n: int) -> int:\n    return n\n",
        "@flow\ndef sub(n: int):\n    return one(n)\n",
        "first >> sub >> last\ndag = DAG('dag')\n",
    )
    assert names["dag"].run()["last"] == 2
    run_cells(names, "@flow\ndef sub(n: int):\n    return one(one(n))\n")
    assert names["dag"].run()["last"] == 3
