"""Retries: errors, numbers and delays."""

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lokki_tf.errors import OptionError, StepFailed
from lokki_tf.local import run
from lokki_tf.local.retry import Retries
from lokki_tf.model import RetryConfig
from lokki_tf.model.retries import reported_as

EXECUTORS = ["thread", "sequential", "own", "bounded"]


class Transient(ConnectionError):
    pass


@pytest.fixture(params=EXECUTORS)
def options(request):
    if request.param == "own":
        with ThreadPoolExecutor(4) as pool:
            yield {"executor": pool}
    elif request.param == "bounded":
        yield {"max_workers": 2}
    else:
        yield {"executor": request.param}


def flaky(failures, error=Transient):
    """Return a function that raises several times, and then returns its number of attempts."""
    count = itertools.count(1)

    def step():
        attempt = next(count)
        if attempt <= failures:
            raise error(f"attempt {attempt}")
        return attempt

    return step


def test_a_subclass_of_a_listed_error_is_retried(build, options):
    """An error of a subclass of a listed exception is retried until the step succeeds."""
    retry = RetryConfig(retries=3, delay=0.001, exceptions=(OSError,))
    outcome = run(build.pipeline(build.node("a", flaky(3), retry=retry)), **options)
    assert outcome.result == 4
    assert outcome.attempts == {"a": 4}
    assert outcome.errors == {}
    assert outcome.status == {"a": "done"}


def test_retries_run_out(build, options):
    """After the last retry the failure is final and shows the number of attempts."""
    retry = RetryConfig(retries=2, delay=0.001)
    with pytest.raises(StepFailed, match=r"failed after 3 attempts.*attempt 3") as caught:
        run(build.pipeline(build.node("a", flaky(9), retry=retry)), **options)
    assert caught.value.attempts == 3
    assert caught.value.run.attempts == {"a": 3}


def test_other_errors_are_final(build, options):
    """An error that is not listed is not retried."""
    retry = RetryConfig(retries=5, delay=0.001, exceptions=(OSError,))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", flaky(1, ValueError), retry=retry)), **options)
    assert caught.value.attempts == 1


def test_a_waiting_node_blocks_no_worker(build):
    """With two workers, other steps run while one node waits for its retry."""
    events = []
    retry = RetryConfig(retries=1, delay=1.5)
    nodes = [build.node("flaky", flaky(1), retry=retry)]
    barriers = [threading.Barrier(2, timeout=20) for _ in range(3)]
    for number, barrier in enumerate(barriers):
        after = [] if number == 0 else [f"x{number - 1}", f"y{number - 1}"]
        after.append("start")
        nodes += [build.node(f"{side}{number}", barrier.wait, after=after) for side in "xy"]
    nodes.insert(1, build.node("start", time.time))
    run(
        build.pipeline(*nodes),
        max_workers=2,
        on_event=lambda event: events.append((event.kind, event.node)),
    )
    assert events.index(("step_finished", "y2")) < events.index(("step_finished", "flaky"))


def test_other_steps_run_while_all_wait_for_a_retry(build):
    """A step that becomes ready during the wait starts at once, with any number of threads."""
    retry = RetryConfig(retries=1, delay=0.1)
    pipeline = build.pipeline(
        build.node("flaky", flaky(1), retry=retry),
        build.node("a", time.sleep, 0.01),
        build.node("b", time.sleep, 0.01, after=["a"]),
        build.node("c", time.time, after=["b", "flaky"]),
    )
    timings = run(pipeline).timings
    assert timings["b"][1] < timings["flaky"][1] < timings["c"][1]


def test_retries_are_due_while_every_thread_is_busy(build):
    """A retry begins on time while a longer step is running."""
    ended = threading.Event()

    def ends():
        ended.set()

    retry = RetryConfig(retries=1, delay=0.02)
    pipeline = build.pipeline(
        build.node("long", ended.wait, 20),
        build.node("flaky", flaky(1), retry=retry),
        build.node("then", ends, after=["flaky"]),
    )
    assert run(pipeline).outputs["long"] is True


def test_many_retries_at_once(build, options):
    """Fifty nodes that each fail twice all succeed."""
    retry = RetryConfig(retries=2, delay=0.005, jitter=True)
    nodes = [build.node(f"n{i}", flaky(2), retry=retry) for i in range(50)]
    outcome = run(build.pipeline(*nodes), **options)
    assert set(outcome.attempts.values()) == {3}


def test_a_failure_ends_the_wait_of_others(build):
    """When another step fails finally, the run does not wait for a retry."""
    waits = threading.Event()

    def bad():
        assert waits.wait(20)
        raise ValueError("final")

    def on_event(event):
        if event.kind == "step_retried":
            waits.set()

    pipeline = build.pipeline(
        build.node("flaky", flaky(1), retry=RetryConfig(retries=1, delay=600)),
        build.node("bad", bad),
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline, on_event=on_event)
    assert caught.value.node == "bad"
    assert caught.value.run.status == {"flaky": "failed", "bad": "failed"}
    assert "not tried again" in caught.value.__notes__[0]
    assert "attempt 1" in caught.value.__notes__[0]


@pytest.mark.parametrize("listed", [SystemExit, Exception, "States.ALL", "States.TaskFailed"])
def test_a_retrier_of_every_error_includes_system_exit(build, listed):
    """As in AWS, a retrier of ``Exception`` retries every error, ``SystemExit`` too."""
    retry = RetryConfig(retries=1, delay=0, exceptions=(listed,))
    assert run(build.pipeline(build.node("a", flaky(1, SystemExit), retry=retry))).result == 2
    other = RetryConfig(retries=1, delay=0, exceptions=(OSError,))
    with pytest.raises(StepFailed):
        run(build.pipeline(build.node("a", flaky(1, SystemExit), retry=other)))


def test_delays_grow_to_their_bound():
    """Each delay is the previous one times backoff, up to max_delay."""
    retries = Retries()
    config = RetryConfig(retries=4, delay=1, backoff=3, max_delay=5)
    delays = [retries.delay(0, (config,), ValueError()) for _ in range(5)]
    assert delays == [1, 3, 5, 5, None]


def test_jitter_stays_below_the_delay():
    """With jitter each delay is between 0 and the delay without jitter."""
    retries = Retries()
    config = RetryConfig(retries=100, delay=2, backoff=1, jitter=True)
    delays = [retries.delay(0, (config,), ValueError()) for _ in range(100)]
    assert all(0 <= delay <= 2 for delay in delays)
    assert len(set(delays)) > 1


def test_a_replaced_error_counts_as_the_original():
    """The replacement of an error that could not be pickled is recognised by its classes."""
    error = RuntimeError()
    error.__lokki_classes__ = ("builtins.OSError", "builtins.Exception")
    assert reported_as(error, [(KeyError,), (OSError,)]) is OSError
    assert reported_as(error, [(KeyError,)]) is None


class Both(KeyError, ConnectionError):
    """An error that two retriers include."""


def test_the_first_retrier_that_lists_an_error_decides(build, options):
    """Each retrier has its own count; once it is used up, later ones are not tried."""
    errors = iter([OSError, KeyError, OSError, OSError])

    def fails():
        raise next(errors)

    retry = [
        RetryConfig(retries=2, delay=0, exceptions=(OSError,)),
        RetryConfig(retries=5, delay=0),
    ]
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", fails, retry=retry)), **options)
    assert caught.value.attempts == 4


def test_an_error_counts_as_its_first_listed_base(build):
    """An error under two listed classes counts as the one that Python finds first."""
    retry = [
        RetryConfig(retries=1, delay=0, exceptions=(OSError,)),
        RetryConfig(retries=4, delay=0, exceptions=(KeyError,)),
    ]
    assert run(build.pipeline(build.node("a", flaky(4, Both), retry=retry))).result == 5


@pytest.mark.parametrize("name", ["Lambda.Unknown", "Batch.ServerException", "States.Timeout"])
def test_names_of_what_did_not_happen_do_not_match(build, name):
    """An error of the step is not what AWS reports for other failures."""
    retry = RetryConfig(retries=2, delay=0, exceptions=(name,))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", flaky(1, TimeoutError), retry=retry)))
    assert caught.value.attempts == 1


@pytest.mark.parametrize("jitter", ["full", 1, None])
def test_jitter_is_a_bool(jitter: Any) -> None:
    """Another value, such as the ``FULL`` of Step Functions, is an error instead of true."""
    with pytest.raises(OptionError, match="jitter must be True or False"):
        RetryConfig(retries=1, jitter=jitter)
