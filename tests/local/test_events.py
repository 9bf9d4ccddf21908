"""The stream of events."""

import threading
import time

import pytest

from lokki_tf.errors import StepFailed
from lokki_tf.local import Event, run
from lokki_tf.model import RetryConfig


def same(value):
    return value


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
def test_events_cover_the_run_from_start_to_end(build, executor):
    """A run has an event for its start, each step's start and end, and its end, with names."""
    events: list[Event] = []
    before = time.time()
    pipeline = build.pipeline(
        build.node("a", same, 1), build.node("b_2", same, build.out("a"), step="b")
    )
    run(pipeline, executor=executor, on_event=events.append)
    assert [(event.kind, event.node, event.step) for event in events] == [
        ("run_started", None, None),
        ("step_started", "a", "a"),
        ("step_finished", "a", "a"),
        ("step_started", "b_2", "b"),
        ("step_finished", "b_2", "b"),
        ("run_finished", None, None),
    ]
    assert all(before <= event.time <= time.time() for event in events)
    assert all((event.duration is None) == event.kind.endswith("started") for event in events)
    assert {event.pipeline for event in events} == {"nightly"}


def test_retries_and_failures_are_events(build):
    """Each attempt has an event with its number, and the failure one with its error."""
    events: list[Event] = []

    def bad():
        raise ValueError("no")

    retry = RetryConfig(retries=1, delay=0)
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", bad, retry=retry)), on_event=events.append)
    assert [(event.kind, event.attempt) for event in events] == [
        ("run_started", 1),
        ("step_started", 1),
        ("step_retried", 1),
        ("step_started", 2),
        ("step_failed", 2),
        ("run_finished", 1),
    ]
    assert events[2].error is not None
    assert events[4].error is caught.value.__cause__
    assert events[5].error is caught.value


def even(value):
    if value % 2:
        raise ValueError(value)
    return value


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_items_of_maps_are_events(build, executor, batch_size):
    """A map's event has its number of items; the events of its steps have the item's index."""
    events: list[Event] = []
    each = build.map(
        "each",
        range(5),
        build.node("check_2", even, build.item, step="check"),
        build.node("then", same, build.out("check_2")),
        tolerated_failure_count=2,
        batch_size=batch_size,
    )
    run(build.pipeline(each), executor=executor, on_event=events.append)
    first, started, *told, finished, last = events
    assert (first.kind, last.kind, last.error) == ("run_started", "run_finished", None)
    assert (started.kind, started.node, started.step) == ("map_started", "each", None)
    assert (finished.kind, finished.node, finished.error) == ("map_finished", "each", None)
    assert started.total == finished.total == 5
    assert started.item is finished.item is started.duration is None
    assert finished.duration >= 0
    assert {event.total for event in told} == {None}
    for item in range(5):
        kinds = [(event.kind, event.node, event.step) for event in told if event.item == item]
        if item % 2:
            assert kinds == [
                ("step_started", "check_2", "check"),
                ("step_failed", "check_2", "check"),
            ]
        else:
            assert kinds == [
                ("step_started", "check_2", "check"),
                ("step_finished", "check_2", "check"),
                ("step_started", "then", "then"),
                ("step_finished", "then", "then"),
            ]


@pytest.mark.parametrize("executor", ["thread", "sequential"])
def test_nested_and_failed_maps_are_events(build, executor):
    """An inner map's event has the outer item, and a failed one's has the error."""
    events: list[Event] = []
    inner = build.map("inner", build.item, build.node("check", even, build.item))
    outer = build.map("outer", [[0], [], [1], 7], inner, tolerated_failure_count=2)
    run(build.pipeline(outer), executor=executor, on_event=events.append)
    told = [event for event in events if event.node == "inner"]
    assert sorted(
        (event.item, event.kind, event.total, type(event.error).__name__) for event in told
    ) == [
        (0, "map_finished", 1, "NoneType"),
        (0, "map_started", 1, "NoneType"),
        (1, "map_finished", 0, "NoneType"),
        (1, "map_started", 0, "NoneType"),
        (2, "map_finished", 1, "ValueError"),
        (2, "map_started", 1, "NoneType"),
        (3, "map_finished", 0, "TypeError"),
        (3, "map_started", 0, "NoneType"),
    ]
    steps = [(event.item, event.kind) for event in events if event.node == "check"]
    assert steps.count((0, "step_failed")) == 1


def test_events_come_one_at_a_time(build):
    """A listener is never called from two threads at once."""
    inside, overlaps = threading.Lock(), []

    def on_event(_):
        if not inside.acquire(blocking=False):
            overlaps.append(1)
            return
        time.sleep(0.0005)
        inside.release()

    run(build.pipeline(*(build.node(f"n{i}", same, i) for i in range(50))), on_event=on_event)
    assert overlaps == []


def test_a_start_comes_after_the_predecessors_ends(build):
    """Every step's start comes after the ends of its predecessors."""
    names = []
    nodes = [build.node(f"a{i}", time.sleep, 0.001) for i in range(10)]
    nodes += [build.node(f"b{i}", same, i, after=[f"a{i}"]) for i in range(10)]
    run(build.pipeline(*nodes), on_event=lambda event: names.append((event.kind, event.node)))
    for i in range(10):
        assert names.index(("step_finished", f"a{i}")) < names.index(("step_started", f"b{i}"))


def test_a_listener_that_fails_is_dropped_with_a_warning(build):
    """An error of the listener causes one warning and does not affect the run."""

    def on_event(_):
        raise ZeroDivisionError

    pipeline = build.pipeline(build.node("a", same, 1), build.node("b", same, 2))
    with pytest.warns(RuntimeWarning, match="ZeroDivisionError") as warned:
        outcome = run(pipeline, on_event=on_event)
    assert outcome.outputs == {"a": 1, "b": 2}
    assert len(warned) == 1
