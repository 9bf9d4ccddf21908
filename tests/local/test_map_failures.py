"""Items that fail: which, how many may, and what is reported."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lokki_tf.errors import StepFailed
from lokki_tf.local import run


def odd_fails(number):
    if number % 2:
        raise ValueError(f"odd {number}")
    return number


def same(value):
    return value


def each(build, items, function=odd_fails, **named):
    return build.map(
        "each", items, build.node("score_2", function, build.item, step="score"), **named
    )


def test_a_failure_contains_the_item(build, way):
    """Without tolerance the first failure fails the run; it contains map, node, step and item."""
    pipeline = build.pipeline(each(build, [0, 2, 3]), build.node("next", same, build.out("each")))
    with pytest.raises(StepFailed) as caught:
        run(pipeline, **way)
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
def test_a_number_of_items_may_fail(build, way, count, percentage, fails, shape):
    """A map fails if more items fail than the count, or a larger share than the percentage."""
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
        outcome = run(pipeline, **way)
        assert outcome.result == [0, 2, 4, 6, 8]
        assert outcome.status == {"each": "done"}
        assert outcome.errors == {}
        assert {key: str(error) for key, error in outcome.failed_items["each"].items()} == {
            number: f"odd {number}" for number in (1, 3, 5, 7, 9)
        }
        return
    with pytest.raises(StepFailed) as caught:
        run(pipeline, **way)
    assert set(caught.value.items) <= {1, 3, 5, 7, 9}
    assert caught.value.items == tuple(caught.value.run.failed_items["each"])


def test_the_message_lists_the_first_items(build):
    """The message lists the first failed items, and how many may fail."""
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
    """After too many failures no more items begin, nor do successors of the map."""
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


def test_a_started_chain_does_not_continue(build):
    """An item whose first step is running when the map fails does not begin its second."""
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


def test_a_failed_item_does_not_continue(build, way):
    """Nodes after a failed one do not run for that item, but for the others."""
    body = [build.node("a", odd_fails, build.item), build.node("b", same, build.out("a"))]
    outcome = run(
        build.pipeline(build.map("each", range(5), *body, tolerated_failure_count=2)), **way
    )
    assert outcome.result == [0, 2, 4]


@pytest.mark.parametrize("items", [3, None, 2.5, len])
def test_items_must_be_iterable(build, way, items):
    """Items that cannot be iterated are an error with the map and their type."""
    pipeline = build.pipeline(each(build, items))
    with pytest.raises(
        StepFailed, match="map 'each' failed: TypeError: map 'each' requires a list"
    ) as got:
        run(pipeline, **way)
    assert type(items).__qualname__ in str(got.value.__cause__)
    assert type(got.value.__cause__) is TypeError
    assert got.value.run.status == {"each": "failed"}


def test_an_iterator_that_raises_fails_the_map(build):
    """An error of a custom iterable is the cause."""

    class Broken:
        def __iter__(self):
            yield 1
            raise OSError("no more")

    with pytest.raises(StepFailed, match="map 'each' failed: OSError: no more"):
        run(build.pipeline(each(build, Broken())))


def test_failures_beside_the_map_are_notes(build):
    """The notes of a failure contain failures of nodes and maps at the same time."""
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


def test_a_map_beside_a_failure_stops(build):
    """After a failure elsewhere, started items end, no more begin, and the map has no result."""
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


def test_the_table_shows_how_many_are_left_out(build):
    """The result of a map that tolerated failures shows their number."""
    outcome = run(build.pipeline(each(build, range(10), tolerated_failure_count=5)))
    assert "without 5 that failed: [0, 2, 4, 6, 8]" in outcome.table()


def test_queued_items_of_an_executor_are_cancelled(build, stalled):
    """Calls for items that wait in an executor are cancelled after a failure."""
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(each(build, [1, *range(20)])), executor=stalled)
    assert caught.value.items == (0,)
    assert len(stalled.queued) == 21
    assert all(future.cancelled() for future in stalled.queued[1:])
