"""Items that fail: which of them, how many may, and what is told."""

import itertools
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from lokki_tf.errors import SerializationError, StepFailed
from lokki_tf.local import run
from lokki_tf.model import RetryConfig

EXECUTORS = ["thread", "sequential", "process", "own", "bounded", "listened"]


@pytest.fixture(params=EXECUTORS)
def options(request):
    with ThreadPoolExecutor(4) as pool:
        yield {
            "own": {"executor": pool},
            "bounded": {"max_workers": 2},
            "listened": {"on_event": lambda event: None},
        }.get(request.param, {"executor": request.param})


def odd_fails(number):
    if number % 2:
        raise ValueError(f"odd {number}")
    return number


def same(value):
    return value


def lock(_):
    return threading.Lock()


def each(build, items, *options, function=odd_fails, **named):
    return build.map(
        "each", items, build.node("score_2", function, build.item, step="score"), **named
    )


def test_a_failure_names_the_item(build, options):
    """Without tolerance the first failure fails the run; it names map, node, step and item."""
    pipeline = build.pipeline(each(build, [0, 2, 3]), build.node("next", same, build.out("each")))
    with pytest.raises(StepFailed) as caught:
        run(pipeline, **options)
    error = caught.value
    assert (error.node, error.step, error.items) == ("score_2", "score", (2,))
    assert error.place == build.place
    assert str(error).startswith(
        "map 'each' failed at item 2: node 'score_2' (step 'score') failed: ValueError: odd 3"
    )
    assert type(error.__cause__) is ValueError
    assert error.run.status == {"each": "failed", "next": "not run"}
    assert error.run.errors == {"each": error.__cause__}
    assert error.run.failed_items == {"each": {2: error.__cause__}}
    assert error.run.outputs == {}
    assert "each" in error.run.timings


@pytest.mark.parametrize(
    ("count", "percentage", "fails"),
    [
        (5, None, False),
        (4, None, True),
        (None, 50, False),
        (None, 49.9, True),
        (5, 49, True),
        (4, 100, True),
        (5, 50, False),
        (None, 100, False),
        (0, None, True),
        (None, 0, True),
    ],
)
@pytest.mark.parametrize("shape", ["straight", "branching", "batched"])
def test_so_many_items_may_fail(build, options, count, percentage, fails, shape):
    """A map fails when more fail than the count, or a larger share of all than the percentage."""
    body = [build.node("a", odd_fails, build.item)]
    if shape == "branching":
        body.append(build.node("b", same, build.item))
        body.append(build.node("c", same, build.out("a"), after=["b"]))
    pipeline = build.pipeline(
        build.map(
            "each",
            range(10),
            *body,
            tolerated_failure_count=count,
            tolerated_failure_percentage=percentage,
            batch_size=3 if shape == "batched" else 1,
        )
    )
    if not fails:
        outcome = run(pipeline, **options)
        assert outcome.result == [0, 2, 4, 6, 8]
        assert outcome.status == {"each": "done"}
        assert outcome.errors == {}
        assert {key: str(error) for key, error in outcome.failed_items["each"].items()} == {
            number: f"odd {number}" for number in (1, 3, 5, 7, 9)
        }
        return
    with pytest.raises(StepFailed) as caught:
        run(pipeline, **options)
    assert set(caught.value.items) <= {1, 3, 5, 7, 9}
    assert caught.value.items == tuple(caught.value.run.failed_items["each"])


def test_the_message_lists_the_first_items(build):
    """Of many failed items the first are listed, with how many there may be."""
    with pytest.raises(StepFailed) as caught:
        run(
            build.pipeline(each(build, range(20), tolerated_failure_count=6)), executor="sequential"
        )
    assert caught.value.message == (
        "map 'each' failed at 7 of 20 items (6 may): 1, 3, 5, 7, 9, …; "
        "item 1: node 'score_2' (step 'score') failed: ValueError: odd 1"
    )
    assert caught.value.items == (1, 3, 5, 7, 9, 11, 13)
    assert str(caught.value.__cause__) == "odd 1"


def test_nothing_begins_after_the_failure(build):
    """The items behind the one that failed too much do not begin, nor does what follows."""
    ran = []

    def step(number):
        ran.append(number)
        return odd_fails(number)

    pipeline = build.pipeline(
        each(build, [0, 2, 1, 4, 6], function=step), build.node("next", ran.append, "next")
    )
    for options in ({"executor": "sequential"}, {"max_workers": 1}):
        ran.clear()
        with pytest.raises(StepFailed):
            run(pipeline, **options)
        assert ran == [0, 2, 1]
    ran.clear()
    with ThreadPoolExecutor(1) as pool, pytest.raises(StepFailed):
        run(pipeline, executor=pool)
    assert 4 not in ran


def test_a_chain_in_flight_does_not_go_on(build):
    """An item whose first step runs when another item fails does not begin its second."""
    failed, second = threading.Event(), []

    def first(number):
        if number:
            failed.set()
            raise ValueError
        assert failed.wait(20)
        time.sleep(0.02)

    body = [build.node("a", first, build.item), build.node("b", second.append, build.out("a"))]
    with pytest.raises(StepFailed):
        run(build.pipeline(build.map("each", range(2), *body)))
    assert second == []


def test_a_failed_item_does_not_go_on(build, options):
    """Nodes behind the one that failed do not run for that item, and do for the others."""
    body = [build.node("a", odd_fails, build.item), build.node("b", same, build.out("a"))]
    outcome = run(
        build.pipeline(build.map("each", range(5), *body, tolerated_failure_count=2)), **options
    )
    assert outcome.result == [0, 2, 4]


def test_items_are_retried_each_on_its_own(build):
    """Every item has its retries, wherever in its chain it fails; the order is kept."""
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
    """An item that fails for good tells how often it was tried."""
    retry = RetryConfig(retries=2, delay=0)
    node = build.node("a", odd_fails, build.item, retry=retry)
    with pytest.raises(StepFailed, match="item 0: step 'a' failed after 3 attempts") as caught:
        run(build.pipeline(build.map("each", [1], node)))
    assert caught.value.attempts == 3


def test_a_retry_goes_before_items_that_have_not_begun(build):
    """With one item in flight at most, the next waits until the retried one has ended."""
    seen = []

    def flaky(number):
        seen.append(number)
        if number == 1 and seen.count(1) < 3:
            raise OSError

    node = build.node("a", flaky, build.item, retry=RetryConfig(retries=2, delay=0.005, backoff=1))
    run(build.pipeline(build.map("each", range(4), node, concurrency_limit=1)))
    assert seen == [0, 1, 1, 1, 2, 3]


def test_items_that_wait_for_a_retry_hold_no_worker(build):
    """A hundred items that wait for their retry do so at the same time, with two workers."""
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
    """When a map fails, items of it that wait for a retry are not waited for."""

    def step(number):
        if number == 5:
            raise ValueError("final")
        raise OSError

    retry = RetryConfig(retries=1, delay=600, exceptions=(OSError,))
    body = [build.node("a", step, build.item, retry=retry)]
    if shape == "branching":
        body.append(build.node("b", same, build.item))
        body.append(build.node("c", same, build.out("a"), after=["b"]))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.map("each", range(6), *body)))
    assert caught.value.items == (5,)
    assert caught.value.run.duration < 20


def test_a_failed_branch_ends_the_item(build):
    """An item of which one branch fails is left out, without a wait for another's retry."""

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


def nested(build, *, inner=None, outer=None):
    return build.pipeline(
        build.map(
            "outer",
            [[0, 2], [4, 1, 3], [6], [5]],
            build.map("inner", build.item, build.node("a", odd_fails, build.item), **(inner or {})),
            build.node("total", sum, build.out("inner")),
            **(outer or {}),
        )
    )


def test_an_inner_failure_is_one_of_the_outer_item(build, options):
    """A failed inner map fails its outer item, and the error tells the way to it."""
    with pytest.raises(StepFailed) as caught:
        run(nested(build), **options)
    error = caught.value
    assert error.node == "a"
    assert error.items in ((1,), (3,), (1, 3))
    assert "map 'outer' failed at" in error.message
    assert "map 'inner' failed at" in error.message
    assert type(error.__cause__) is ValueError
    assert set(error.run.failed_items) == {"outer", "inner"}
    assert set(error.run.failed_items["inner"]) <= {(1, 1), (1, 2), (3, 0)}


def test_outer_items_whose_inner_map_failed_may_be_tolerated(build, options):
    """The others go on and have their results."""
    outcome = run(nested(build, outer={"tolerated_failure_percentage": 50}), **options)
    assert outcome.result == [2, 6]
    assert list(outcome.failed_items["outer"]) == [1, 3]
    assert {(1, 1), (3, 0)} <= {*outcome.failed_items["inner"], (1, 1)}


def test_inner_items_may_be_tolerated(build, options):
    """What an inner map tolerates is no failure of the outer item."""
    outcome = run(nested(build, inner={"tolerated_failure_percentage": 100}), **options)
    assert outcome.result == [2, 4, 6, 0]
    assert list(outcome.failed_items) == ["inner"]
    assert list(outcome.failed_items["inner"]) == [(1, 1), (1, 2), (3, 0)]


def test_a_failed_outer_item_stops_its_inner_map(build):
    """When another branch of an item fails, items of the inner map beside it do not begin."""
    began = []

    def step(number):
        began.append(number)
        time.sleep(0.005)

    inner = build.map("inner", range(1000), build.node("a", step, build.item), concurrency_limit=2)
    bad = build.node("bad", lambda _: time.sleep(0.02) or odd_fails(1), build.item)
    meet = build.node("meet", len, build.out("inner"), after=["bad"])
    outer = build.map("outer", [1], inner, bad, meet, tolerated_failure_count=1)
    outcome = run(build.pipeline(outer, build.node("next", same, build.out("outer"))))
    assert outcome.result == []
    assert len(began) < 500


@pytest.mark.parametrize("items", [3, None, 2.5, len])
def test_what_is_no_list_is_refused(build, options, items):
    """The error names the map and the type that came instead of items."""
    pipeline = build.pipeline(each(build, items))
    with pytest.raises(
        StepFailed, match="map 'each' failed: TypeError: map 'each' runs for"
    ) as got:
        run(pipeline, **options)
    assert type(items).__qualname__ in str(got.value.__cause__)
    assert type(got.value.__cause__) is TypeError
    assert got.value.run.status == {"each": "failed"}


def test_an_iterator_that_raises_fails_the_map(build):
    """What an iterable of the user's raises is the cause."""

    class Broken:
        def __iter__(self):
            yield 1
            raise OSError("no more")

    with pytest.raises(StepFailed, match="map 'each' failed: OSError: no more"):
        run(build.pipeline(each(build, Broken())))


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(("executor", "strict"), [("thread", True), ("process", False)])
def test_a_result_that_cannot_travel_is_a_failure_of_its_item(build, executor, strict, batch_size):
    """It may be tolerated; if not, the error tells the item, and it is about the value."""
    given = {"function": lock, "batch_size": batch_size}
    with pytest.raises(
        SerializationError, match=r"map 'each' failed at .*the result of node"
    ) as got:
        run(build.pipeline(each(build, range(3), **given)), executor=executor, strict=strict)
    assert got.value.items
    tolerant = build.pipeline(each(build, range(8), tolerated_failure_percentage=100, **given))
    outcome = run(tolerant, executor=executor, strict=strict)
    assert outcome.result == []
    assert len(outcome.failed_items["each"]) == 8


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_item_that_cannot_travel_to_a_process_fails_alone(build, batch_size):
    """The items beside it in its batch are called all the same."""
    items = [1, threading.Lock(), 3, 4]
    given = {"batch_size": batch_size, "tolerated_failure_count": 1, "function": str}
    outcome = run(build.pipeline(each(build, items, **given)), executor="process", max_workers=1)
    assert outcome.result == ["1", "3", "4"]
    assert list(outcome.failed_items["each"]) == [1]


def die(_):
    import os

    os._exit(3)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_worker_that_dies_is_not_tolerated(build, batch_size):
    """A broken pool ends the run, whatever the map tolerates."""
    given = {"tolerated_failure_percentage": 100, "function": die, "batch_size": batch_size}
    with pytest.raises(StepFailed, match="BrokenProcessPool") as caught:
        run(build.pipeline(each(build, range(9), **given)), executor="process", max_workers=1)
    assert "os._exit()" in str(caught.value)
    with (
        ProcessPoolExecutor(1, get_context("fork")) as pool,
        pytest.raises(StepFailed, match="BrokenProcessPool"),
    ):
        run(build.pipeline(each(build, range(9), **given)), executor=pool)


def test_other_nodes_are_told_beside_the_map(build):
    """A node that fails while a map does stands in the notes, and so the other way round."""
    barrier = threading.Barrier(2, timeout=20)

    def bad(*_):
        barrier.wait()
        raise ValueError("both")

    pipeline = build.pipeline(each(build, [1], function=bad), build.node("beside", bad))
    with pytest.raises(StepFailed) as caught:
        run(pipeline)
    assert set(caught.value.run.errors) == {"each", "beside"}
    (note,) = caught.value.__notes__
    told = {caught.value.message, note.removeprefix("also failed: ").splitlines()[0]}
    assert told == {
        "map 'each' failed at item 0: node 'score_2' (step 'score') failed: ValueError: both",
        "step 'beside' failed: ValueError: both",
    }


def test_a_map_beside_a_failure_ends_where_it_is(build):
    """Its items in flight end, no more begin, and it has no result."""
    began, failed = threading.Event(), threading.Event()

    def bad():
        assert began.wait(20)
        failed.set()
        raise ValueError

    def step(number):
        began.set()
        assert failed.wait(20)
        time.sleep(0.02)
        return number

    pipeline = build.pipeline(
        build.node("bad", bad), each(build, range(1000), function=step, concurrency_limit=2)
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline, max_workers=3)
    assert caught.value.run.status == {"bad": "failed", "each": "interrupted"}


def test_the_table_tells_how_many_are_left_out(build):
    """A map that tolerated failures says so where its result stands."""
    outcome = run(build.pipeline(each(build, range(10), tolerated_failure_count=5)))
    assert "without 5 that failed: [0, 2, 4, 6, 8]" in outcome.table()
