"""Limits of Step Functions, which local runs and checks hold to as AWS does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from library import echo, listing, pair, text

from lokki_tf import MicroFunctions, Pipeline, ReturnUpdates, flow, step
from lokki_tf.asl import compile_state_machine, quotas
from lokki_tf.errors import BindingError, LimitError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment import Deployment


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def three(item: int) -> list[int]:
    return [item, item, item]


@step(job_type="batch")
def job(item: Any) -> Any:
    return item


@step
def long(item: int) -> str:
    return "x" * 100


@step
def count(items: list[Any]) -> int:
    return len(items)


INLINE: dict[str, Any] = {"mode": "inline"}


def plain() -> Any:
    return numbers(3).map(echo, **INLINE).agg(count)


def forked() -> Any:
    body = numbers(2).map([echo, echo], **INLINE).agg(count)
    return listing(body, echo(echo(1)), echo(2), numbers(2).map(echo).agg(count))


def side_by_side() -> Any:
    source = numbers(3)
    return listing(source.map(echo, **INLINE), source.map(echo, **INLINE).agg(count))


def of_two_sources() -> Any:
    return listing(plain(), numbers(4).map(echo, **INLINE).agg(count))


def nested() -> Any:
    return numbers(4).map(three, **INLINE).map(echo, **INLINE).agg(count).agg(listing)


def nested_to_the_end() -> Any:
    return numbers(3).map(three, **INLINE).map(echo, **INLINE)


def of_jobs() -> Any:
    return numbers(2).map(job, **INLINE).agg(count)


@pytest.mark.parametrize(
    "written",
    [plain, forked, side_by_side, of_two_sources, nested, nested_to_the_end, of_jobs],
    ids=lambda written: written.__name__,
)
def test_events_are_counted_as_they_happen(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, written: Callable[[], Any]
) -> None:
    """An execution has just room for its items where it may have just so many events as it has."""
    pipeline = Pipeline("events", steps=[written()])
    here = pipeline.local_run()
    execution = deployment.execute(pipeline)
    values = deployment.aws.values(execution)
    assert values == {name: here.outputs[name] for name in pipeline.graph.terminals}
    needed = len(execution.history)
    monkeypatch.setattr(quotas, "HISTORY_EVENTS", needed)
    if written not in (of_two_sources, of_jobs):  # these keep some for what did not happen
        assert pipeline.local_run().result == here.result
    monkeypatch.setattr(quotas, "HISTORY_EVENTS", needed - 1)
    with pytest.raises((StepFailed, LimitError), match="events"):
        pipeline.local_run()


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_more_items_than_an_execution_has_events_are_refused(
    deployment: Deployment, executor: str
) -> None:
    """4,000 items within the execution fail with the step that makes them, here and there."""
    pipeline = Pipeline("many", steps=[numbers(4_000).map(echo, **INLINE).agg(count)])
    with pytest.raises(StepFailed, match=r"4,000 items of 'numbers'.* 3,56\d have room") as caught:
        pipeline.local_run(executor=executor)
    assert caught.value.step == "numbers"
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "ValueError")
    assert str(caught.value.__cause__) == json.loads(execution.cause)["errorMessage"]


def test_retries_count_among_the_events() -> None:
    """Items that may be tried again have room for fewer."""
    pipeline = Pipeline("retried", steps=[numbers(2_000).map(echo, retry=5, **INLINE).agg(count)])
    with pytest.raises(StepFailed, match=r"1,13[0-9] have room"):
        pipeline.local_run()


def test_results_without_room_in_the_state_are_refused(deployment: Deployment) -> None:
    """Where not even references to all results have room, the items fail, here and there."""
    pipeline = Pipeline("long", steps=[numbers(2_000).map(long, **INLINE).agg(count)])
    with pytest.raises(StepFailed, match="result of 'long' does not fit"):
        pipeline.local_run()
    execution = deployment.execute(pipeline)
    assert (execution.status, execution.error) == ("FAILED", "ValueError")
    assert "result of 'long' does not fit" in execution.cause
    fewer = Pipeline("long", steps=[numbers(300).map(long, **INLINE).agg(count)])
    assert deployment.run(fewer) == {"count": 300} == {"count": fewer.local_run().result}


def test_nested_results_share_the_room_of_the_outer_map(deployment: Deployment) -> None:
    """Lists of lists of results are in one state together, so all of them share it."""

    @step
    def sixty(item: int) -> list[int]:
        return list(range(60))

    pipeline = Pipeline("lists", steps=[numbers(8).map(sixty, **INLINE).map(long, **INLINE)])
    assert list(deployment.run(pipeline).values()) == [pipeline.local_run().result]
    more = Pipeline("lists", steps=[numbers(30).map(sixty, **INLINE).map(long, **INLINE)])
    with pytest.raises(StepFailed, match="fit into one"):
        more.local_run()
    execution = deployment.execute(more)
    assert (execution.status, execution.error) == ("FAILED", "ValueError")


def looping(max_steps: int, **options: Any) -> MicroFunctions:
    pipe = MicroFunctions("go", max_steps=max_steps, name="looping")

    @pipe.fn(terminates=True, **options)
    def go(*, left: int) -> Any:
        return ReturnUpdates("turn" if left else None, left=left - 1)

    @pipe.fn()
    def turn(*, left: int) -> Any:
        return ReturnUpdates("go", left=left)

    return pipe


@pytest.mark.parametrize(("options", "most"), [({}, 4_166), ({"retry": 3}, 2_380)])
def test_a_limit_of_steps_has_room_among_the_events(options: Any, most: int) -> None:
    """max_steps= is an error of check, and of local runs, where its events have no room."""
    pipe = looping(most + 1, **options)
    (found,) = [one for one in pipe.check() if one.severity == "error"]
    assert f"write max_steps={most} at most" in found.remedy
    for run in (lambda: pipe.local_run({"left": 1}), lambda: pipe.run(left=1)):
        with pytest.raises(LimitError, match="25,000 events"):
            run()
    fits = looping(most, **options)
    assert not [one for one in fits.check() if one.severity == "error"]
    assert fits.local_run({"left": 1}).result == {"left": -1}


def test_a_limit_without_loops_is_never_reached() -> None:
    """Steps that never come again have few events, whatever max_steps= is."""
    pipe = MicroFunctions("only", max_steps=100_000, name="only")

    @pipe.fn(terminates=True)
    def only(*, n: int) -> Any:
        return {"n": n}

    assert not [one for one in pipe.check() if one.severity == "error"]
    assert pipe.local_run({"n": 1}).result == {"n": 1}


def test_steps_are_counted_as_they_happen(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A routed execution of as many steps as it may take has just the events that were counted."""
    execution = deployment.execute(looping(9), {"left": 4})
    assert execution.succeeded
    monkeypatch.setattr(quotas, "HISTORY_EVENTS", len(execution.history))
    compile_state_machine(looping(9).definition)
    monkeypatch.setattr(quotas, "HISTORY_EVENTS", len(execution.history) - 1)
    with pytest.raises(LimitError, match="write max_steps=8 at most"):
        compile_state_machine(looping(9).definition)


def test_more_events_than_any_execution_has_are_refused() -> None:
    """Steps whose retries alone have no room are an error of check and of a local run."""
    pipeline = Pipeline("retried", steps=[echo(n, retry=100) for n in range(100)])
    assert any("25,000 events" in one.message for one in pipeline.check())
    with pytest.raises(LimitError, match="25,000 events"):
        pipeline.local_run()


@flow
def meeting(length: int = 200_000, more: str = ""):
    return listing(text(length), more, text(length))


@flow
def mapped(more: str = ""):
    return numbers(3).map(pair, second=more).agg(pair, second=more)


@flow
def batched(more: str = ""):
    return numbers(3).map(pair, second=more, batch_size=2).agg(echo)


def routed() -> MicroFunctions:
    pipe = MicroFunctions("begin", name="routed")

    @pipe.fn()
    def begin(*, more: str) -> Any:
        return ReturnUpdates("end", more=more, again=[more] * 9)

    @pipe.fn(terminates=True)
    def end(*, more: str, again: list[str], _original_input: Any) -> Any:
        return {"more": more, "same": again[8] == _original_input["more"]}

    return pipe


@pytest.mark.parametrize("size", [100, 30_000, 62_000, 100_000])
@pytest.mark.parametrize("pipeline", [meeting, mapped, batched, routed()], ids=lambda one: one.name)
def test_parameters_of_any_size_agree(deployment: Deployment, pipeline: Any, size: int) -> None:
    """Parameters beside results have room, or are refused here and there; 64 kB in batches."""
    given = {"more": "é" * (size // 2)}
    if pipeline is batched and size > 65_000:
        with pytest.raises(BindingError, match=r"have 100,011 bytes; this .* 6") as here:
            pipeline.local_run(given)
        with pytest.raises(BindingError) as there:
            deployment.aws.run(pipeline, given)
        assert there.value.message == here.value.message
        execution = deployment.execute(pipeline, given)
        assert (execution.status, execution.error) == ("FAILED", "ValueError")
        assert json.loads(execution.cause)["errorMessage"] == here.value.message
    else:
        execution = deployment.aws.run(pipeline, given)
        (there_result,) = deployment.aws.values(execution).values()
        assert there_result == pipeline.local_run(given).result


def test_parameters_beyond_a_state_are_refused() -> None:
    """In every style; where no step takes them together with others, nearly all of a state fits."""
    for pipeline, name in ((meeting, "more"), (routed(), "more"), (mapped, "more")):
        with pytest.raises(BindingError, match=r"have 260,011 bytes; this pipeline allows"):
            pipeline.local_run({name: "x" * 260_000})


def test_an_execution_refuses_the_parameters_that_a_local_run_refuses(
    deployment: Deployment,
) -> None:
    """Where an execution is started without a check, the first step that takes them fails."""
    given = {"more": "x" * 150_000}
    with pytest.raises(BindingError) as here:
        meeting.local_run(given)
    execution = deployment.execute(meeting, {**given, "length": 10})
    assert (execution.status, execution.error) == ("FAILED", "ValueError")
    there = json.loads(execution.cause)["errorMessage"]
    assert there.partition(": ")[2] == here.value.message.partition(": ")[2]
