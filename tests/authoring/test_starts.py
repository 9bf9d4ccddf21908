"""Wrong uses of ``start_pipeline()`` are errors with their place, as early as they can be known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import (
    DAG,
    Parameter,
    Pipeline,
    PipelineFailed,
    flow,
    start_pipeline,
    step,
    task,
    wait,
)
from lokki_tf.errors import BindingError, LokkiError, PlaceholderError

if TYPE_CHECKING:
    from collections.abc import Callable

ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:prices"


@step
def value(one: Any = 1) -> Any:
    return one


@step
def days() -> list[str]:
    return ["a"]


@task
def drawn(one: Any) -> Any:
    return one


@flow
def child(day: str = "monday"):
    return value(day)


@flow
def requires(day: str):
    return value(day)


@flow
def broken() -> Any:
    return 5


@flow
def each(day: str):
    return start_pipeline("child", {"day": day})


def whole(*calls: Any) -> Pipeline:
    return Pipeline("whole", steps=[*calls])


FIRST = Pipeline("first", steps=[start_pipeline("second")])

WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: start_pipeline(""), "requires the name of a deployed pipeline"),
    (lambda: start_pipeline("a b"), "got 'a b'"),
    (lambda: start_pipeline("ü"), "got 'ü'"),
    (lambda: start_pipeline("a" * 81), "or the ARN of its state machine"),
    (lambda: start_pipeline(f"{ARN}:1"), "or the ARN of its state machine"),
    (lambda: start_pipeline(ARN.replace("stateMachine", "execution")), "or the ARN of its"),
    (lambda: start_pipeline(ARN.replace("prices", "größe")), "or the ARN of its"),
    (lambda: start_pipeline(child), "pass its name; to include its steps in this pipeline, call"),
    (lambda: start_pipeline(None), "got None"),
    (lambda: start_pipeline("child", ["day"]), "requires parameters as a dict by name"),
    (lambda: start_pipeline("child", {1: 2}), "requires parameters as a dict by name"),
    (lambda: start_pipeline("child", trust=1), "trust must be True or False"),
    (lambda: start_pipeline("child", name=5), r"start_pipeline\(name=5\)"),
    (lambda: start_pipeline("child", name=""), r"start_pipeline\(name=''\)"),
    (lambda: start_pipeline("child", name="a b"), "use letters A to Z"),
    (lambda: start_pipeline("child", retry="x"), "retry must be a RetryConfig"),
    (lambda: start_pipeline("child", catch=5), "catch must be classes of errors"),
    (lambda: start_pipeline("child", catch="PipelineFailed"), "pass the class itself"),
    (lambda: whole(start_pipeline("child", {"dya": "x"})), "has no parameter 'dya'"),
    (lambda: whole(start_pipeline("child", {"lokki": {}})), "has no parameter 'lokki'"),
    (lambda: whole(start_pipeline("requires")), "requires 'day'"),
    (lambda: whole(start_pipeline("child", {"day": 5})), "requires str for day, got 5"),
    (lambda: whole(start_pipeline("other", {"day": {1}})), "parameter 'day' of pipeline 'other'"),
    (lambda: whole(start_pipeline("other", {"day": "x" * 128_000})), "allows 128,000"),
    (lambda: whole(start_pipeline("whole")), "pipeline 'whole' starts itself"),
    (lambda: Pipeline("second", steps=[start_pipeline("first")]), "itself, by way of 'first'"),
    (lambda: whole(start_pipeline("broken")), "flow 'broken' returns something"),
    (lambda: whole(days().map(each, batch_size=2)), "is started in a map with batch_size"),
    (lambda: whole(start_pipeline("child", trust=True).map(value)), "a map runs over the result"),
    (lambda: whole(value().after(wait(until=start_pipeline("child")))), "another pipeline"),
    (lambda: whole(start_pipeline("child", {"day": value})), "'value' is passed without being"),
    (lambda: whole(start_pipeline("child", {"day": child})), "is a pipeline, which cannot be used"),
    (lambda: whole(start_pipeline("child", {"day": drawn})), "'drawn' is a parameter of start_"),
    (lambda: whole(days().map(start_pipeline("child"))), "a chain requires steps"),
    (lambda: whole(start_pipeline("nowhere")).local_run(), "no pipeline of this process has that"),
    (lambda: whole(start_pipeline("chil")).local_run(), "did you mean 'child'"),
]


@pytest.mark.parametrize(("wrong", "says"), WRONG, ids=[says[:40] for _, says in WRONG])
def test_wrong_uses_are_errors_with_their_place(wrong: Callable[[], Any], says: str) -> None:
    """The message says what is wrong, where, and what to do."""
    with pytest.raises(LokkiError, match=says) as caught:
        wrong()
    assert re.search(r"at .*test_starts.py:\d+", str(caught.value))


def test_a_result_exists_in_runs_only() -> None:
    """A start is a placeholder, as a call of a step is."""
    start = start_pipeline("child")
    for use in (bool, list, str, lambda one: one == 1, lambda one: one()):
        with pytest.raises(PlaceholderError, match="exists only when the pipeline runs"):
            use(start)


def test_what_another_process_deploys_is_not_checked() -> None:
    """Of a pipeline that is not here, names and types of parameters are unknown."""
    pipeline = whole(start_pipeline("elsewhere", {"any": 1}), start_pipeline(ARN, {"thing": 2}))
    assert pipeline.check() == []


def test_findings_of_a_started_pipeline_are_findings() -> None:
    """``check`` returns the errors of a started pipeline's definition, and raises none."""

    @flow
    def parent():
        return start_pipeline("broken")

    (finding,) = parent.check()
    assert "flow 'broken' returns something that is not a chain" in finding.message


def test_the_pipeline_that_was_made_last_is_started() -> None:
    """A pipeline that is made again, as in a cell, replaces the earlier one of its name."""
    first = Pipeline("again", steps=[value(1)])
    parent = whole(start_pipeline("again"))
    assert parent.local_run().result == 1
    second = Pipeline("again", steps=[value(2)])
    assert parent.local_run().result == 2
    assert first.name == second.name


def test_names_of_nodes() -> None:
    """A node has the pipeline's name or its own; repeated names are numbered."""
    pipeline = whole(
        start_pipeline("child"),
        start_pipeline("child", trust=False),
        start_pipeline("child", name="own", catch=PipelineFailed),
        start_pipeline("value"),
        value(),
        start_pipeline(ARN, {"day": Parameter("day", str)}),
    )
    names = [one.name for one in pipeline.graph.nodes]
    assert names == ["child", "child_2", "own", "value", "value_2", "prices"]


def test_arrows_lead_to_and_from_a_start() -> None:
    """A start between arrows follows what leads to it; a task as its parameter leads to it too."""
    start = start_pipeline("child", {"day": first_task})
    first_task >> start >> drawn
    graph = DAG("dag", tasks=[drawn]).graph
    assert [one.name for one in graph.nodes] == ["first_task", "child", "drawn"]
    assert list(graph.by_name["drawn"].predecessors) == ["child"]
    assert list(graph.by_name["child"].predecessors) == ["first_task"]


@task
def first_task() -> str:
    return "x"


def test_of_several_pipelines_with_a_name_that_of_the_same_file_is_started() -> None:
    """Modules that are imported together may have the same names; a fault says which is meant."""
    made: dict[str, Any] = {"Pipeline": Pipeline, "value": value, "Parameter": Parameter}
    text = "twice = Pipeline('twice', steps=[value(Parameter('n', int))])"
    exec(compile(text, __file__.replace("test_starts", "elsewhere"), "exec"), made)
    with pytest.raises(BindingError, match="requires 'n'") as caught:
        whole(start_pipeline("twice"))
    assert re.search(r"at .*elsewhere.py:1", str(caught.value.remedy))
    twice = Pipeline("twice", steps=[value(2)])
    exec(compile(text, __file__.replace("test_starts", "elsewhere"), "exec"), made)
    parent = whole(start_pipeline("twice"))
    assert parent.started_pipelines == [twice]
    assert parent.local_run().result == 2


def test_a_call_of_a_flow_in_another_pipeline_is_not_started() -> None:
    """It has the name of its flow and other defaults, and is not deployed by itself."""

    @flow
    def used(number: int):
        return value(number)

    around = [Pipeline("around", steps=[value(used(1))]), DAG("dag", tasks=[used(2)])]
    with pytest.raises(BindingError, match="requires 'number'"):
        whole(start_pipeline("used"))
    assert [one.local_run().result for one in around] == [1, 2]
    deployed = used(3)
    assert whole(start_pipeline("used")).started_pipelines == [deployed]
