"""Whole programs: scripts as __main__, Ctrl-C, and import time."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

# A pipeline as a user's script defines it, without the authoring package.
HEAD = """
import functools, os, sys, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from lokki_tf.errors import Place, StepFailed
from lokki_tf.local import run
from lokki_tf.model import *

class step:
    __lokki_step__ = True
    def __init__(self, function):
        functools.update_wrapper(self, function)

def node(name, decorated, *args, retry=(), after=()):
    place = Place(__file__, 1)
    args = tuple(arg if isinstance(arg, Output | Item) else Literal(arg) for arg in args)
    it = Step(name, decorated.__wrapped__, StepOptions(), place)
    return Node(name, it, args, (), after, retry, place)

def each(name, items, *body, **options):
    items = items if isinstance(items, Item) else Literal(items)
    return Map(name, items, Graph(body), (), MapOptions(**options), (), Place(__file__, 1))

def pipeline(*nodes):
    return Definition("script", Graph(nodes))
"""


@pytest.fixture
def script(tmp_path):
    """Return a function that writes a script and returns the command that runs it."""

    def write(text):
        path = tmp_path / "script.py"
        path.write_text(HEAD + textwrap.dedent(text))
        return [sys.executable, str(path)]

    return write


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Make the scripts import this checkout."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)


def output(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


MAIN = """
class Wrong(ValueError):
    pass

@step
def double(value):
    return value * 2

@step
def fail():
    raise Wrong("rows")

if __name__ == "__main__":
    executor = {executor}
    print(run(pipeline(node("a", double, 2), node("b", double, Output("a"))), executor=executor))
    try:
        run(pipeline(node("c", fail, retry=(RetryConfig(1, 0, exceptions=(Wrong,)),))),
            executor=executor)
    except StepFailed as error:
        print(error.attempts, type(error.__cause__) is Wrong)
"""


@pytest.mark.parametrize(
    "executor",
    [
        '"process"',
        'ProcessPoolExecutor(2, get_context("spawn"))',
        'ProcessPoolExecutor(2, get_context("forkserver"))',
    ],
)
def test_steps_of_a_script_run_in_other_processes(script, executor):
    """Functions and exceptions of __main__ are found in workers, forked or spawned."""
    printed = output(script(MAIN.replace("{executor}", executor)))
    assert printed == "[[('a', 4)], [('b', 8)]]\n2 True\n"


def test_steps_of_a_notebook_run_in_forked_processes():
    """Functions without a file, as in a notebook, run with executor="process"."""
    text = HEAD.replace("__file__", '"<cell 1>"') + MAIN.replace("{executor}", '"process"')
    printed = output([sys.executable, "-c", text])
    assert printed == "[[('a', 4)], [('b', 8)]]\n2 True\n"


def test_an_unguarded_script_gets_a_remedy(script):
    """A script whose workers import it and start a run again gets an error with a remedy."""
    command = script("""
    @step
    def one():
        return 1

    pool = ProcessPoolExecutor(1, get_context("spawn"))
    run(pipeline(node("a", one)), executor=pool)
    """)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert '`if __name__ == "__main__":`' in done.stderr


SLEEPERS = """
@step
def sleep(number):
    print("ready", number, flush=True)
    time.sleep(60)

@step
def never():
    print("began", flush=True)

if __name__ == "__main__":
    nodes = [node(f"n{i}", sleep, i) for i in range(2)]
    nodes.append(node("next", never, after=("n0",)))
    run(pipeline(*nodes), executor={executor}, max_workers=2)
"""

WAITING = """
@step
def flaky():
    raise OSError

def on_event(event):
    if event.kind == "step_retried":
        print("ready", flush=True)

if __name__ == "__main__":
    retry = RetryConfig(retries=3, delay=600)
    run(pipeline(node("a", flaky, retry=(retry,))), executor={executor}, on_event=on_event)
"""


def interrupted(command, lines, *, group):
    """Send Ctrl-C after a number of printed lines; return the output and the process.

    A program that does not end within 30 s fails the test.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run in the background inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        printed = [process.stdout.readline() for _ in range(lines)]
        time.sleep(0.02)  # between the print and the sleep
        if group:  # a terminal sends it to every process
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
        return "".join(printed) + rest, errors, process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("executor", ['"thread"', '"process"'])
def test_ctrl_c_ends_a_run_at_once(script, executor, group):
    """While steps sleep in threads or processes, Ctrl-C ends the program, and nothing begins."""
    command = script(SLEEPERS.replace("{executor}", executor))
    printed, errors, process = interrupted(command, 2, group=group)
    assert process.returncode == -signal.SIGINT
    assert "began" not in printed
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert_session_is_empty(process.pid)


def assert_session_is_empty(group):
    """Check that the processes of the group end soon."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("a worker process exists after the run")


@pytest.mark.parametrize("executor", ['"thread"', '"process"', '"sequential"'])
def test_ctrl_c_ends_the_wait_for_a_retry(script, executor):
    """Ctrl-C also ends a run that only waits for a retry."""
    command = script(WAITING.replace("{executor}", executor))
    _, errors, process = interrupted(command, 1, group=True)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1


ITEMS = """
@step
def sleep(number):
    print("ready", number, flush=True)
    time.sleep(60)

if __name__ == "__main__":
    inner = each("inner", Item(), node("sleep", sleep, Item()), batch_size=2)
    outer = each("outer", [[1, 2], range(10_000)], inner, tolerated_failure_percentage=100)
    run(pipeline(outer), executor={executor}, max_workers={workers})
"""


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize(
    ("executor", "workers"), [('"thread"', 2), ('"process"', 2), ('"sequential"', 1)]
)
def test_ctrl_c_ends_maps_at_once(script, executor, workers, group):
    """Ctrl-C does not count as a failure of an item, and the other items do not start."""
    text = ITEMS.replace("{executor}", executor).replace("{workers}", str(workers))
    printed, errors, process = interrupted(script(text), workers, group=group)
    assert process.returncode == -signal.SIGINT
    assert printed.count("ready") == workers
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1
    assert_session_is_empty(process.pid)


def test_ctrl_c_ends_a_map_of_quick_items(script):
    """Ctrl-C also works between items of microseconds; the run contains the results so far."""
    command = script("""
    @step
    def quick(number):
        if number == 10_000:
            print("ready", flush=True)

    if __name__ == "__main__":
        try:
            run(pipeline(each("each", range(5_000_000), node("quick", quick, Item()))))
        except KeyboardInterrupt as interrupt:
            print(interrupt.run.status, interrupt.run.duration < 3)
    """)
    printed, errors, _ = interrupted(command, 1, group=False)
    assert printed.splitlines()[1:] == ["{'each': 'interrupted'} True"], errors


def test_ctrl_c_reaches_steps_that_compute(script):
    """After Ctrl-C in a notebook, whose process continues, no step computes forever."""
    command = script("""
    import threading

    @step
    def compute(number):
        print("ready", flush=True)
        while True:
            pass

    if __name__ == "__main__":
        try:
            run(pipeline(*(node(f"n{i}", compute, i) for i in range(3))))
        except KeyboardInterrupt as interrupt:
            print(interrupt.run.status["n1"])
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(20)
        print(threading.active_count(), "thread")
    """)
    printed, errors, _ = interrupted(command, 3, group=False)
    assert printed.splitlines()[3:] == ["interrupted", "1 thread"], errors


def test_a_program_ends_with_threads_that_sleep(script):
    """After Ctrl-C the program ends without waiting for steps."""
    command = script(SLEEPERS.replace("{executor}", '"thread"') + "\n")
    interrupted(command, 2, group=False)


def test_the_import_is_light():
    """Importing lokki_tf.local imports nothing that only some runs need."""
    printed = output(
        [
            sys.executable,
            "-c",
            "import sys, lokki_tf.model; before = set(sys.modules); import lokki_tf.local; "
            "print(*sorted(set(sys.modules) - before))",
        ]
    )
    heavy = {"asyncio", "multiprocessing", "concurrent", "rich", "html", "ctypes", "pickle"}
    assert not heavy & {name.partition(".")[0] for name in printed.split()}
    assert "lokki_tf.local.remote" not in printed.split()
