"""The time limit of a whole run."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lokki_tf import DAG, Failure, Flow, MicroFunctions, Pipeline, ReturnUpdates, flow, step, task
from lokki_tf.errors import LokkiError, OptionError, RunTimeoutError

NOTICES: list[dict[str, Any]] = []


@step
def notice(failure: dict[str, Any]) -> None:
    NOTICES.append(failure)


@step
def quick() -> int:
    return 1


@step(catch=True, retry=3)
def slow(value: int) -> int:
    time.sleep(8)
    return value


@step
def never(value: Any) -> Any:
    raise AssertionError("it must not begin")


LIMIT: dict[str, Any] = {"timeout_seconds": 1, "on_failure": notice}


def of_calls() -> Any:
    return Pipeline("calls", steps=[never(slow(quick()))], **LIMIT)


def of_chain() -> Any:
    @flow(**LIMIT)
    def chain() -> Any:
        return quick().next(slow).next(never)

    return chain


def of_tasks() -> Any:
    first, second = task(name="quick")(quick.step.function), task(name="slow")(slow.step.function)
    return DAG("dag", tasks=[first >> second], **LIMIT)


def of_flow() -> Any:
    value = task(name="value")(quick.step.function)
    return Flow("flow", **LIMIT).add(value).add(task(name="slow")(slow.step.function))


def of_routes() -> Any:
    pipe = MicroFunctions("quick", name="routes", **LIMIT)

    @pipe.fn()
    def quick() -> Any:
        return ReturnUpdates("slow")

    @pipe.fn(catch={True: "never"})
    def slow() -> Any:
        time.sleep(8)
        return ReturnUpdates("never")

    @pipe.fn(terminates=True)
    def never(failure: Failure | None = None) -> Any:
        return {}

    return pipe


@pytest.mark.parametrize(
    ("made", "options"),
    [
        *((made, {}) for made in (of_calls, of_chain, of_tasks, of_flow, of_routes)),
        (of_calls, {"executor": "sequential"}),
        (of_calls, {"executor": "process"}),
        (of_chain, {"strict": True}),
    ],
)
def test_a_run_ends_with_its_time_limit(made: Any, options: dict[str, Any]) -> None:
    """No step catches it, none begins after it, and the notice is that of AWS."""
    NOTICES.clear()
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="longer than timeout_seconds=1") as caught:
        made().local_run(**options)
    assert time.monotonic() - began < 7
    assert isinstance(caught.value, RunTimeoutError)
    assert isinstance(caught.value, LokkiError)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
    status = caught.value.run.status  # type: ignore[union-attr]
    assert status["slow"] == "interrupted"
    assert status.get("never", "not run") == "not run"
    [sent] = NOTICES
    assert (sent["error"], sent["cause"], sent["step"]) == ("States.Timeout", "", "slow")


@pytest.mark.parametrize("given", [0, -1, 31_536_001, 1.5, "60", True])
def test_other_limits_are_refused(given: Any) -> None:
    """A limit is a whole number of seconds up to a year, in each style."""
    made: list[Any] = [
        lambda: Pipeline("p", steps=[quick()], timeout_seconds=given),
        lambda: flow(timeout_seconds=given)(lambda: quick()),
        lambda: DAG("p", tasks=[], timeout_seconds=given),
        lambda: Flow("p", timeout_seconds=given),
        lambda: MicroFunctions("p", timeout_seconds=given),
    ]
    for one in made:
        with pytest.raises(OptionError, match="timeout_seconds must be") as caught:
            one()
        assert caught.value.place is not None
        assert caught.value.place.file == __file__


def test_a_run_within_its_limit_is_as_any_other() -> None:
    """Results, errors and the state machine's field."""
    pipeline = Pipeline("p", steps=[quick()], timeout_seconds=60)
    assert pipeline.local_run().result == 1
    assert pipeline.generate_step_functions()["TimeoutSeconds"] == 60
    assert "TimeoutSeconds" not in Pipeline("p", steps=[quick()]).generate_step_functions()
