"""Maps: a graph for each item of a list."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lokki_tf.errors import SerializationError
from lokki_tf.local import run
from lokki_tf.model import Graph, Map, MapOptions

EXECUTORS = ["thread", "sequential", "process", "own", "bounded", "strict"]


@pytest.fixture(params=EXECUTORS)
def options(request):
    with ThreadPoolExecutor(4) as pool:
        yield {
            "own": {"executor": pool},
            "bounded": {"max_workers": 2},
            "strict": {"strict": True},
        }.get(request.param, {"executor": request.param})


def add(value, more=1):
    return value + more


def pair(first, second):
    return (first, second)


def numbers(count):
    yield from range(count)


def same(value):
    return value


def test_each_item_runs_the_body(build, options):
    """The result is the list of the last node's results, in the order of the items."""
    pipeline = build.pipeline(
        build.node("numbers", numbers, 50),
        build.map(
            "each",
            build.out("numbers"),
            build.node("more", add, build.item, 100),
            build.node("both", pair, build.item, build.out("more")),
        ),
        build.node("count", len, build.out("each")),
    )
    outcome = run(pipeline, **options)
    assert outcome.outputs["each"] == [(number, number + 100) for number in range(50)]
    assert outcome.result == 50
    assert list(outcome.status.values()) == ["done"] * 3
    assert outcome.timings["each"][0] <= outcome.timings["each"][1] <= outcome.timings["count"][0]
    assert outcome.failed_items == {}


@pytest.mark.parametrize(
    "items", [[3, 1, 2], (3, 1, 2), range(3), {3: "x", 1: "y"}, frozenset([1, 2]), "abc", b"ab"]
)
def test_items_are_what_python_iterates(build, options, items):
    """Lists, tuples, ranges, the keys of dicts: whatever Python can go through."""
    pipeline = build.pipeline(build.map("each", items, build.node("same", same, build.item)))
    assert run(pipeline, **options).result == list(items)


def test_no_items_give_an_empty_list(build, options):
    """A map over nothing is done at once, and what takes its result goes on."""
    pipeline = build.pipeline(
        build.map("each", [], build.node("add", add, build.item)),
        build.map("again", build.out("each"), build.node("add_2", add, build.item)),
        build.node("count", len, build.out("again")),
    )
    outcome = run(pipeline, **options)
    assert outcome.outputs == {"each": [], "again": [], "count": 0}


def test_a_body_may_branch_and_take_arguments(build, options):
    """Branches meet in the last node; what the map hands in is a parameter there."""
    pipeline = build.pipeline(
        build.node("base", same, 100),
        build.map(
            "each",
            [1, 2, 3],
            build.node("left", add, build.item, build.parameter("base")),
            build.node("right", add, build.item, more=build.parameter("step")),
            build.node("meet", same, build.group("tuple", (build.out("left"), build.out("right")))),
            arguments={"base": build.out("base"), "step": 10},
        ),
    )
    assert run(pipeline, **options).result == [(101, 11), (102, 12), (103, 13)]


def test_maps_may_stand_in_maps(build, options):
    """An inner map has items, arguments and results of its own for each outer item."""
    pipeline = build.pipeline(
        build.map(
            "outer",
            range(6),
            build.node("count", numbers, build.item),
            build.map(
                "inner",
                build.out("count"),
                build.node("pair", pair, build.parameter("outer"), build.item),
                arguments={"outer": build.item},
            ),
            build.node("total", len, build.out("inner")),
            build.node("both", pair, build.out("total"), build.out("inner")),
        ),
    )
    expected = [(count, [(count, number) for number in range(count)]) for count in range(6)]
    assert run(pipeline, **options).result == expected


def test_a_body_may_end_with_a_map(build, options):
    """The result of an item may be an inner map's list, three levels deep."""
    pipeline = build.pipeline(
        build.map(
            "a",
            [[[1, 2], []], [], [[3]]],
            build.map(
                "b", build.item, build.map("c", build.item, build.node("add", add, build.item))
            ),
        )
    )
    assert run(pipeline, **options).result == [[[2, 3], []], [], [[4]]]


def test_a_body_without_item_runs_for_each(build, options):
    """A body that takes nothing runs once an item all the same."""
    pipeline = build.pipeline(build.map("each", range(4), build.node("one", int)))
    assert run(pipeline, **options).result == [0, 0, 0, 0]


def test_all_items_run_at_once(build):
    """64 items that each wait for all others end: they run side by side."""
    barrier = threading.Barrier(64, timeout=20)
    wait = build.node("wait", lambda _: barrier.wait(), build.item)
    assert sorted(run(build.pipeline(build.map("each", range(64), wait))).result) == [*range(64)]


def test_slow_items_behind_quick_ones_run_at_once(build):
    """However quick the first thousand were, the 64 after them meet."""
    barrier = threading.Barrier(64, timeout=20)

    def step(number):
        return number if number < 1000 else 1000 + barrier.wait()

    wait = build.node("wait", step, build.item)
    result = run(build.pipeline(build.map("each", range(1064), wait))).result
    assert sorted(result) == [*range(1064)]


def test_items_of_items_run_at_once(build):
    """All inner items of all outer items meet, and so do the branches of each."""
    barrier = threading.Barrier(4 * 4 * 3, timeout=20)
    branches = [
        build.node(name, lambda _: barrier.wait() >= 0, build.item) for name in ("a", "b", "c")
    ]
    meet = build.node("meet", all, build.group("list", tuple(build.out(name) for name in "abc")))
    inner = build.map("inner", range(4), *branches, meet)
    assert run(build.pipeline(build.map("outer", range(4), inner))).result == [[True] * 4] * 4


def test_an_item_goes_on_without_waiting_for_the_others(build):
    """One item's second step runs while another's first still does."""
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


def test_what_else_is_ready_does_not_wait_for_the_items(build):
    """With two workers in a long map, a node that becomes ready runs before its end."""
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


def test_sleeping_items_take_hardly_longer_than_one(build):
    """64 items of 50 ms end in less than 80 ms."""
    nap = build.node("nap", lambda _: time.sleep(0.05), build.item)
    pipeline = build.pipeline(build.map("each", range(64), nap))
    assert any(run(pipeline).duration < 0.08 for _ in range(5))


def test_quick_items_cost_less_than_in_a_thread_pool(build):
    """10,000 items that do next to nothing take no more than twice a pool's map()."""

    def bare():
        began = time.perf_counter()
        with ThreadPoolExecutor() as pool:
            expected = list(pool.map(add, range(10_000)))
        return time.perf_counter() - began, expected

    pipeline = build.pipeline(build.map("each", range(10_000), build.node("add", add, build.item)))
    for _ in range(3):
        outcome, (seconds, expected) = run(pipeline), bare()
        assert outcome.result == expected
        if outcome.duration < 2 * seconds:
            return
    pytest.fail(f"{outcome.duration} s against {seconds} s")


class Gauge:
    """Counts what is in flight, without a lock: appends to a list are atomic."""

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
    """No more items are in flight than the limit says, and no fewer."""
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
    """With a limit of one, no item begins before the chain of the one before has ended."""
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
    """A limit of an inner map is one for each of its runs: outer items multiply it."""
    gauge = Gauge()
    inner = build.map(
        "inner", range(6), build.node("a", gauge.step, build.item), concurrency_limit=2
    )
    run(build.pipeline(build.map("outer", range(9), inner, concurrency_limit=3)))
    assert 2 < gauge.most <= 6


def test_batches_change_no_result(build, options):
    """batch_size only groups: results and their order are the same."""
    body = [build.node("a", add, build.item), build.node("b", pair, build.out("a"), build.item)]
    each = build.map("each", range(23), *body, batch_size=5)
    assert run(build.pipeline(each), **options).result == [(n + 1, n) for n in range(23)]


def test_batches_are_one_job_of_an_executor(build):
    """A batch is handed over as one call; towards the end they get smaller, for balance."""

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
    """Where there are as many workers as items, a batch size does not make them wait."""
    barrier = threading.Barrier(8, timeout=20)
    wait = build.node("wait", lambda _: barrier.wait(), build.item)
    with ThreadPoolExecutor(8) as pool:
        outcome = run(
            build.pipeline(build.map("each", range(8), wait, batch_size=8)), executor=pool
        )
    assert sorted(outcome.result) == list(range(8))


def test_a_hundred_thousand_items(build):
    """A list of 100,000 is no trouble, and no thread is started for each."""
    before = threading.active_count()
    each = build.map("each", range(100_000), build.node("add", add, build.item))
    assert run(build.pipeline(each)).result == list(range(1, 100_001))
    assert threading.active_count() < before + 260


def test_items_that_have_not_begun_cost_nothing(build):
    """A map of 100,000 items, of which few are in flight, needs little memory for the others."""
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


def test_a_map_waits_for_what_it_comes_after(build):
    """after= holds for maps, and for those who come after one."""
    seen = []
    pipeline = build.pipeline(
        build.node("slow", lambda: (time.sleep(0.01), seen.append("slow"))),
        build.map("each", [1, 2], build.node("note", seen.append, build.item), after=["slow"]),
        build.node("then", seen.append, "then", after=["each"]),
    )
    run(pipeline)
    assert seen in (["slow", 1, 2, "then"], ["slow", 2, 1, "then"])


def test_the_list_that_is_gone_through_may_change(build):
    """A step that changes the list while its items run changes nothing for the map."""
    items = [1, 2, 3]
    step = build.node("step", lambda _: items.clear(), build.item)
    assert run(build.pipeline(build.map("each", items, step))).result == [None] * 3


def test_sequential_goes_item_by_item(build):
    """One item after another, and each through all of its nodes in order."""
    seen = []
    body = [
        build.node("a", lambda item: seen.append(("a", item)), build.item),
        build.node("b", lambda item: seen.append(("b", item)), build.item, after=["a"]),
    ]
    pipeline = build.pipeline(build.map("each", "xy", *body), build.node("z", seen.append, "z"))
    run(pipeline, executor="sequential")
    assert seen == [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y"), "z"]


class Loose:
    """Travels, and gives what cannot travel when it is gone through."""

    def __iter__(self):
        return iter([1, threading.Lock()])


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
def test_strict_items_travel_on_their_own(build, executor):
    """Items that are one object are not one in a strict run, nor are their results."""
    shared = ["x"]

    def append(value):
        value.append("mine")
        return value

    pipeline = build.pipeline(
        build.node("twice", same, [shared, shared]),
        build.map(
            "each",
            build.out("twice"),
            build.node("append", append, build.item),
            build.node("again", append, build.out("append")),
            build.node("both", pair, build.out("append"), build.out("again")),
        ),
        build.node("change", lambda pairs: [append(one[0]) for one in pairs], build.out("each")),
        build.node("see", same, build.out("each"), after=["change"]),
    )
    outcome = run(pipeline, strict=True, executor=executor)
    expected = [(["x", "mine"], ["x", "mine", "mine"])] * 2
    assert outcome.outputs["each"] == outcome.outputs["see"] == expected
    assert outcome.outputs["change"] == [["x", "mine", "mine"]] * 2
    assert outcome.outputs["each"][0][0] is not outcome.outputs["each"][1][0]
    assert shared == ["x"]


def test_strict_tells_which_item_cannot_travel(build):
    """The error names the map and the item, and the item's steps do not run."""
    ran = []

    body = build.node("a", ran.append, build.item)
    pipeline = build.pipeline(build.node("load", Loose), build.map("each", build.out("load"), body))
    with pytest.raises(SerializationError, match="item 1 of map 'each' cannot travel") as caught:
        run(pipeline, strict=True)
    assert ran == []
    assert caught.value.run.status == {"load": "done", "each": "failed"}


def test_mode_makes_no_difference(build):
    """Inline and distributed maps run the same here."""
    for mode in ("inline", "distributed"):
        each = build.map("each", [1, 2], build.node("add", add, build.item), mode=mode)
        assert isinstance(each, Map)
        assert each.options == MapOptions(mode=mode)
        assert isinstance(each.body, Graph)
        assert run(build.pipeline(each)).result == [2, 3]
