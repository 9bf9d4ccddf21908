"""Errors as values in local runs, in each style."""

from __future__ import annotations

import os
import pickle
import signal
from typing import Any

import pytest
from ways import WAYS

from lokki_tf import DAG, Failure, Flow, Pipeline, flow, step, task, wait
from lokki_tf.errors import BindingError, OptionError, StepFailed
from lokki_tf.local import Event


@step
def fails(value: int) -> int:
    raise ValueError(f"{value} is bad")


@step
def numbers() -> list[int]:
    return [1, 2, 3]


@step
def odd(value: int) -> int:
    if value % 2:
        return value
    raise KeyError(value)


@step
def shown(value: Any) -> str:
    return str(value)


@step
def dies(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


BAD = Failure("ValueError", "7 is bad", "fails")


def caught_in_call() -> Any:
    return Pipeline("p", steps=[fails(7, catch=ValueError)])  # type: ignore[call-arg]


def caught_in_chain() -> Any:
    @flow
    def chain() -> Any:
        return shown(7).next(fails, catch=True)

    return chain


def caught_in_task() -> Any:
    @task
    def seven() -> int:
        return 7

    bad = task(name="fails", catch=(ValueError, KeyError))(fails.step.function)
    return DAG("dag", tasks=[seven >> bad])


def caught_in_flow() -> Any:
    @task
    def value() -> int:
        return 7

    bad = task(name="fails", catch="States.ALL")(fails.step.function)
    return Flow("flow").add(value).add(bad)


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize("made", [caught_in_call, caught_in_chain, caught_in_task, caught_in_flow])
def test_a_caught_error_is_the_result(made: Any, options: dict[str, Any]) -> None:
    """In each style the run succeeds, with the failure as the step's result."""
    run = made().local_run(**options)
    assert run.result == BAD
    assert run.status["fails"] == "failed, caught"
    assert isinstance(run.errors["fails"], ValueError)
    assert "raise ValueError" in run.result.traceback
    assert "lokki_tf/local" not in run.result.traceback


def test_other_errors_still_fail_the_run() -> None:
    """An error that is not listed is not caught."""
    pipeline = Pipeline("p", steps=[fails(7, catch=KeyError)])  # type: ignore[call-arg]
    with pytest.raises(StepFailed, match="7 is bad"):
        pipeline.local_run()


@pytest.mark.parametrize("options", [{}, {"mode": "inline"}, {"batch_size": 2}], ids=str)
def test_each_item_has_its_own_failure(options: dict[str, Any]) -> None:
    """The results of other items stay as they are, in order."""
    events: list[Event] = []
    chain = numbers().map(odd, catch=LookupError, **options).agg(shown)
    Pipeline("p", steps=[chain]).local_run(on_event=events.append)
    failure = Failure("KeyError", "2", "odd")
    assert Pipeline("p", steps=[numbers().map(odd, catch=LookupError)]).local_run().result == [
        1, failure, 3
    ]  # fmt: skip
    assert [one.item for one in events if one.kind == "step_caught"] == [1]


@pytest.mark.parametrize(
    ("catch", "caught"), [(True, True), ("Lambda.Unknown", True), (OSError, False)]
)
def test_the_end_of_a_process_is_caught_by_its_name(catch: Any, caught: bool) -> None:
    """A worker that dies is what AWS reports as ``Lambda.Unknown``, whichever error is listed."""
    pipeline = Pipeline("p", steps=[dies(1, catch=catch)])  # type: ignore[call-arg]
    if not caught:
        with pytest.raises(StepFailed):
            pipeline.local_run(executor="process")
        return
    result = pipeline.local_run(executor="process").result
    assert (result.error, result.step) == ("Lambda.Unknown", "dies")


def test_a_failure_can_be_shown_compared_and_pickled() -> None:
    """It is plain data: equal without its traceback, in text, HTML and pickles of any process."""
    one, other = Failure("E", "<b>", "s", "trace"), Failure("E", "<b>", "s")
    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "step 's' failed: E: <b>"
    assert repr(one) == "Failure(error='E', message='<b>', step='s')"
    assert "&lt;b&gt;" in one._repr_html_()
    assert pickle.loads(pickle.dumps(one)) == one
    assert b"lokki_tf.runtime.failure" in pickle.dumps(one)


def test_a_table_and_pictures_show_it() -> None:
    """Tables, graphs and charts call the step ``failed, caught``."""
    pipeline = caught_in_call()
    run = pipeline.local_run()
    assert "failed, caught" in run.table()
    for picture in (pipeline.to_svg(run), pipeline.to_mermaid(run), pipeline.to_dot(run)):
        assert "failed, caught" in picture
    assert "failed, caught" in pipeline.to_gantt(run)
    assert "classDef failedcaught" in pipeline.to_mermaid(run)


@pytest.mark.parametrize(
    "given",
    [5, int, "ValueError", "States.Runtime", (), [ValueError, 3], {ValueError: "x"}],
    ids=str,
)
def test_what_is_no_error_is_refused(given: Any) -> None:
    """``catch=`` takes errors alone, at the step and at a call, and names the user's line."""
    with pytest.raises(OptionError, match="catch=") as raised:
        step(catch=given)(lambda: None)
    assert raised.value.place is not None
    assert raised.value.place.file == __file__
    with pytest.raises(OptionError, match="catch="):
        fails(1, catch=given)  # type: ignore[call-arg]


def test_a_failure_has_no_items() -> None:
    """A result that may be a failure is not mapped, and catch= of several steps is one step's."""
    with pytest.raises(BindingError, match="may be a Failure"):
        shown(1, catch=True).map(odd)  # type: ignore[attr-defined,call-arg]
    with pytest.raises(OptionError, match="runs several"):
        numbers().map([odd, shown], catch=True)  # type: ignore[attr-defined]


def test_a_map_over_a_returned_failure_says_so() -> None:
    """A step may return a failure; a map over it fails with the failure's own message."""

    @step
    def returns() -> Any:
        return BAD

    with pytest.raises(StepFailed, match="a Failure: step 'fails' failed: ValueError: 7 is bad"):
        Pipeline("p", steps=[returns().map(odd)]).local_run()


def test_a_time_that_may_be_a_failure_is_refused() -> None:
    """A wait until the result of a step with ``catch=`` names the step."""
    with pytest.raises(OptionError, match="'fails' may be a Failure"):
        wait(until=fails(1, catch=True))  # type: ignore[call-arg]


def test_a_notice_has_no_use_for_a_failure() -> None:
    """The step of ``on_failure=`` cannot catch its errors, since nothing receives its result."""
    sends = step(name="sends", catch=True)(shown.step.function)
    with pytest.raises(OptionError, match="nothing receives its result"):
        Pipeline("p", steps=[numbers()], on_failure=sends)
