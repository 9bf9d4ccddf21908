"""Steps in other processes: found by name, pickled, and ended with the run."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from lokki_tf.errors import SerializationError, StepFailed
from lokki_tf.local import run
from lokki_tf.local.processes import forget_cancelled
from lokki_tf.local.remote import Outcome, Parcel, RemoteCall, reference, unpacked
from lokki_tf.local.shared import Packed
from lokki_tf.model import RetryConfig

METHODS = ["fork", "forkserver", "spawn"]

# As in a module of the user: the decorated object has the function's name.
STEPS = '''
import functools, os, sys

class Decorated:
    __lokki_step__ = True
    def __init__(self, function):
        functools.update_wrapper(self, function)
    def __call__(self, *args):
        raise AssertionError("the decorated object was called, not the function")
    def __reduce__(self):
        raise AssertionError("the decorated object was pickled")

@Decorated
def double(value):
    return value * 2

@Decorated
def process():
    return os.getpid()

class Odd(OSError):
    """Pickles, but its constructor refuses to make it again."""
    def __init__(self, one, *, two):
        super().__init__(f"{one} and {two}")
        self.two = two

@Decorated
def odd(path):
    with open(path, "a") as file:
        file.write("x")
    raise Odd(1, two=2)

@Decorated
def impossible(path):
    with open(path, "a") as file:
        file.write("x")
    error = Odd(1, two=2)
    error.two = lambda: 2
    raise error

@Decorated
def die():
    os._exit(3)

@Decorated
def die_at_first(folder, times, before):
    tries = len(os.listdir(folder)) + 1
    open(os.path.join(folder, str(tries)), "w").close()
    if tries <= times:
        os.kill(os.getpid(), 9)
    return tries

@Decorated
def stuck():
    return lambda: 0
'''


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The module, importable in this process and in those that it starts."""
    folder = tmp_path_factory.mktemp("users")
    (folder / "users_steps.py").write_text(STEPS)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), before)))
    sys.path.insert(0, str(folder))
    import users_steps

    yield users_steps
    sys.path.remove(str(folder))
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module", params=METHODS)
def pool(request, steps):
    with ProcessPoolExecutor(2, get_context(request.param)) as pool:
        yield pool


@pytest.fixture(params=METHODS)
def own_pool(request, steps, monkeypatch):
    """executor="process", with each start method."""
    from lokki_tf.local import processes

    start = processes.start_processes
    monkeypatch.setattr(
        processes, "start_processes", lambda *args: start(*args, method=request.param)
    )
    return "process"


def test_decorated_steps_run_in_a_custom_pool(build, steps, pool):
    """The function behind a decorated name is found, with any start method of the pool."""
    pipeline = build.pipeline(
        build.node("a", steps.double.__wrapped__, 2),
        build.node("b", steps.double.__wrapped__, build.out("a")),
        build.node("c", steps.process.__wrapped__),
    )
    outcome = run(pipeline, executor=pool)
    assert outcome.outputs["b"] == 8
    assert outcome.outputs["c"] != os.getpid()


def test_decorated_steps_run_with_executor_process(build, steps, own_pool):
    """The same holds for executor="process"."""
    pipeline = build.pipeline(
        build.node("a", steps.double.__wrapped__, 2),
        build.node("b", steps.double.__wrapped__, build.out("a")),
        build.node("c", steps.process.__wrapped__),
    )
    outcome = run(pipeline, executor=own_pool)
    assert outcome.outputs["b"] == 8
    assert outcome.outputs["c"] != os.getpid()


def test_two_processes_run_at_the_same_time(build):
    """Steps in two processes run at the same time."""
    barrier = get_context("fork").Barrier(2, timeout=20)
    pipeline = build.pipeline(
        build.node("a", lambda: barrier.wait() >= 0), build.node("b", lambda: barrier.wait() >= 0)
    )
    outputs = run(pipeline, executor="process", max_workers=2).outputs
    assert outputs == {"a": True, "b": True}


@pytest.mark.skipif(sys.platform != "linux", reason="uses fork only on Linux")
def test_closures_and_lambdas_run_in_forked_processes(build):
    """A forked worker has the functions in its memory, so they need no importable name."""
    captured = object()
    pipeline = build.pipeline(build.node("a", lambda: (repr(captured), os.getpid())))
    text, process = run(pipeline, executor="process").result
    assert text == repr(captured)
    assert process != os.getpid()


def test_a_function_that_cannot_be_found_is_an_error(build, pool):
    """A lambda for a custom pool is an error with the step and a remedy."""
    pipeline = build.pipeline(build.node("a", lambda: 1))
    with pytest.raises(SerializationError, match="the function or an argument of step 'a'") as got:
        run(pipeline, executor=pool)
    assert "executor='thread'" in got.value.remedy
    assert got.value.run.status == {"a": "failed"}


def test_an_argument_that_cannot_be_pickled_is_an_error(build, steps):
    """An argument that cannot be pickled is an error about the value, not of the step."""
    pipeline = build.pipeline(build.node("a", steps.double.__wrapped__, threading.Lock()))
    with pytest.raises(SerializationError, match="to another process"):
        run(pipeline, executor="process")


def test_a_result_that_cannot_be_pickled_is_an_error(build, steps, own_pool):
    """So is a result, and the pool continues with other calls."""
    pipeline = build.pipeline(build.node("a", steps.stuck.__wrapped__))
    with pytest.raises(SerializationError, match="the result of step 'a' cannot be serialized"):
        run(pipeline, executor=own_pool)


def test_an_error_whose_constructor_cannot_be_called_again_arrives_whole(build, steps, tmp_path):
    """Its class and attributes are what a run in threads gives."""
    pipeline = build.pipeline(build.node("a", steps.odd.__wrapped__, str(tmp_path / "log")))
    with pytest.raises(StepFailed) as caught:
        run(pipeline, executor="process")
    error = caught.value.__cause__
    assert type(error) is steps.Odd
    assert (error.two, str(error)) == (2, "1 and 2")


def test_an_error_that_cannot_be_pickled_does_not_break_the_pool(build, steps, tmp_path):
    """Its replacement contains its text, and retries recognise it by its classes."""
    log = tmp_path / "log"
    retry = RetryConfig(retries=2, delay=0, exceptions=(OSError,))
    pipeline = build.pipeline(build.node("a", steps.impossible.__wrapped__, str(log), retry=retry))
    with pytest.raises(StepFailed, match=r"after 3 attempts: Odd: 1 and 2") as caught:
        run(pipeline, executor="process")
    assert type(caught.value.__cause__).__name__ == "Odd"
    assert log.read_text() == "xxx"


@pytest.mark.parametrize("retries", [0, 2])
def test_a_worker_that_dies_is_a_failure_with_a_remedy(build, steps, own_pool, retries):
    """A step that ends its process, in each attempt, fails the run."""
    retry = RetryConfig(retries=retries, delay=0, exceptions=(OSError,))
    pipeline = build.pipeline(
        build.node("a", steps.die.__wrapped__, retry=retry),
        build.node("b", steps.double.__wrapped__, build.out("a")),
    )
    with pytest.raises(StepFailed, match=r"step 'a' failed.*: BrokenProcessPool") as caught:
        run(pipeline, executor=own_pool)
    assert "os._exit()" in str(caught.value)
    assert caught.value.attempts == retries + 1
    assert caught.value.run.status == {"a": "failed", "b": "not run"}


@pytest.mark.parametrize("died", [1, 2])
def test_a_step_that_may_run_again_does_so_after_its_worker_died(
    build, steps, own_pool, tmp_path, died
):
    """Any retry= allows that, whichever errors it lists; results so far are kept."""
    retry = RetryConfig(retries=2, delay=0, exceptions=(OSError,))
    pipeline = build.pipeline(
        build.node("before", steps.double.__wrapped__, 1),
        build.node(
            "a",
            steps.die_at_first.__wrapped__,
            str(tmp_path),
            died,
            build.out("before"),
            retry=retry,
        ),
        build.node("after", steps.double.__wrapped__, build.out("a")),
    )
    outcome = run(pipeline, executor=own_pool)
    assert outcome.outputs["after"] == 2 * (died + 1)
    assert outcome.attempts["a"] == died + 1


def test_durations_are_those_in_the_process(build):
    """A step's duration is that of its function, without the communication."""
    import time

    timings = run(build.pipeline(build.node("a", time.sleep, 0.02)), executor="process").timings
    start, end = timings["a"]
    assert 0.019 < end - start < 0.2


def test_a_call_that_cannot_be_unpickled_is_an_outcome():
    """A call whose function or arguments cannot be unpickled returns that as its outcome."""
    missing = Parcel(("named", "math", "no_such_function"), Packed(b""))
    assert missing().kind == "stuck"
    unreadable = Parcel(("named", "math", "sqrt"), Packed(b"no pickle"))
    assert unreadable().kind == "stuck"


def test_a_job_returns_errors():
    """A call never raises, not even SystemExit, which would end a pool's worker."""
    assert RemoteCall(sys.exit, (1,), {})().kind == "raised"
    parcel = Parcel(("named", "sys", "exit"), Packed(pickle.dumps(((1,), {}))))
    outcome = unpacked(parcel())
    assert isinstance(outcome, Outcome)
    assert isinstance(outcome.payload, SystemExit)


def test_references_are_by_name_where_the_name_leads_back():
    """A module-level function is referenced by name, another callable is pickled."""
    import functools

    assert reference(os.path.join) == ("named", os.path.join.__module__, "join")
    assert reference(functools.partial(max, 1))[0] == "pickled"


def test_a_pool_with_cancelled_calls_shuts_down():
    """Calls that a failed run has cancelled in a custom pool do not block its shutdown."""
    for _ in range(10):
        pool = ProcessPoolExecutor(2, get_context("fork"))
        pool.submit(int).result()
        pool.submit(int).cancel()
        forget_cancelled(pool)
        ending = threading.Thread(target=pool.shutdown, daemon=True)
        ending.start()
        ending.join(30)
        assert not ending.is_alive()


ORPHANS = """
import os, sys, time
from lokki_tf import Pipeline, step

@step
def wait(folder: str, name: str) -> None:
    with open(os.path.join(folder, f"{os.getpid()}.pid"), "w"):
        pass
    time.sleep(600)

Pipeline("p", steps=[wait(sys.argv[1], "a"), wait(sys.argv[1], "b")]).local_run(
    executor="process", max_workers=2
)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(tmp_path, ending):
    """The workers of a run end with it, however it ends."""
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    _wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    workers = [int(path.stem) for path in tmp_path.glob("*.pid")]
    process.send_signal(ending)
    process.wait(20)
    _wait_until(lambda: not any(map(_is_running, workers)))


def _is_running(pid):
    """Return whether a process exists and is not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(is_so):
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
