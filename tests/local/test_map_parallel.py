"""Items of maps run in parallel, up to the limits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lokki_tf.local import run


def add(value, more=1):
    return value + more


def pair(first, second):
    return (first, second)


def same(value):
    return value


def test_all_items_run_at_once(build):
    """64 items that each wait for all others run at the same time."""
    barrier = threading.Barrier(64, timeout=20)
    wait = build.node("wait", lambda _: barrier.wait(), build.item)
    assert sorted(run(build.pipeline(build.map("each", range(64), wait))).result) == [*range(64)]


def test_slow_items_behind_quick_ones_run_at_once(build):
    """64 slow items after a thousand fast ones run at the same time."""
    barrier = threading.Barrier(64, timeout=20)

    def step(number):
        return number if number < 1000 else 1000 + barrier.wait()

    wait = build.node("wait", step, build.item)
    result = run(build.pipeline(build.map("each", range(1064), wait))).result
    assert sorted(result) == [*range(1064)]


def test_items_of_items_run_at_once(build):
    """All inner items of all outer items run at the same time, and so do their branches."""
    barrier = threading.Barrier(4 * 4 * 3, timeout=20)
    branches = [
        build.node(name, lambda _: barrier.wait() >= 0, build.item) for name in ("a", "b", "c")
    ]
    meet = build.node("meet", all, build.group("list", tuple(build.out(name) for name in "abc")))
    inner = build.map("inner", range(4), *branches, meet)
    assert run(build.pipeline(build.map("outer", range(4), inner))).result == [[True] * 4] * 4


def test_an_item_continues_without_waiting_for_the_others(build):
    """An item's second step runs while another's first is still running."""
    second_began = threading.Event()

    def first(number):
        assert number or second_began.wait(20)
        return number

    def second(number):
        second_began.set()
        return number

    body = [build.node("a", first, build.item), build.node("b", second, build.out("a"))]
    for extra in ([], [build.node("c", pair, build.out("a"), build.out("b"))]):
        second_began.clear()
        assert len(run(build.pipeline(build.map("each", range(2), *body, *extra))).result) == 2


def test_ready_nodes_do_not_wait_for_the_items(build):
    """With two workers in a long map, a node that becomes ready runs before the map ends."""
    began = []

    def step(number):
        began.append(number)
        time.sleep(0.001)

    pipeline = build.pipeline(
        build.node("first", time.sleep, 0.02),
        build.map("each", range(300), build.node("step", step, build.item)),
        build.node("next", lambda: len(began), after=["first"]),
    )
    assert run(pipeline, max_workers=2).outputs["next"] < 200


def test_items_that_wait_for_each_other_while_computing_all_begin(build):
    """Even items that compute until the others have begun run at the same time."""
    begun = []

    def spin(number):
        begun.append(number)
        while len(begun) < 8:
            pass

    spinning = build.node("spin", spin, build.item)
    assert len(run(build.pipeline(build.map("each", range(8), spinning))).result) == 8


def test_items_that_compute_start_few_threads(build):
    """Items that compute without a pause do not start many threads."""
    names = set()

    def step(_):
        names.add(threading.current_thread().name)
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass

    run(build.pipeline(build.map("each", range(150), build.node("step", step, build.item))))
    assert len(names) <= 40


class Gauge:
    """Counts items in progress, without a lock: appending to a list is atomic."""

    def __init__(self):
        self.log = []

    def step(self, item):
        self.log.append(1)
        time.sleep(0.002)
        self.log.append(-1)
        return item

    @property
    def most(self):
        running = most = 0
        for change in self.log:
            running += change
            most = max(most, running)
        return most


@pytest.mark.parametrize("executor", ["thread", "own"])
@pytest.mark.parametrize("shape", ["straight", "branching", "batched"])
def test_the_concurrency_limit_bounds_items_in_flight(build, executor, shape):
    """As many items are in progress as the limit allows, and no more."""
    gauge = Gauge()
    body = [build.node("a", gauge.step, build.item)]
    if shape == "branching":
        body.append(build.node("b", same, build.item))
        body.append(build.node("c", pair, build.out("a"), build.out("b")))
    each = build.map(
        "each", range(30), *body, concurrency_limit=3, batch_size=4 if shape == "batched" else 1
    )
    with ThreadPoolExecutor(8) as pool:
        outcome = run(build.pipeline(each), executor=pool if executor == "own" else executor)
    assert len(outcome.result) == 30
    assert gauge.most == 3


def test_an_item_counts_as_in_flight_until_its_last_node(build):
    """With a limit of one, no item begins before the previous item's chain has ended."""
    seen = []

    def step(name, number):
        seen.append((name, number))
        time.sleep(0.001)

    body = [
        build.node("a", step, "a", build.item),
        build.node("x", step, "x", build.item),
        build.node("b", step, "b", build.item, after=["a", "x"]),
    ]
    run(build.pipeline(build.map("each", range(5), *body, concurrency_limit=1)))
    for number in range(5):
        assert {name for name, _ in seen[number * 3 : number * 3 + 3]} == {"a", "x", "b"}
        assert {item for _, item in seen[number * 3 : number * 3 + 3]} == {number}


def test_inner_limits_hold_for_each_outer_item(build):
    """The limit of an inner map holds for each outer item."""
    gauge = Gauge()
    inner = build.map(
        "inner", range(6), build.node("a", gauge.step, build.item), concurrency_limit=2
    )
    run(build.pipeline(build.map("outer", range(9), inner, concurrency_limit=3)))
    assert 2 < gauge.most <= 6


def test_batches_are_one_job_of_an_executor(build):
    """A batch is one call of an executor; the last batches are smaller, for balance."""

    class Counting(ThreadPoolExecutor):
        submitted = 0

        def submit(self, *args):
            self.submitted += 1
            return super().submit(*args)

    body = [build.node("a", add, build.item), build.node("b", add, build.out("a"))]
    each = build.map("each", range(100), *body, batch_size=10)
    with Counting(2) as pool:
        assert run(build.pipeline(each), executor=pool).result == [n + 2 for n in range(100)]
        assert 20 < pool.submitted < 50


def test_batches_leave_no_worker_idle(build):
    """With as many workers as items, a batch size does not leave workers idle."""
    barrier = threading.Barrier(8, timeout=20)
    wait = build.node("wait", lambda _: barrier.wait(), build.item)
    with ThreadPoolExecutor(8) as pool:
        outcome = run(
            build.pipeline(build.map("each", range(8), wait, batch_size=8)), executor=pool
        )
    assert sorted(outcome.result) == list(range(8))


def test_a_hundred_thousand_items(build):
    """100,000 items run in less than a second, without a thread for each."""
    before = threading.active_count()
    each = build.map("each", range(100_000), build.node("add", add, build.item))
    assert run(build.pipeline(each)).result == list(range(1, 100_001))
    assert threading.active_count() < before + 260


def test_items_that_have_not_begun_need_little_memory(build):
    """A map of 100,000 items with few in progress needs little memory for the others."""
    import tracemalloc

    peaks = []

    def step(number):
        if number == 50_000:
            peaks.append(tracemalloc.get_traced_memory()[0])

    body = [build.node("a", step, build.item), build.node("b", same, build.out("a"))]
    tracemalloc.start()
    run(build.pipeline(build.map("each", range(100_000), *body)), max_workers=4)
    tracemalloc.stop()
    assert peaks[0] < 20 * 2**20
