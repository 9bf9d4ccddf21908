"""Pipelines that start others: the same results and errors in local runs and in executions."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from histories import events_of
from ways import IN_THIS_PROCESS, WAYS

from lokki_tf import (
    DAG,
    Failure,
    Flow,
    MicroFunctions,
    Parameter,
    Pipeline,
    PipelineFailed,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    start_pipeline,
    step,
    task,
)
from lokki_tf.errors import BindingError, RunTimeoutError, StepFailed
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.local import Event


@step
def told(*values: Any) -> list[Any]:
    """Return the types of values beside them, since JSON has fewer types than Python."""
    return [[type(one).__name__, one] for one in values]


@step
def given(day: Any, limit: Any) -> Any:
    return {"day": day, "limit": limit}


@step
def load(value: Any = 3) -> Any:
    return {"rows": [value, value + 1], "name": "ü"}


@step
def days() -> list[str]:
    return ["a", "b", "c"]


@step
def same(value: Any) -> Any:
    return value


@step
def double(value: Any) -> Any:
    return value * 2


@step
def refuses(value: Any = "no") -> Any:
    raise LookupError(f"refused {value}")


@step(catch=LookupError)
def catches(value: Any = "no") -> Any:
    raise LookupError(f"refused {value}")


@step(when=lambda value: value > 5)
def large(value: int) -> int:
    return value


@dataclass
class Price:
    """A class of the user's."""

    amount: int


@step
def priced(amount: int) -> Price:
    return Price(amount)


@step
def amount(price: Price, *more: Any) -> Any:
    return [type(price).__name__, price.amount]


@step
def kinds(*values: Any) -> Any:
    return [type(one).__name__ for one in values]


@step
def sized(size: int) -> str:
    return "x" * size


@step
def sized_by(size: int, _text: str) -> str:
    return "x" * size


@step
def length(value: Any) -> int:
    return len(value)


@step
def described(failure: Any) -> Any:
    if isinstance(failure, Failure):
        return [failure.error, failure.message, failure.step]
    return failure


# Pipelines that are started.


@flow
def named(day: str = "monday", limit: int = 5):
    return given(day, limit)


@flow
def any_value(value: Any = 0):
    return double(value)


@flow
def mapped():
    return days().map(double)


@flow
def mapped_inline():
    return days().map(double, mode="inline")


@flow
def fails(value: str = "no"):
    return refuses(value)


@flow
def failure():
    return catches()


@flow
def priced_flow(amount: int = 2):
    return priced(amount)


@flow
def sized_flow(size: int):
    return sized(size)


@flow
def sized_with(size: int, text: str):
    return sized_by(size, text)


SEVERAL = Pipeline("several", steps=[double(1), load(7), large(2)])
SKIPPED = Pipeline("skipped", steps=[large(Parameter("value", int, default=1))])

ROUTED = MicroFunctions("begin", name="routed")


@ROUTED.fn()
def begin(count: int = 1) -> ReturnUpdates:
    return ReturnUpdates("finish", count=count + 1)


@ROUTED.fn(terminates=True)
def finish(count: int) -> Any:
    return {"count": count * 10, "done": True}


# Pipelines that start them.


@flow
def each(day):
    return start_pipeline("named", {"day": day})


@flow
def many():
    return days().map(each).agg(told)


@flow
def many_inline():
    return days().map(each, mode="inline").agg(told)


@flow
def with_parameters(day: str, limit: int = 7):
    return told(start_pipeline("named", {"day": day, "limit": limit}))


def outer(name: str, *starts: Any, consumer: Any = told) -> Pipeline:
    return Pipeline(name, steps=[consumer(*starts)])


def parts() -> Pipeline:
    loaded, started = load(), start_pipeline("any-value", {"value": load(5)["rows"]})
    whole = start_pipeline("named", {"day": loaded["name"], "limit": loaded["rows"][1]})
    return outer("of_parts", started[0], whole["day"], whole["limit"])


def groups() -> Pipeline:
    loaded = load()
    value = [double("x"), loaded["rows"], {"inner": double(2), "same": 1.5}]
    return outer("of_groups", start_pipeline("any-value", {"value": value}))


def over_result() -> Pipeline:
    items = start_pipeline("any-value", {"value": [1, 2]})
    return outer("over_result", items.map(double), items[0], items)


def over_part() -> Pipeline:
    rows = start_pipeline("several")["load"]["rows"]
    return outer("over_part", rows.map(double))


@flow
def waiting():
    return start_pipeline("named").wait(seconds=1).next(told)


@flow
def chained():
    return load().next(double_rows).wait(seconds=1).next(told)


@step
def double_rows(loaded: Any) -> Any:
    return loaded["rows"] * 2


@task
def load_task() -> Any:
    return {"rows": [3, 4]}


@task
def told_task(one: Any) -> Any:
    return ["told", one]


@task
def last_task(load_task: Any, doubled: Any) -> Any:
    return [load_task, doubled]


@task
def told_twice(one: Any, two: Any) -> Any:
    return ["told", one, two]


def drawn() -> DAG:
    start = start_pipeline("any-value", {"value": load_task["rows"]})
    load_task >> start >> told_task
    return DAG("drawn", tasks=[told_task])


def drawn_whole() -> DAG:
    start = start_pipeline("any-value", {"value": [1]}, name="doubled")
    [load_task["rows"], start] >> told_twice
    return DAG("drawn_whole", tasks=[told_twice])


def built() -> Flow:
    start = start_pipeline("any-value", {"value": load_task["rows"]}, name="doubled")
    return Flow("built").add(load_task).add(start).add(last_task)


@flow
def inner(value: int = 4):
    return start_pipeline("any-value", {"value": value}).next(double)


@flow
def around():
    return told(inner(8), inner())


def last() -> Pipeline:
    return Pipeline("last_start", steps=[start_pipeline("named"), load()])


SUCCEED: list[tuple[Any, dict[str, Any]]] = [
    (outer("none", start_pipeline("named")), {}),
    (outer("empty", start_pipeline("named", {})), {}),
    (outer("literals", start_pipeline("named", {"day": "ü$.${a}%{b}\n", "limit": -1})), {}),
    (outer("envelope", start_pipeline("any-value", {"value": [{"ref": "s3://b/k"}]})), {}),
    (outer("paths", start_pipeline("any-value", {"value": [{"a.$": "$.b", "$": "$$.c"}]})), {}),
    (outer("null", start_pipeline("any-value", {"value": [None, True, 1.5, {}, 2**52]})), {}),
    (outer("results", start_pipeline("any-value", {"value": double(2)})), {}),
    (parts(), {}),
    (groups(), {}),
    (with_parameters, {"day": "x"}),
    (with_parameters, {"day": "x", "limit": 1}),
    (many, {}),
    (many_inline, {}),
    (outer("of_several", start_pipeline("several")), {}),
    (outer("of_skipped", start_pipeline("skipped")), {}),
    (outer("of_not_skipped", start_pipeline("skipped", {"value": 6})), {}),
    (outer("of_routed", start_pipeline("routed")), {}),
    (outer("of_routed_with", start_pipeline("routed", {"count": double(3)})), {}),
    (outer("of_map_inline", start_pipeline("mapped-inline")), {}),
    (outer("of_map_trusted", start_pipeline("mapped", trust=True)), {}),
    (outer("of_failure", start_pipeline("failure", trust=True), consumer=described), {}),
    (outer("classes", start_pipeline("priced-flow", trust=True), consumer=amount), {}),
    (outer("json_trusted", start_pipeline("named", {"limit": 2}, trust=True)), {}),
    (
        outer("large_trusted", start_pipeline("sized-flow", {"size": 400_000}, trust=True)),
        {},
    ),
    (outer("long", start_pipeline("sized-flow", {"size": 100_000}), consumer=length), {}),
    (over_result(), {}),
    (over_part(), {}),
    (waiting, {}),
    (drawn(), {}),
    (drawn_whole(), {}),
    (built(), {}),
    (around, {}),
    (last(), {}),
    (outer("twice", start_pipeline("named"), start_pipeline("named", {"limit": 1})), {}),
    (outer("own_name", start_pipeline("named", name="first"), start_pipeline("named")), {}),
]


@pytest.mark.parametrize(("pipeline", "values"), SUCCEED, ids=[one.name for one, _ in SUCCEED])
def test_results_agree(pipeline: Any, values: dict[str, Any], aws: LocalAws) -> None:
    """A started pipeline has the same result in any kind of run, style and place."""
    runs = [pipeline.local_run(values, wait_scale=0, **way) for way in WAYS]
    here = runs[0].outputs
    assert all(one.outputs == here and one.status == runs[0].status for one in runs[1:])
    there = aws.values(aws.run(pipeline, values, timeout=60))
    assert there == {name: here[name] for name in pipeline.graph.terminals if name in here}


# Errors.


@step
def dozes() -> None:
    time.sleep(30)


@flow(timeout_seconds=2)
def late():
    return dozes()


@step
def object_rows(value: Any = 1) -> Any:
    return {"rows": [Price(3)], "plain": 5, "set": {1}}


@step
def nothing(value: Any = 1) -> None:
    """Return nothing."""


class Own(Exception):
    """An error of the user's."""


@step(retry=RetryConfig(retries=1, delay=0, exceptions=(Own,)))
def refuses_twice() -> Any:
    raise Own("x" * 40_000)


@flow
def refuses_long():
    return refuses_twice()


ENDLESS = MicroFunctions("turn", name="endless", max_steps=3)


@ENDLESS.fn()
def turn(count: int = 0) -> ReturnUpdates:
    return ReturnUpdates("turn" if count < 100 else "stop", count=count + 1)


@ENDLESS.fn(terminates=True)
def stop(count: int) -> Any:
    return {"count": count}


@flow
def nested_failure():
    return start_pipeline("fails")


@step
def both(item: Any, text: str) -> Any:
    return [item, len(text)]


@flow
def narrow(text: str):
    """Accept about 65,000 bytes: a batch of items receives the parameter."""
    return days().map(both, text, batch_size=2)


ROUTED_TYPED = MicroFunctions("typed", name="routed-typed")


@ROUTED_TYPED.fn(terminates=True)
def typed(count: int) -> Any:
    return {"count": count + 1}


@step
def unserializable() -> Any:
    return (number for number in range(3))


@flow
def returns_generator():
    return unserializable().next(double)


def passing(name: str, parameter: Any) -> Pipeline:
    return outer(name, start_pipeline("any-value", {"value": parameter}))


FAIL: list[tuple[Any, str, str]] = [
    (outer("f_uncaught", start_pipeline("fails")), "PipelineFailed", "LookupError: refused no"),
    (outer("f_late", start_pipeline("late")), "PipelineFailed", "States.Timeout"),
    (outer("f_endless", start_pipeline("endless")), "PipelineFailed", "TooManySteps"),
    (outer("f_long", start_pipeline("refuses-long")), "PipelineFailed", "Own: xxx"),
    (outer("f_nested", start_pipeline("nested-failure")), "PipelineFailed", "PipelineFailed"),
    (outer("f_result", start_pipeline("fails", {"value": load()["name"]})), "PipelineFailed", "ü"),
    (outer("f_set", start_pipeline("any-value", {"value": object_rows()})), "TypeError", "'value'"),
    (passing("f_object", object_rows()["rows"][0]), "TypeError", "'value' of pipeline"),
    (passing("f_part", object_rows()["plain"]), "TypeError", "no part of an object"),
    (passing("f_group", [1, object_rows()["plain"]]), "TypeError", "no part of an object"),
    (passing("f_large", sized(128_000)), "ValueError", "128,0"),
    (passing("f_caught", catches()), "TypeError", "'value' of pipeline"),
    (outer("f_priced", start_pipeline("priced-flow")), "TypeError", "trust=True"),
    (outer("f_failure", start_pipeline("failure")), "TypeError", "trust=True"),
    (outer("f_mapped", start_pipeline("mapped")), "TypeError", "trust=True"),
    (outer("f_mapped_part", start_pipeline("mapped")[0]), "TypeError", "trust=True"),
    (outer("f_sized", start_pipeline("sized-flow", {"size": 128_000})), "ValueError", "128,0"),
    (outer("f_no_part", start_pipeline("named")["no"]), "KeyError", "no"),
    (outer("f_type", start_pipeline("sized-flow", {"size": load()["name"]})), "PipelineFailed", ""),
    (
        outer("f_routed", start_pipeline("routed-typed", {"count": load()["name"]})),
        "PipelineFailed",
        "TypeError",
    ),
    (
        outer("f_narrow", start_pipeline("narrow", {"text": sized(100_000)})),
        "PipelineFailed",
        "100,0",
    ),
    (
        outer("f_retried", start_pipeline("fails", retry=RetryConfig(retries=2, delay=0))),
        "PipelineFailed",
        "LookupError",
    ),
    (
        outer(
            "f_together",
            start_pipeline("sized-with", {"size": 200_000, "text": sized(100_000)}, trust=True),
        ),
        "ValueError",
        "together",
    ),
]


def raised_here(error: StepFailed) -> tuple[str, str]:
    """Return the name and text of the error of a step."""
    cause = error.__cause__
    assert cause is not None
    return type(cause).__name__, str(cause)


@pytest.mark.parametrize(("pipeline", "error", "text"), FAIL, ids=[one.name for one, *_ in FAIL])
def test_errors_agree(pipeline: Any, error: str, text: str, aws: LocalAws) -> None:
    """A start fails with the same error and message in any kind of run."""
    there = aws.run(pipeline, timeout=60)
    assert (there.status, there.error) == ("FAILED", error)
    cause = there.cause or ""
    found = json.loads(cause)["errorMessage"] if cause.startswith("{") else cause
    assert text in found
    for way in WAYS:
        with pytest.raises(StepFailed) as caught:
            pipeline.local_run(wait_scale=0, **way)
        assert raised_here(caught.value) == (error, found)


# Caught and retried.


@step
def fails_once(path: str) -> Any:
    """Fail the first time that a file does not exist."""
    if not Path(path).exists():
        Path(path).write_text("x")
        raise LookupError("not yet")
    return "second"


@flow
def once(path: str):
    return fails_once(path)


AGAIN = RetryConfig(retries=2, delay=0, exceptions=(PipelineFailed,))
OTHERS = RetryConfig(retries=2, delay=0, exceptions=(KeyError,))


def test_failures_are_caught_and_retried(aws: LocalAws, tmp_path: Path) -> None:
    """``retry=`` starts the pipeline again; ``catch=`` makes a Failure the result."""
    caught = outer(
        "caught", start_pipeline("fails", catch=PipelineFailed, retry=AGAIN), consumer=described
    )
    expected = {
        "described": ["PipelineFailed", "pipeline 'fails' failed: LookupError: refused no", "fails"]
    }
    assert aws.values(aws.run(caught)) == expected
    for way in WAYS:
        assert caught.local_run(wait_scale=0, **way).outputs == {
            **expected,
            "fails": caught.local_run(wait_scale=0).outputs["fails"],
        }
    for number, way in enumerate(WAYS):
        path = str(tmp_path / f"once-{number}")
        assert retried(path).local_run(wait_scale=0, **way).result == [["str", "second"]]
    there = aws.run(retried(str(tmp_path / "there")))
    assert aws.values(there) == {"told": [["str", "second"]]}
    other = outer("other", start_pipeline("fails", retry=OTHERS, catch=KeyError))
    assert aws.run(other).error == "PipelineFailed"
    with pytest.raises(StepFailed, match="PipelineFailed"):
        other.local_run()


def retried(path: str) -> Pipeline:
    return outer("retried", start_pipeline("once", {"path": path}, retry=AGAIN))


@flow
def counted():
    return counts().next(priced)


@step
def counts() -> int:
    COUNTED.append(1)
    return len(COUNTED)


COUNTED: list[int] = []


def test_a_result_of_no_use_starts_nothing_again(aws: LocalAws) -> None:
    """``retry=`` repeats failures of the pipeline, not its success with an unfit result."""
    pipeline = outer("of_no_use", start_pipeline("counted", retry=RetryConfig(retries=2, delay=0)))
    for way in IN_THIS_PROCESS:
        COUNTED.clear()
        with pytest.raises(StepFailed, match="trust=True"):
            pipeline.local_run(**way)
        assert COUNTED == [1]
    COUNTED.clear()
    assert aws.run(pipeline).error == "TypeError"
    assert executions(aws, "counted") == 1


def until(found: Callable[[], Any]) -> Any:
    """Return what a function returns once it is true."""
    for _ in range(400):
        known = found()
        if known:
            return known
        time.sleep(0.05)
    raise AssertionError("nothing was found")


def executions(aws: LocalAws, name: str) -> int:
    """Return how many executions a state machine has had."""
    arn = f"arn:aws:states:us-east-1:123456789012:stateMachine:{name}"
    listed = aws.client("stepfunctions").list_executions(stateMachineArn=arn)
    return len(listed["executions"])


@flow
def mended(path: str):
    return fails_once(path)


def test_a_redrive_starts_the_pipeline_again(aws: LocalAws, tmp_path: Path) -> None:
    """After the other pipeline is mended, a redrive starts it anew and continues."""
    path = str(tmp_path / "mended")
    pipeline = outer("redriven_start", start_pipeline("mended", {"path": same(path)}))
    states = aws.client("stepfunctions")
    failed = aws.run(pipeline)
    assert (failed.status, failed.error) == ("FAILED", "PipelineFailed")
    assert executions(aws, "mended") == 1
    states.redrive_execution(executionArn=failed.arn)
    ended = until(
        lambda: (
            (one := states.describe_execution(executionArn=failed.arn))["status"] != "RUNNING"
            and one
        )
    )
    assert ended["status"] == "SUCCEEDED"
    assert json.loads(ended["output"]) == {"told": {"value": [["str", "second"]]}}
    assert executions(aws, "mended") == 2


HISTORIES = [
    outer(
        "h_together",
        start_pipeline("sized-with", {"size": 200_000, "text": sized(100_000)}, trust=True),
    ),
    outer("h_done", start_pipeline("named")),
    outer("h_prepared", start_pipeline("any-value", {"value": double(2)})),
    outer("h_failed", start_pipeline("fails", {"value": double("n")})),
    outer("h_caught", start_pipeline("fails", catch=PipelineFailed), consumer=kinds),
    outer("h_retried", start_pipeline("fails", retry=AGAIN)),
    outer("h_retried_caught", start_pipeline("fails", retry=AGAIN, catch=PipelineFailed)),
    outer("h_refused", start_pipeline("any-value", {"value": object_rows()})),
    outer("h_not_inline", start_pipeline("priced-flow")),
    outer("h_not_inline_caught", start_pipeline("priced-flow", catch=TypeError), consumer=kinds),
    outer(
        "h_refused_caught",
        start_pipeline("any-value", {"value": object_rows()}, catch=TypeError),
        consumer=kinds,
    ),
    many_inline,
]


@pytest.mark.parametrize("pipeline", HISTORIES, ids=[one.name for one in HISTORIES])
def test_events_agree(pipeline: Any, aws: LocalAws) -> None:
    """A start has the events of a step; the functions around it have none of their own."""
    here: list[Event] = []
    with suppress(StepFailed):
        pipeline.local_run(on_event=here.append, wait_scale=0, executor="sequential")

    def shown(events: list[Event]) -> list[Any]:
        found = [
            (one.kind, one.node, one.attempt, str(one.error or "")) for one in events if one.node
        ]
        return sorted(found) if pipeline is many_inline else found

    _, there = events_of(aws, pipeline.definition, aws.run(pipeline).arn)
    assert shown(there) == shown(here)


@step
def context_of(value: Any) -> Any:
    context = run_context()
    return [context.pipeline, context.step, context.attempt, context.item_index, value]


@flow
def contexts(value: int = 1):
    return context_of(value)


@flow
def start_contexts(value: int):
    return start_pipeline("contexts", {"value": value})


@flow
def many_contexts(more: int = 1):
    return numbers().map(start_contexts).agg(told)


@step
def numbers() -> list[int]:
    return [1, 2]


def test_steps_of_a_started_pipeline_have_its_context(aws: LocalAws) -> None:
    """``run_context()`` is that of the other run, also where a map's item starts it."""
    expected = [
        ["list", [["contexts", "context_of", 1, None, 1], ["contexts", "context_of", 1, None, 2]]]
    ]
    for way in WAYS:
        assert many_contexts.local_run(**way).result == expected
    assert aws.values(aws.run(many_contexts)) == {"told": expected}


@step
def release(*values: Any) -> None:
    print("CLEANED", values)


def test_cleanup_runs_after_a_start(aws: LocalAws, capfd: pytest.CaptureFixture[str]) -> None:
    """The cleanup step receives a start's result, or None if the pipeline failed."""
    for name, started, expected in (
        ("c_done", start_pipeline("named"), "({'day': 'monday', 'limit': 5},)"),
        ("c_failed", start_pipeline("fails"), "(None,)"),
    ):
        pipeline = Pipeline(name, steps=[told(started)], cleanup=release(started))
        ended = aws.run(pipeline)
        assert ended.error == (None if name == "c_done" else "PipelineFailed")
        lines = [one for one in aws.logs(f"{name}-release") if one.startswith("CLEANED")]
        assert lines == [f"CLEANED {expected}"]
        with suppress(StepFailed):
            pipeline.local_run()
        assert f"CLEANED {expected}" in capfd.readouterr().out


@step
def notify(notice: dict[str, Any]) -> None:
    print("TOLD", notice["step"], notice["error"], notice["pipeline"])


def test_a_failed_start_is_in_the_notice(aws: LocalAws, capfd: pytest.CaptureFixture[str]) -> None:
    """``on_failure=`` names the node that starts, and PipelineFailed."""
    pipeline = Pipeline("n_failed", steps=[told(start_pipeline("fails"))], on_failure=notify)
    assert aws.run(pipeline).error == "PipelineFailed"
    lines = until(lambda: [one for one in aws.logs("n_failed-notify") if one.startswith("TOLD")])
    with pytest.raises(StepFailed):
        pipeline.local_run()
    (here,) = [one for one in capfd.readouterr().out.splitlines() if one.startswith("TOLD")]
    assert lines == [here] == ["TOLD fails PipelineFailed n_failed"]


def test_states_of_a_start(aws: LocalAws) -> None:
    """Literals need two states, others three; a pipeline without start has no function for it."""

    def entered(pipeline: Pipeline) -> list[str]:
        found = [one for one in aws.run(pipeline).history if one["type"] == "TaskStateEntered"]
        return [one["stateEnteredEventDetails"]["name"] for one in found]

    second = start_pipeline("named", {"limit": 1}).after(load())
    literals = Pipeline("s_literals", steps=[second])
    assert entered(literals) == ["load", "named", "Result of named"]
    # The first state of a pipeline refuses unknown names in the execution's input.
    first = Pipeline("s_first", steps=[start_pipeline("named", {"limit": 1})])
    assert entered(first) == ["Parameters of named", "named", "Result of named"]
    result = Pipeline("s_result", steps=[start_pipeline("any-value", {"value": same(1)})])
    assert entered(result) == [
        *("same", "Parameters of any-value", "any-value", "Result of any-value"),
    ]
    assert "starts" not in json.dumps(Pipeline("s_plain", steps=[load()]).generate_step_functions())


def test_an_arn_names_a_state_machine(aws: LocalAws) -> None:
    """An ARN is started as it is; locally, the pipeline with the state machine's name runs."""
    arn = aws.register(named)
    pipeline = outer("by_arn", start_pipeline(arn, {"day": "x"}))
    there = aws.values(aws.run(pipeline))
    assert there == {"told": pipeline.local_run().result}


def test_a_stage_starts_the_pipeline_of_that_stage(
    aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a stage, the other pipeline of the same stage is started, here and there."""
    (tmp_path / "lokki.toml").write_text('[stage.dev.lambda.env]\nMODE = "dev"\n')
    monkeypatch.chdir(tmp_path)
    pipeline = outer("staged", start_pipeline("of-stage"))
    there = aws.run(pipeline, stage="dev")
    assert aws.values(there) == {"told": [["list", ["dev", "dev"]]]}
    assert executions(aws, "of-stage-dev") == 1
    assert pipeline.local_run(stage="dev").result == [["list", ["dev", "dev"]]]


@step
def stage_of() -> Any:
    import os

    return [run_context().stage, os.environ.get("MODE")]


@flow
def of_stage():
    return stage_of()


@step
def slow_first(path: str) -> str:
    for _ in range(100):
        time.sleep(0.02)
    return path


@step
def writes(path: str) -> None:
    Path(path).write_text("x")


@flow
def slow_writer(path: str):
    return slow_first(path).next(writes)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_time_limit_ends_what_was_started(way: dict[str, Any], tmp_path: Path) -> None:
    """No further step of a started pipeline begins after the run's time is over, as in AWS."""
    path = tmp_path / "written"
    started = start_pipeline("slow-writer", {"path": same(str(path))})
    pipeline = Pipeline("limited", steps=[told(started)], timeout_seconds=1)
    with pytest.raises(RunTimeoutError):
        pipeline.local_run(**way)
    time.sleep(2)
    assert not path.exists()


@step(callback=True)
def approve(value: Any) -> Any:
    """Ask someone."""


@flow
def asking(value: int = 1):
    return approve(value)


@flow
def start_asking(value: int):
    return start_pipeline("asking", {"value": value})


@flow
def many_asking(more: int = 1):
    return numbers().map(start_asking).agg(told)


@pytest.mark.parametrize(
    "pipeline",
    [outer("asks", start_pipeline("asking"), approve(2)), many_asking],
    ids=["one", "in items"],
)
def test_steps_of_a_started_pipeline_are_answered(pipeline: Any, aws: LocalAws) -> None:
    """``answers=`` answers the steps of started pipelines as well, here and in the local AWS."""
    answers = {"approve": {"by": "me"}}
    there = aws.values(aws.run(pipeline, answers=answers, timeout=60))
    for way in WAYS:
        assert there == {"told": pipeline.local_run(answers=answers, **way).result}
    with pytest.raises(BindingError, match="'aprove', which is not a step with callback=True"):
        pipeline.local_run(answers={"aprove": 1})
