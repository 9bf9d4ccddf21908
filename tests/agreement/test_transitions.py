"""State transitions of each feature: AWS bills them, so none is made that is not needed."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from lokki_tf import (
    MicroFunctions,
    NotReady,
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    chain,
    run_context,
    start_pipeline,
    step,
)
from lokki_tf.testing import LocalAws


class Pair(NamedTuple):
    left: int
    right: int


@step
def first() -> int:
    return 1


@step
def second(number: int) -> int:
    return number + 1


@step
def third(number: int) -> int:
    return number + 1


@step
def pair() -> Pair:
    return Pair(1, 2)


@step
def reads_context(number: int) -> int:
    return number + run_context().attempt


@step(retry=[RetryConfig(2, exceptions=KeyError), RetryConfig(1, exceptions="States.Timeout")])
def retried(number: int) -> int:
    return number + 1


@step(catch=ValueError)
def caught(number: int) -> Any:
    raise ValueError(str(number))


@step(poll=1, poll_timeout=60)
def polls(number: int) -> int:
    if run_context().attempt < 3:
        raise NotReady("not yet")
    return number


@step(callback=True, timeout_seconds=60)
def asks(number: int) -> None: ...


@step
def release(first: int | None) -> None: ...


@step
def text(value: object) -> str:
    return type(value).__name__


ROUTED = MicroFunctions("begin", name="c-inner")


@ROUTED.fn()
def begin(number: int) -> ReturnUpdates:
    return ReturnUpdates("end")


@ROUTED.fn(terminates=True)
def end(number: int) -> dict[str, int]:
    return {"number": number}


PLAIN = second(first())
CHILD = Pipeline("counted-child", steps=[second(Parameter("number", int, default=1))])
FEATURES: dict[str, tuple[Pipeline, int]] = {
    "plain": (Pipeline("c-plain", steps=[third(PLAIN)]), 3),
    "parameter": (
        Pipeline("c-parameter", steps=[third(second(Parameter("n", int, default=1)))]),
        2,
    ),
    "part": (Pipeline("c-part", steps=[third(second(pair().right))]), 3),
    "context": (Pipeline("c-context", steps=[third(reads_context(first()))]), 3),
    "retriers": (Pipeline("c-retriers", steps=[third(retried(first()))]), 3),
    "catch": (Pipeline("c-catch", steps=[text(caught(first()))]), 3),
    "timeout": (Pipeline("c-timeout", steps=[third(PLAIN)], timeout_seconds=600), 3),
    "wait": (Pipeline("c-wait", steps=[third(chain(first()).wait(seconds=0).next(second))]), 4),
    "poll": (Pipeline("c-poll", steps=[third(polls(first()))]), 3),
    "callback": (Pipeline("c-callback", steps=[third(asks(first()))]), 3),
    "included": (Pipeline("c-included", steps=[third(CHILD(number=first()))]), 3),
    # Two steps, in a state around them.
    "routed": (Pipeline("c-routed", steps=[third(ROUTED(number=first())["number"])]), 5),
    "start": (
        Pipeline("c-start", steps=[third(start_pipeline("counted-child").after(first()))]),
        4,
    ),
    "start-with": (
        Pipeline("c-with", steps=[third(start_pipeline("counted-child", {"number": first()}))]),
        5,
    ),
    "limit": (Pipeline("c-limit", steps=[third(PLAIN)], max_concurrent_runs=1), 4),
    # The states before the first step and before the end, and the step itself.
    "cleanup": (Pipeline("c-cleanup", steps=[third(PLAIN)], cleanup=release), 5),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_no_more_transitions_than_it_needs(feature: str, aws: LocalAws) -> None:
    """Three steps have three; waits, starts, limits of runs and cleanup steps add states."""
    pipeline, count = FEATURES[feature]
    execution = aws.run(pipeline, answers={"asks": 1} if feature == "callback" else None)
    assert execution.succeeded, execution.cause
    entered = [one for one in execution.history if one["type"].endswith("StateEntered")]
    assert len(entered) == count, [one["stateEnteredEventDetails"]["name"] for one in entered]


def test_a_poll_is_billed_for_its_attempts_only(aws: LocalAws) -> None:
    """Three attempts are three calls, between which no state is entered and no function runs."""
    execution = aws.run(FEATURES["poll"][0])
    scheduled = [one for one in execution.history if one["type"] == "TaskScheduled"]
    assert len(scheduled) == 2 + 3


def test_routes_with_waits_and_catches_add_none_unless_taken(aws: LocalAws) -> None:
    """A step with catch= that succeeds has one transition; so has a return without a wait."""
    pipe = MicroFunctions("begin", name="c-routes")

    @pipe.fn(catch={ValueError: "end"})
    def begin() -> ReturnUpdates:
        return ReturnUpdates("end", number=1)

    @pipe.fn(terminates=True)
    def end(number: int = 0) -> dict[str, int]:
        return {"number": number}

    execution = aws.run(pipe)
    entered = [one for one in execution.history if one["type"].endswith("StateEntered")]
    assert len(entered) == 2


@pytest.fixture(scope="module")
def aws(local_aws: LocalAws) -> LocalAws:
    """The account of all tests."""
    return local_aws
