"""Failures of steps."""

import pickle
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.errors import StepFailed
from lokki_tf.local import run

EXECUTORS = ["thread", "sequential", "process", "own"]


@pytest.fixture(params=EXECUTORS)
def executor(request):
    if request.param != "own":
        yield request.param
        return
    with ThreadPoolExecutor(4) as pool:
        yield pool


def same(value):
    return value


def fail(text="no rows"):
    raise ValueError(text)


def leave():
    raise SystemExit(3)


def test_a_failure_contains_node_step_and_location(build, executor):
    """StepFailed contains node, step, source location and error."""
    pipeline = build.pipeline(build.node("score_2", fail, step="score"))
    with pytest.raises(StepFailed) as caught:
        run(pipeline, executor=executor)
    error = caught.value
    assert (error.node, error.step, error.attempts) == ("score_2", "score", 1)
    assert error.place == build.place
    assert "node 'score_2' (step 'score') failed: ValueError: no rows" in str(error)
    assert "pipeline.py:7" in str(error)
    assert type(error.__cause__) is ValueError


def test_the_cause_keeps_its_traceback(build):
    """The traceback of the cause ends in the line of the user's function that raised."""
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", fail)))
    last = traceback.extract_tb(caught.value.__cause__.__traceback__)[-1]
    assert last.name == "fail"
    assert last.filename == __file__


def test_the_traceback_in_another_process_is_shown(build):
    """A failure in another process shows the traceback in that process."""
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", fail)), executor="process")
    told = "".join(traceback.format_exception(caught.value))
    assert "in fail" in told
    assert "raise ValueError(text)" in told


def test_nothing_begins_after_a_failure(build, executor):
    """Successors of the failed node, and nodes that have not begun, do not begin."""
    pipeline = build.pipeline(
        build.node("before", same, 1),
        build.node("bad", fail, after=["before"]),
        build.node("later", same, build.out("bad")),
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline, executor=executor)
    outcome = caught.value.run
    assert outcome.status == {"before": "done", "bad": "failed", "later": "not run"}
    assert outcome.outputs == {"before": 1}
    assert outcome == [[("before", 1)], [], []]
    assert list(outcome.errors) == ["bad"]
    assert outcome.attempts == {"before": 1, "bad": 1, "later": 0}


def test_running_steps_are_waited_for(build):
    """A step that is running when another fails ends, and its result is available."""
    failed = threading.Event()

    def bad():
        failed.set()
        raise ValueError

    def slow():
        assert failed.wait(20)
        time.sleep(0.02)
        return "done"

    pipeline = build.pipeline(
        build.node("slow", slow),
        build.node("bad", bad),
        build.node("next", same, build.out("slow")),
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline)
    assert caught.value.run.status == {"slow": "done", "bad": "failed", "next": "not run"}
    assert caught.value.run.outputs == {"slow": "done"}


def test_a_queued_step_is_not_begun_after_a_failure(build):
    """With one worker of a custom executor, the steps after the failed one do not begin."""
    ran = []
    nodes = [build.node("bad", fail), *(build.node(f"n{i}", ran.append, i) for i in range(5))]
    with ThreadPoolExecutor(1) as pool, pytest.raises(StepFailed) as caught:
        run(build.pipeline(*nodes), executor=pool)
    assert ran == []
    assert list(caught.value.run.status.values()) == ["failed", *["not run"] * 5]


def test_queued_calls_of_an_executor_are_cancelled(build, stalled):
    """Calls that wait in an executor are cancelled after a failure, and count as not begun."""
    nodes = [build.node("bad", fail), *(build.node(f"n{i}", same, i) for i in range(5))]
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(*nodes), executor=stalled)
    assert list(caught.value.run.status.values()) == ["failed", *["not run"] * 5]
    assert all(future.cancelled() for future in stalled.queued[1:])


def test_the_first_failure_is_raised_with_notes_about_the_others(build):
    """Of several failures the first is raised, and its notes contain the others."""
    barrier = threading.Barrier(3, timeout=20)
    ended = [threading.Event() for _ in range(2)]

    def first():
        barrier.wait()
        raise ValueError("one")

    def second():
        barrier.wait()
        ended[0].wait(20)
        raise KeyError("two")

    def third():
        barrier.wait()
        ended[1].wait(20)
        raise OSError("three")

    def on_event(event):
        if event.kind == "step_failed" and event.node != "c":
            ended["ab".index(event.node)].set()

    pipeline = build.pipeline(
        build.node("a", first), build.node("b", second), build.node("c", third)
    )
    with pytest.raises(StepFailed) as caught:
        run(pipeline, on_event=on_event)
    assert caught.value.node == "a"
    notes = caught.value.__notes__
    assert ["KeyError" in notes[0], "OSError: three" in notes[1]] == [True, True]
    assert list(caught.value.run.errors) == ["a", "b", "c"]


def test_system_exit_fails_the_step(build, executor):
    """sys.exit() in a step is a failure of the step, not the end of the program."""
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("a", leave)), executor=executor)
    assert type(caught.value.__cause__) is SystemExit


def test_keyboard_interrupt_in_a_step_ends_the_run(build, executor):
    """KeyboardInterrupt in a step is raised by the run unchanged."""

    pipeline = build.pipeline(
        build.node("a", interrupt), build.node("b", same, build.out("a")), build.node("c", same, 1)
    )
    with pytest.raises(KeyboardInterrupt) as caught:
        run(pipeline, executor=executor)
    assert caught.value.run.status["b"] == "not run"


def interrupt():
    raise KeyboardInterrupt


def test_keyboard_interrupt_in_another_thread_ends_the_run(build):
    """So is KeyboardInterrupt in a thread of the run, while the calling thread is idle."""
    barrier = threading.Barrier(2, timeout=20)

    def step():
        barrier.wait()
        if threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt

    pipeline = build.pipeline(build.node("a", step), build.node("b", step))
    with pytest.raises(KeyboardInterrupt):
        run(pipeline)


def test_an_error_without_text_is_reported(build):
    """An exception with a broken __str__ does not hide the failure."""

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    def bad():
        raise Broken

    with pytest.raises(StepFailed, match="Broken"):
        run(build.pipeline(build.node("a", bad)))


def test_a_failure_inside_a_nested_run_is_wrapped(build):
    """The failure of a pipeline that a step runs is the cause of the step's failure."""
    inner = build.pipeline(build.node("inner", fail))
    with pytest.raises(StepFailed) as caught:
        run(build.pipeline(build.node("outer", run, inner)))
    assert caught.value.node == "outer"
    assert caught.value.__cause__.node == "inner"


def test_an_executor_that_is_shut_down_fails_the_step(build):
    """An executor that was shut down is a failure of the node that it rejected."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(StepFailed, match="shutdown"):
        run(build.pipeline(build.node("a", same, 1)), executor=pool)


@pytest.mark.parametrize("error", [KeyError("x"), StopIteration(1)])
def test_a_failed_runs_error_can_be_sent_to_another_process(error):
    """Pickled, it is a StepFailed with the same text and fields, without the run's results."""

    @step
    def fails():
        raise error

    with pytest.raises(StepFailed) as caught:
        Pipeline("p", steps=[fails()]).local_run()
    received = pickle.loads(pickle.dumps(caught.value))
    assert type(received) is StepFailed
    assert str(received) == str(caught.value)
    assert (received.node, received.step, received.attempts) == ("fails", "fails", 1)
    assert received.run is None
