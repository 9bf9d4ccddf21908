"""Failing steps: as often tried, and as finally failed or caught, here as in AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from agreement.test_examples import EXAMPLES, loaded
from golden_files import agrees_with_golden
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from library import (
    ERRORS,
    Early,
    Late,
    Refused,
    echo,
    ending,
    is_not_empty,
    is_not_single,
    listing,
    pair,
    raising,
    raising_early,
    scripted,
    sleeping,
)
from operate.test_history import told
from strategies import retriers, same
from thorough import TIMES

from lokki_tf import Failure, MicroFunctions, Pipeline, RetryConfig, ReturnUpdates, step
from lokki_tf.errors import RunTimeoutError, StepFailed
from lokki_tf.operate.states import StepState, _add_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.local import Event, Run

SCRIPTS = st.lists(st.sampled_from([one.__name__ for one in ERRORS]), max_size=4)
OFTEN = settings(
    max_examples=30 * TIMES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def tried(folder: Path) -> dict[str, int]:
    """Number of attempts by the folder's name."""
    return {one.name: len(list(one.iterdir())) for one in folder.iterdir()}


@given(retry=retriers(), script=SCRIPTS, job=st.booleans())
@OFTEN
def test_retriers_agree(
    retry: list[RetryConfig],
    script: list[str],
    job: bool,
    tmp_path_factory: pytest.TempPathFactory,
    deployment: Deployment,
) -> None:
    """Several retriers retry the same errors equally often in threads, functions and jobs."""
    folder = tmp_path_factory.mktemp("tried")
    options: dict[str, Any] = {"job_type": "batch"} if job else {}
    one = step(name="one", retry=retry or None, **options)(scripted)

    def made(where: str) -> Pipeline:
        return Pipeline("retriers", steps=[one(str(folder / where), script)])

    try:
        made("here").local_run(wait_scale=0)
        failed = None
    except StepFailed as error:
        failed = type(error.__cause__).__name__
    there = deployment.execute(made("there"))
    assert (there.status == "FAILED") == (failed is not None)
    attempts = tried(folder)
    assert attempts["here"] == attempts["there"]
    if failed is not None:
        assert there.cause is not None
        assert "on purpose" in there.cause
        assert failed in f"{there.error} {there.cause}"


CATCHES = st.sampled_from(
    [
        *(ValueError, Refused, Early, OSError, True, "States.ALL", "States.TaskFailed"),
        *((Late, LookupError), ["States.Timeout", ConnectionError], (Exception,), SystemExit),
    ]
)
MODES: list[dict[str, Any] | None] = [None, {}, {"mode": "inline"}, {"batch_size": 2}]


@given(
    retry=retriers(),
    catch=CATCHES,
    script=SCRIPTS,
    kind=st.sampled_from(("lambda", "lambda", "batch")),
    mode=st.sampled_from(MODES),
    is_last=st.booleans(),
    skips=st.booleans(),
)
@OFTEN
def test_caught_errors_agree(
    retry: list[RetryConfig],
    catch: Any,
    script: list[str],
    kind: str,
    mode: dict[str, Any] | None,
    is_last: bool,
    skips: bool,
    tmp_path_factory: pytest.TempPathFactory,
    deployment: Deployment,
) -> None:
    """The same errors become failures, with equal contents, wherever the step runs."""
    assume(not (kind == "batch" and mode not in (None, {})))
    if mode == {"batch_size": 2}:
        script = script[:1] * 9  # a batch is tried again as a whole, an item of it here by itself
    folder = tmp_path_factory.mktemp("caught")
    when = {"when": is_not_single} if skips and mode is None else {}
    one = step(name="one", retry=retry or None, catch=catch, job_type=kind, **when)(scripted)
    also = step(name="also")(echo.step.function)

    def made(where: str) -> Pipeline:
        if mode is None:
            end = one(str(folder / where), script)
            beside = echo(script)
            steps = [end, beside] if is_last else [pair(also(end), second=beside)]
            return Pipeline("caught", steps=steps)
        folders = [str(folder / where / name) for name in "abc"]
        chain = listing(*folders).map(one, script=script, **mode)
        chain = chain if is_last else chain.next(also)
        return Pipeline("caught", steps=[chain.agg(echo)])

    here = outcome(lambda: made("here").local_run(wait_scale=0))
    assert same(outcome(lambda: made("s").local_run(wait_scale=0, strict=True)), here)
    sequential = {"executor": "sequential"}
    assert same(outcome(lambda: made("q").local_run(wait_scale=0, **sequential)), here)
    there = deployment.execute(made("there"))
    if here is FAILED:
        assert there.status == "FAILED"
        return
    assert same(deployment.aws.values(there), here)


FAILED = object()


def outcome(run: Callable[[], Run]) -> Any:
    """Results of the last steps, or ``FAILED``."""
    try:
        ran = run()
    except StepFailed:
        return FAILED
    last = ran.definition.graph.terminals
    return {name: ran.outputs[name] for name in last if name in ran.outputs}


def test_a_run_of_a_pipeline_times_out_in_both(deployment: Deployment) -> None:
    """The whole run ends with its time limit, which no catcher includes."""
    late = step(name="late", catch=True, retry=2)(sleeping)
    pipeline = Pipeline("timed-out", steps=[echo(late(5))], timeout_seconds=1)
    assert deployment.execute(pipeline).status == "TIMED_OUT"
    with pytest.raises(RunTimeoutError):
        pipeline.local_run()


def test_a_batch_without_its_process_is_a_failure_of_each_item(deployment: Deployment) -> None:
    """A batch that loses its process, or its time, has no result of any of its items."""
    fails = step(name="one", catch=("Lambda.Unknown", TimeoutError), timeout_seconds=1)(ending)
    chain = listing("late", "well", "well", "dead").map(fails, batch_size=2).agg(echo)
    found = deployment.run(Pipeline("batches", steps=[chain]))["echo"]
    assert [one.step if isinstance(one, Failure) else one for one in found] == ["one"] * 4
    assert [one.error for one in found[:2]] == ["TimeoutError"] * 2
    assert found[2] == found[3]


def test_long_messages_are_cut_alike(deployment: Deployment) -> None:
    """A message longer than a state has room for is cut at the same character."""
    for text in ("x" * 40_000, "é€😀" * 5_000, '\x00"\\' * 9_000):
        one = step(name="one", catch=True)(raising)
        pipeline = Pipeline("long", steps=[echo(one(text))])
        assert same(deployment.run(pipeline), {"echo": pipeline.local_run().result})


@pytest.mark.parametrize("catch", [ValueError, True])
def test_states_have_room_for_failures(deployment: Deployment, catch: Any) -> None:
    """As many failures as a state has room for arrive; more are an error of check."""
    one = step(name="one", catch=catch)(raising)
    most = 20 if catch is ValueError else 6
    pipeline = Pipeline("room", steps=[listing(*(one("x" * 5_000) for _ in range(most)))])
    assert same(deployment.run(pipeline), {"listing": pipeline.local_run().result})
    many = Pipeline("room", steps=[listing(*(one("x") for _ in range(40)))])
    assert any("Step Functions allows" in finding.message for finding in many.check())


def test_steps_without_catch_cost_nothing() -> None:
    """A catcher adds no state on the way of a step that succeeds; without one nothing changes."""

    def machine(**options: Any) -> dict[str, Any]:
        one = step(name="one", **options)(echo.step.function)
        ends = [pair(one(1), second=2), listing(1).map(step(name="each", **options)(raising))]
        return Pipeline("costs", steps=ends).generate_step_functions()

    plain, caught = machine(), machine(catch=ValueError)
    assert "atch" not in json.dumps(plain)
    assert "caught" not in json.dumps(plain)
    assert machine(catch=False) == plain
    assert transitions(plain) == transitions(caught)


def transitions(scope: dict[str, Any]) -> list[Any]:
    """States on the way without errors, with those of branches and items."""
    states, name, found = scope["States"], scope["StartAt"], []
    while name is not None:
        state = states[name]
        inner = [
            *state.get("Branches", ()),
            *([state["ItemProcessor"]] if "ItemProcessor" in state else ()),
        ]
        found.append((name, [transitions(one) for one in inner if one]))
        name = state.get("Next")
    return found


@pytest.mark.parametrize("form", ["calls", "jobs", "routes"])
def test_machines_with_catchers_are_as_reviewed(request: pytest.FixtureRequest, form: str) -> None:
    """The state machines of each form of ``catch=`` are the golden ones."""
    text = json.dumps(FORMS[form]().generate_step_functions(), indent=2, ensure_ascii=False)
    agrees_with_golden(request, f"caught-{form}.statemachine.json", text + "\n")


def of_calls() -> Pipeline:
    first = step(name="first", catch=(Refused, "States.Timeout"), retry=2)(raising)
    each = step(name="each", catch=True, retry=RetryConfig(1, exceptions=OSError))(raising)
    mapped = listing("a").map(each, batch_size=2).agg(echo)
    inline = listing("b").map(each, mode="inline")
    return Pipeline("calls", steps=[pair(first("x"), second=mapped), inline], timeout_seconds=60)


def of_jobs() -> Pipeline:
    job = step(name="job", job_type="batch", when=is_not_empty, catch=(Refused, "Lambda.Unknown"))
    return Pipeline("jobs", steps=[job(raising)("x")])


def of_routes() -> MicroFunctions:
    pipe = MicroFunctions("start", name="routes")

    @pipe.fn(catch={Refused: "undo", (OSError, "States.Timeout"): "start"})
    def start(text: str = "") -> Any:
        return ReturnUpdates("finish")

    @pipe.fn(job_type="batch", catch={True: "undo"})
    def finish(text: str = "") -> Any:
        return ReturnUpdates("undo")

    @pipe.fn(terminates=True)
    def undo(text: str = "", failure: Failure | None = None) -> Any:
        return {"failure": failure}

    return pipe


FORMS: dict[str, Callable[[], Any]] = {"calls": of_calls, "jobs": of_jobs, "routes": of_routes}


@pytest.mark.parametrize("kind", ["lambda", "batch"])
@pytest.mark.parametrize("skips", [False, True])
def test_a_history_reports_what_was_caught(deployment: Deployment, kind: str, skips: bool) -> None:
    """``show`` and progress call the step caught, with its own error, as a local run does."""
    when = {"when": is_not_empty} if skips else {}
    one = step(name="one", catch=LookupError, retry=1, job_type=kind, **when)(raising_early)
    pipeline = Pipeline("history", steps=[echo(one("x"))])
    here: list[Event] = []
    pipeline.local_run(on_event=here.append, wait_scale=0)
    there = told(deployment, pipeline)
    [caught] = [one for one in there if one.kind == "step_caught"]
    assert (caught.node, type(caught.error).__name__, str(caught.error)) == ("one", "Early", "x")
    assert not [one for one in there if one.kind == "step_failed"]
    assert there[-1].error is None
    if kind == "lambda":
        assert [(e.kind, e.node) for e in there] == [(e.kind, e.node) for e in here]
    states = {"one": StepState("one"), "echo": StepState("echo")}
    _add_up(states, there)
    assert {name: one.status for name, one in states.items()} == {
        "one": "failed, caught",
        "echo": "done",
    }


def test_orders_are_undone_alike(monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    """The example undoes what was done before an error, here and in AWS."""
    orders = loaded(EXAMPLES / "orders/orders.py", "orders", monkeypatch)
    for order in ({}, {"card": "4111 1111 1111 1112"}, {"country": "AQ"}, {"items": {"kettle": 9}}):
        run = orders.local_run(order)
        last, result = list(run.outputs.items())[-1]
        assert deployment.run(orders, order) == {last: result}
        assert (result["status"] == "shipped") == (not order)
    assert run.status["reserve"] == "failed, caught"
    assert "raises OutOfStock" in orders.to_mermaid()
