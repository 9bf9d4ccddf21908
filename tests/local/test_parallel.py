"""Runs are as parallel as the graph allows, up to the limits."""

import asyncio
import contextvars
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from lokki_tf.errors import OptionError
from lokki_tf.local import run


def increment(value):
    return value + 1


def test_all_ready_steps_run_at_the_same_time(build):
    """64 steps that each wait for all others run at the same time."""
    barrier = threading.Barrier(64, timeout=20)
    outcome = run(build.pipeline(*(build.node(f"n{i}", barrier.wait) for i in range(64))))
    assert sorted(outcome.outputs.values()) == list(range(64))


def test_a_fan_out_runs_at_the_same_time(build):
    """Steps that become ready with the same predecessor run at the same time, repeatedly."""
    barriers = [threading.Barrier(10, timeout=20) for _ in range(5)]
    nodes = []
    for layer, barrier in enumerate(barriers):
        wide = [
            build.node(f"w{layer}_{i}", barrier.wait, after=[nodes[-1].name] if nodes else [])
            for i in range(10)
        ]
        join = build.node(f"join{layer}", time.time, after=[one.name for one in wide])
        nodes += [*wide, join]
    assert set(run(build.pipeline(*nodes)).status.values()) == {"done"}


def test_no_step_waits_for_a_generation(build):
    """A step starts when its own predecessors have ended, even if others are still running."""
    second_began = threading.Event()
    pipeline = build.pipeline(
        build.node("short", increment, 0),
        build.node("long", second_began.wait, 20),
        build.node("second", second_began.set, after=["short"]),
        build.node("third", increment, build.out("short"), after=["second"]),
    )
    assert run(pipeline).outputs["long"] is True


def test_a_ready_step_starts_promptly_beside_a_long_one(build):
    """A task ready at 0.10 s starts before 0.12 s while a 0.5 s task runs."""

    def measured():
        timings = run(
            build.pipeline(
                build.node("long", time.sleep, 0.5),
                build.node("first", time.sleep, 0.1),
                build.node("then", time.time, after=["first"]),
            )
        ).timings
        assert timings["then"][1] < timings["long"][1]
        return timings["then"][0]

    assert any(measured() < 0.12 for _ in range(3))


def test_a_chain_stays_in_one_thread(build):
    """A chain of 10,000 steps runs in the calling thread, without recursion."""
    threads = set()

    def step(value):
        threads.add(threading.current_thread())
        return value + 1

    nodes = [build.node("n0", step, 0)]
    for i in range(1, 10_000):
        nodes.append(build.node(f"n{i}", step, build.out(f"n{i - 1}")))
    assert run(build.pipeline(*nodes)).result == 10_000
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("executor", ["thread", "process", "own"])
def test_max_workers_bounds_what_runs_at_once(build, executor):
    """No more than max_workers steps run at the same time."""
    running, most, lock = 0, 0, threading.Lock()

    def on_event(event):
        nonlocal running, most
        with lock:
            running += {"step_started": 1, "step_finished": -1}.get(event.kind, 0)
            most = max(most, running)

    pipeline = build.pipeline(*(build.node(f"n{i}", time.sleep, 0.005) for i in range(12)))
    with ThreadPoolExecutor(8) as pool:
        run(
            pipeline,
            executor=pool if executor == "own" else executor,
            max_workers=3,
            on_event=on_event,
        )
    assert most == 3


@pytest.mark.parametrize("options", [{"executor": "sequential"}, {"max_workers": 1}])
def test_sequential_runs_in_the_order_of_the_graph(build, options):
    """One worker means this thread, and the order of the nodes in the graph."""
    seen = []

    def step(name):
        seen.append((name, threading.current_thread()))

    names = ["c", "a", "b"]
    run(build.pipeline(*(build.node(name, step, name) for name in names)), **options)
    assert seen == [(name, threading.current_thread()) for name in names]


def test_an_executor_of_the_user_runs_the_steps(build):
    """Any executor with submit() can be used; it is not shut down, and closures work in threads."""
    names = []

    def step():
        names.append(threading.current_thread().name)

    with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
        run(build.pipeline(*(build.node(f"n{i}", step) for i in range(5))), executor=pool)
        assert pool.submit(int).result() == 0
    assert len(names) == 5
    assert all(name.startswith("mine") for name in names)


def test_an_executor_needs_no_more_than_submit(build):
    """An executor that runs a call inside submit() can be used."""

    class Immediate(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    pipeline = build.pipeline(
        build.node("a", increment, 0), build.node("b", increment, build.out("a"))
    )
    assert run(pipeline, executor=Immediate()).result == 2


def test_steps_see_the_callers_context(build):
    """Context variables of the caller are set in every step."""
    variable = contextvars.ContextVar("variable")
    barrier = threading.Barrier(4, timeout=20)

    def step():
        barrier.wait()
        return variable.get("unset")

    variable.set("set")
    outcome = run(build.pipeline(*(build.node(f"n{i}", step) for i in range(4))))
    assert set(outcome.outputs.values()) == {"set"}


def test_steps_may_start_event_loops_where_one_runs(build):
    """In a notebook, whose thread runs an event loop, a step may call asyncio.run."""

    def step():
        return asyncio.run(asyncio.sleep(0, "slept"))

    async def notebook():
        return run(build.pipeline(build.node("a", step))).result

    assert asyncio.run(notebook()) == "slept"


def test_a_run_continues_with_fewer_threads(build, monkeypatch):
    """If no more threads can be started, the run continues with fewer."""
    from lokki_tf.local import threads

    started = []

    def start(self):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        threading.Thread.start(self)

    monkeypatch.setattr(threads.Helper, "start", start)
    nodes = [build.node(f"n{i}", time.sleep, 0.001) for i in range(30)]
    assert set(run(build.pipeline(*nodes)).status.values()) == {"done"}
    assert len(started) == 2


def test_no_thread_outlives_the_run_for_long(build):
    """The threads of a run end with it."""
    barrier = threading.Barrier(8, timeout=20)
    run(build.pipeline(*(build.node(f"n{i}", barrier.wait) for i in range(8))))
    for thread in threading.enumerate():
        if thread.name.startswith("lokki_tf-"):
            thread.join(5)
            assert not thread.is_alive()


def test_steps_that_compute_start_hardly_any_threads(build):
    """A thousand steps that compute without a pause do not start a thread each."""
    names = set()

    def step():
        names.add(threading.current_thread().name)

    run(build.pipeline(*(build.node(f"n{i}", step) for i in range(1000))))
    assert len(names) <= 64


def test_an_empty_pipeline_is_done_at_once(build):
    """A pipeline without nodes ends at once without results."""
    for executor in ("thread", "sequential", "process"):
        outcome = run(build.pipeline(), executor=executor)
        assert outcome == []
        assert outcome.result == {}


@pytest.mark.parametrize(
    "options",
    [{"executor": "threads"}, {"executor": 3}, {"max_workers": 0}, {"max_workers": True}],
)
def test_invalid_options_are_errors(build, options):
    """An invalid executor or number of workers is an error before anything runs."""
    with pytest.raises(OptionError):
        run(build.pipeline(build.node("a", print)), **options)
