"""Selection of the next node."""

import pytest

from lokki_tf.local.frames import Frame, MapRun
from lokki_tf.local.plan import RunPlan
from lokki_tf.local.schedule import LONGEST_WAIT, Schedule, Timers
from lokki_tf.local.tasks import Call, Closing, Opening, Sweep
from lokki_tf.model import Graph


def started(*nodes, **options):
    """Return a schedule of a graph, and the graph's frame."""
    plan = RunPlan(Graph(nodes))
    root = Frame(plan, plan.values({}))
    return Schedule(root, **options), root


def picked(schedule):
    """Return all tasks that can be picked now."""
    return list(iter(schedule.pick, None))


def test_a_node_is_ready_when_its_last_predecessor_has_ended(build):
    """A node becomes ready with the end of its last predecessor."""
    schedule, root = started(
        build.node("a", print),
        build.node("b", print),
        build.node("c", print, build.out("a"), after=["b"]),
    )
    assert [task.index for task in picked(schedule)] == [0, 1]
    schedule.ended(root, 0)
    assert picked(schedule) == []
    schedule.ended(root, 1)
    assert [task.index for task in picked(schedule)] == [2]
    assert not schedule.is_over
    schedule.ended(root, 2)
    assert schedule.is_over


def test_a_predecessor_that_is_used_twice_counts_once(build):
    """A node that uses a result twice, and also comes after it, waits for it once."""
    schedule, root = started(
        build.node("a", print),
        build.node("b", print, build.out("a"), build.out("a"), after=["a"]),
    )
    schedule.pick()
    schedule.ended(root, 0)
    assert [task.index for task in picked(schedule)] == [1]


def opened(build, *body, items=range(5), sweeps=False, workers=0, **options):
    """Return a schedule with a map that has just been opened, and the map."""
    body = body or (build.node("a", print, build.item),)
    schedule, root = started(
        build.map("each", items, *body, **options), sweeps=sweeps, workers=workers
    )
    (task,) = picked(schedule)
    assert isinstance(task, Opening)
    run = MapRun(root, 0, items, {})
    schedule.opened(run)
    return schedule, run


def test_items_begin_up_to_the_limit(build):
    """Only as many items begin as the limit allows; another one when one has ended."""
    schedule, run = opened(build, concurrency_limit=2)
    assert schedule.room(8) == 2
    calls = picked(schedule)
    assert [call.frame.item for call in calls] == [0, 1]
    assert schedule.room(8) == 0
    schedule.ended(calls[0].frame, 0)
    assert [call.frame.item for call in picked(schedule)] == [2]
    assert run.remaining == 2


def test_a_map_is_closed_when_its_last_item_has_ended(build):
    """The closing task comes once, and then the map's successors."""
    schedule, run = opened(build, items=range(2))
    first, second = picked(schedule)
    schedule.ended(second.frame, 0)
    assert picked(schedule) == []
    schedule.ended(first.frame, 0)
    (closing,) = picked(schedule)
    assert isinstance(closing, Closing)
    closing.settle(schedule)
    assert schedule.is_over
    assert run.in_flight == 0


def test_begun_items_precede_others(build):
    """The second node of an item is picked before the first of another."""
    body = (build.node("a", print, build.item), build.node("b", print, build.out("a")))
    schedule, _ = opened(build, *body)
    call = schedule.pick()
    schedule.ended(call.frame, 0)
    following = schedule.pick()
    assert (following.frame, following.index) == (call.frame, 1)


def test_a_straight_body_is_swept_if_workers_may(build):
    """A sweep counts as an item in progress; more can join as long as there are items."""
    schedule, run = opened(build, sweeps=True, concurrency_limit=3)
    sweeps = [schedule.pick() for _ in range(3)]
    assert all(isinstance(sweep, Sweep) for sweep in sweeps)
    assert schedule.pick() is None
    assert run.in_flight == 3
    body = (build.node("a", print, build.item), build.node("b", print, build.item))
    schedule, _ = opened(build, *body, build.node("c", print, after=["a", "b"]), sweeps=True)
    assert isinstance(schedule.pick(), Call)


@pytest.mark.parametrize(
    ("workers", "limit", "sizes"),
    [(2, None, [3, 3, 2, 1, 1]), (2, 2, [1, 1]), (20, None, [1] * 10)],
)
def test_batches_leave_something_for_every_worker(build, workers, limit, sizes):
    """A batch has at most its size, and at most the share of one worker."""
    schedule, _ = opened(
        build, items=range(10), workers=workers, batch_size=3, concurrency_limit=limit
    )
    found = []
    while (call := schedule.pick()) is not None:
        batch = [call, *iter(lambda call=call: schedule.pick_beside(call), None)]
        found.append(len(batch))
    assert found == sizes


def test_a_stopped_map_begins_nothing_and_is_closed(build):
    """Items that have not begun are skipped, and those that wait for a retry dropped."""
    schedule, run = opened(build)
    waiting, failing = schedule.pick(), schedule.pick()
    schedule.again(waiting, 600)
    failing.frame.stopped = run.stopped = True
    schedule.ended(failing.frame, 0)
    assert not schedule.timers
    (closing,) = picked(schedule)
    assert isinstance(closing, Closing)


def test_timers_give_the_earliest_first():
    """Things come out by their times, and none before its time."""
    timers = Timers()
    timers.add(3.0, 30)
    timers.add(1.0, 10)
    timers.add(2.0, 20)
    assert timers.earliest() == 1.0
    assert timers.due(0.5) == []
    assert timers.due(2.0) == [10, 20]
    assert timers.wait(2.5) == 0.5
    assert timers.due(9.0) == [30]
    assert not timers


def test_things_that_cannot_be_compared_may_be_due_together():
    """Of things that are due at the same time, the one added first comes first."""
    timers = Timers()
    one, other = object(), object()
    timers.add(1.0, one)
    timers.add(1.0, other)
    assert timers.take_if(lambda thing: thing is other) == [other]
    assert timers.due(1.0) == [one]


def test_a_wait_is_bounded():
    """A distant time, or none, gives a wait that the system accepts."""
    timers = Timers()
    assert timers.wait(0.0) is None
    timers.add(float("inf"), 1)
    assert timers.wait(0.0) == LONGEST_WAIT
