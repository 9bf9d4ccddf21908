"""Retries of items."""

import itertools
import threading

import pytest

from lokki_tf.errors import StepFailed
from lokki_tf.local import run
from lokki_tf.model import RetryConfig


def same(value):
    return value


def odd_fails(number):
    if number % 2:
        raise ValueError(f"odd {number}")
    return number


def test_items_are_retried_each_on_its_own(build):
    """Every item has its own retries, for any node of its chain; the order is kept."""
    retry = RetryConfig(retries=2, delay=0.001)
    for options in ({}, {"executor": "sequential"}, {"max_workers": 2}, {"strict": True}):
        counts = [itertools.count() for _ in range(30)]

        def flaky(number, counts=counts):
            if next(counts[number]) < 2:
                raise OSError
            return number

        body = [
            build.node("a", same, build.item),
            build.node("b", flaky, build.out("a"), retry=retry),
            build.node("c", same, build.out("b")),
        ]
        assert run(build.pipeline(build.map("each", range(30), *body)), **options).result == [
            *range(30)
        ]
        assert [next(count) for count in counts] == [3] * 30


def test_retries_of_items_run_out(build):
    """An item that fails finally shows its number of attempts."""
    retry = RetryConfig(retries=2, delay=0)
    node = build.node("a", odd_fails, build.item, retry=retry)
    with pytest.raises(StepFailed, match="item 0: step 'a' failed after 3 attempts") as caught:
        run(build.pipeline(build.map("each", [1], node)))
    assert caught.value.attempts == 3


def test_a_retry_precedes_items_that_have_not_begun(build):
    """With one item in progress at most, the next waits until the retried one has ended."""
    seen = []

    def flaky(number):
        seen.append(number)
        if number == 1 and seen.count(1) < 3:
            raise OSError

    node = build.node("a", flaky, build.item, retry=RetryConfig(retries=2, delay=0.005, backoff=1))
    run(build.pipeline(build.map("each", range(4), node, concurrency_limit=1)))
    assert seen == [0, 1, 1, 1, 2, 3]


def test_items_that_wait_for_a_retry_block_no_worker(build):
    """A hundred items wait for their retry at the same time, with two workers."""
    failed = set()

    def flaky(number):
        if number not in failed:
            failed.add(number)
            raise OSError

    node = build.node("a", flaky, build.item, retry=RetryConfig(retries=1, delay=0.1))
    outcome = run(build.pipeline(build.map("each", range(100), node)), max_workers=2)
    assert outcome.duration < 1


@pytest.mark.parametrize("shape", ["straight", "branching"])
def test_a_failure_ends_the_wait_of_other_items(build, shape):
    """When a map fails, the run does not wait for retries of its items."""
    waiting = threading.Semaphore(0)

    def on_event(event):
        if event.kind == "step_retried":
            waiting.release()

    def step(number):
        if number == 5:
            # An item that fails while the map ends has failed too: these are to wait by then.
            for _ in range(5):
                waiting.acquire()
            raise ValueError("final")
        raise OSError

    retry = RetryConfig(retries=1, delay=600, exceptions=(OSError,))
    body = [build.node("a", step, build.item, retry=retry)]
    if shape == "branching":
        body.append(build.node("b", same, build.item))
        body.append(build.node("c", same, build.out("a"), after=["b"]))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.map("each", range(6), *body)), on_event=on_event)
    assert caught.value.items == (5,)
    assert caught.value.run.duration < 20


def test_a_failed_branch_ends_the_item(build):
    """An item with a failed branch is left out, without waiting for another branch's retry."""

    def waits(number):
        if number == 1:
            raise OSError
        return number

    retry = RetryConfig(retries=1, delay=600)
    body = [
        build.node("a", waits, build.item, retry=retry),
        build.node("b", odd_fails, build.item),
        build.node("c", same, build.out("a"), after=["b"]),
    ]
    each = build.map("each", range(3), *body, tolerated_failure_count=1)
    outcome = run(build.pipeline(each))
    assert outcome.result == [0, 2]
    assert outcome.duration < 20
