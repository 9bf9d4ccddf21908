"""A call that takes longer than ``timeout_seconds`` is one ``TimeoutError``, here as in AWS."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import DAG, MicroFunctions, Pipeline, RetryConfig, ReturnUpdates, flow, step, task
from lokki_tf.asl.retries import DEATHS
from lokki_tf.errors import OptionError, StepFailed
from lokki_tf.local import Settings, run

if TYPE_CHECKING:
    from deployment import Deployment


def slow_once(folder: str) -> int:
    """Take too long the first time, and return how many times it was called."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    tries = len(list(path.iterdir())) + 1
    (path / str(tries)).touch()
    if tries == 1:
        time.sleep(20)
    return tries


@step(timeout_seconds=1, retry=RetryConfig(retries=1, delay=0, exceptions=(TimeoutError,)))
def by_name(folder: str) -> int:
    return slow_once(folder)


@step(timeout_seconds=1, retry=RetryConfig(retries=1, delay=0, exceptions=(OSError,)))
def by_base(folder: str) -> int:
    return slow_once(folder)


@step(timeout_seconds=1, retry=1)
def by_all(folder: str) -> int:
    return slow_once(folder)


@step(timeout_seconds=1, retry=RetryConfig(retries=1, delay=0, exceptions=(ValueError,)))
def by_another(folder: str) -> int:
    return slow_once(folder)


@step(timeout_seconds=1)
def sleeping() -> None:
    try:
        time.sleep(20)
    except Exception:  # what ends the call passes by the step's own handlers
        return


@step(timeout_seconds=1)
async def waiting() -> None:
    await asyncio.sleep(20)


@step(timeout_seconds=1)
def yielding() -> Iterator[int]:
    yield 1
    time.sleep(20)


@step(timeout_seconds=1)
def quick(value: int = 1) -> int:
    return value


@step
def numbers() -> list[int]:
    return [1, 0, 2]


@step(timeout_seconds=1)
def waits_for(value: int) -> int:
    if not value:
        time.sleep(20)
    return value


@task(timeout_seconds=1)
def single() -> None:
    time.sleep(20)


@flow
def mapped():
    return numbers().map(waits_for)


routed = MicroFunctions("begin", name="timeouts-routed")


@routed.fn(terminates=True, timeout_seconds=1)
def begin() -> Any:
    time.sleep(20)
    return ReturnUpdates(None)


FAILING: dict[str, Any] = {
    "calls": Pipeline("timeouts-calls", steps=[sleeping()]),
    "coroutine": Pipeline("timeouts-coroutine", steps=[waiting()]),
    "generator": Pipeline("timeouts-generator", steps=[yielding()]),
    "flow": mapped,
    "arrows": DAG("timeouts-arrows", tasks=[single]),
    "routed": routed,
}


@pytest.mark.parametrize("style", FAILING)
def test_a_call_that_takes_too_long_fails_alike(
    style: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``TimeoutError``, with one text, ends a run here at its time, and an execution."""
    pipeline = FAILING[style]
    there = deployment.execute(pipeline)
    assert there.status == "FAILED"
    if style != "flow":  # a Distributed Map reports its own error
        assert there.error == "TimeoutError"
        assert "the call took longer than timeout_seconds" in there.cause
    slept: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (sleep(seconds), slept.append(seconds)))
    for options in ({}, {"strict": True}):
        with pytest.raises(TimeoutError) as caught:
            pipeline.local_run(**options)
        assert slept == []  # the run did not wait for the end of the call
        assert isinstance(caught.value, StepFailed)
        assert type(caught.value.__cause__) is TimeoutError
        assert "the call took longer than timeout_seconds" in str(caught.value)


@pytest.mark.parametrize("made", [by_name, by_base, by_all], ids=lambda one: one.step.name)
def test_a_timeout_is_retried_by_its_name_and_its_bases(
    made: Any, deployment: Deployment, tmp_path: Path
) -> None:
    """``TimeoutError``, ``OSError`` and ``Exception`` retry it, here and there."""
    there = Pipeline("retried", steps=[made(str(tmp_path / "there"))])
    assert deployment.run(there) == {made.step.name: 2}
    for executor in ("thread", "process"):
        here = Pipeline("retried", steps=[made(str(tmp_path / executor))])
        assert here.local_run(executor=executor, wait_scale=0).result == 2


def test_a_timeout_is_not_retried_by_other_names(deployment: Deployment, tmp_path: Path) -> None:
    """A retry of another class leaves a timeout alone, here and there."""
    there = deployment.execute(Pipeline("another", steps=[by_another(str(tmp_path / "there"))]))
    assert there.error == "TimeoutError"
    with pytest.raises(TimeoutError):
        Pipeline("another", steps=[by_another(str(tmp_path / "here"))]).local_run()
    assert {len(list(one.iterdir())) for one in tmp_path.iterdir()} == {1}


@step(timeout_seconds=1, catch=True)
def stubborn(number: int) -> int:
    if number == 0:
        signal.setitimer(signal.ITIMER_REAL, 0)  # so that only Lambda can end the call
        time.sleep(20)
    return number


@step
def texts(values: list[Any]) -> list[str]:
    return [f"{one.error}: {one.message}" if one != 2 else str(one) for one in values]


def test_what_only_lambda_ends_has_the_same_name(deployment: Deployment) -> None:
    """It is ``TimeoutError`` with the same text; a batch that is ended fails with all its items."""
    late = "TimeoutError: the call took longer than timeout_seconds"
    batches = Pipeline("stubborn", steps=[texts(numbers().map(stubborn, batch_size=2))])
    alone = Pipeline("stubborn-alone", steps=[texts([stubborn(0)])])
    assert deployment.run(batches) == {"texts": [late, late, "2"]}
    assert deployment.run(alone) == {"texts": [late]}


def test_what_only_lambda_ends_is_retried_as_well() -> None:
    """Retriers for ``TimeoutError`` list what Lambda and Step Functions call it."""
    machine = Pipeline("names", steps=[by_name("x"), by_base("x"), by_another("x")])
    states = machine.generate_step_functions()["States"]
    (parallel,) = states.values()
    found = {}
    for branch in parallel["Branches"]:
        for name, state in branch["States"].items():
            found[name] = [one for one in state["Retry"][-1]["ErrorEquals"] if one not in DEATHS]
    timeouts = ["Sandbox.Timedout", "States.Timeout"]
    assert found == {
        "by_name": ["TimeoutError", *timeouts],
        "by_base": ["OSError", *timeouts],
        "by_another": ["ValueError"],
    }


def test_calls_in_time_are_not_ended() -> None:
    """A run of many short calls may take longer than each of them may."""
    calls = quick()
    for _ in range(3):
        calls = quick(calls)
    result = Pipeline("in-time", steps=[calls]).local_run()
    assert result.result == 1


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
def test_a_default_limit_is_found_out_at_the_end(executor: str) -> None:
    """Without a limit of its own a step runs in its thread, and fails once it took too long."""
    made = Pipeline("default", steps=[short()]).definition
    (only,) = made.steps
    # Stands for 900 seconds, which no test waits.
    limited = Settings({only: _Shorter(only.options)})  # type: ignore[dict-item]
    with pytest.raises(TimeoutError):
        run(made, executor=executor, settings=limited)
    assert run(made, executor=executor).result is None


class _Shorter:
    """Options of a step whose default limit is a hundredth of a second."""

    timeout_seconds = call_seconds = 0.01

    def __init__(self, options: Any) -> None:
        self._options = options
        self.given = frozenset(["timeout_seconds"])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)


@step
def short() -> None:
    time.sleep(0.05)


def test_settings_limit_local_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``timeout_seconds`` of ``[lambda]`` holds here for steps that say nothing else."""
    (tmp_path / "lokki.toml").write_text("[lambda]\ntimeout_seconds = 1\n")
    monkeypatch.chdir(tmp_path)

    @step
    def long() -> None:
        time.sleep(20)

    with pytest.raises(TimeoutError):
        Pipeline("long", steps=[long()]).local_run()


def test_waits_before_retries_are_scaled() -> None:
    """``wait_scale`` multiplies what a run waits before retries, in graphs and routes."""
    tries: list[float] = []

    @step(retry=RetryConfig(retries=3, delay=100))
    def flaky() -> int:
        tries.append(time.monotonic())
        if len(tries) % 4:
            raise ValueError
        return len(tries)

    pipe = MicroFunctions("start")

    @pipe.fn(terminates=True, retry=RetryConfig(retries=3, delay=100))
    def start() -> Any:
        return {"tries": flaky.step.function()}

    assert Pipeline("flaky", steps=[flaky()]).local_run(wait_scale=0.0001).result == 4
    assert pipe.local_run(wait_scale=0.0001).result == {"tries": 8}
    assert tries[1] - tries[0] >= 0.01
    assert pipe.run(wait_scale=0.0001) == {"tries": 12}
    assert pipe.run_from(step="start", wait_scale=0) == {"tries": 16}

    own = MicroFunctions("first")

    @own.fn(terminates=True)
    def first(*, wait_scale: float) -> Any:
        return {"scale": wait_scale}

    assert own.run(wait_scale=5) == {"scale": 5}
    for wrong in (-1, "1", True, float("nan")):
        with pytest.raises(OptionError, match="wait_scale"):
            Pipeline("flaky", steps=[flaky()]).local_run(wait_scale=wrong)  # type: ignore[arg-type]
