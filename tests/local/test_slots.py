"""Slots of local runs: locked files, between threads and between processes."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import MicroFunctions, Pipeline, ReturnUpdates, step
from lokki_tf.errors import AlreadyRunning, OutputError
from lokki_tf.local.slots import FOLDER
from lokki_tf.reporting import listener_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = """
import os, sys, time
from pathlib import Path
from lokki_tf import Pipeline, main, step

@step
def work(seconds: float) -> str:
    if Path("fork").exists() and not os.fork():
        os.close(1), os.close(2)
        Path("forked").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    while Path("fork").exists() and not Path("forked").exists():
        time.sleep(0.01)
    Path("begun").touch()
    time.sleep(seconds)
    return "done"

pipeline = Pipeline(
    "slotted", [work(float(sys.argv.pop()))], max_concurrent_runs=1, when_busy=sys.argv.pop()
)

if __name__ == "__main__":
    main(pipeline)
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)


def start(behaviour: str, seconds: float, *options: str) -> subprocess.Popen[str]:
    """Start a process that runs the pipeline."""
    return subprocess.Popen(
        [sys.executable, "script.py", "run", *options, behaviour, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process whose run is going on; the parameter has options of the command."""
    made = start("fail", 60, *getattr(request, "param", ()))
    until(lambda: Path("begun").exists())
    yield made
    made.kill()
    made.communicate()


def test_another_process_fails(holder: subprocess.Popen[str]) -> None:
    """The error names the run and the process that is going on; the exit code is that of errors."""
    second = start("fail", 0)
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (1, "")
    assert "another run of 'slotted' is going on: " in err
    assert f"(process {holder.pid})" in err
    assert 'with when_busy="queue", runs wait' in err


def test_another_process_is_skipped(holder: subprocess.Popen[str]) -> None:
    """The command succeeds, prints an empty result, and says on stderr why."""
    second = start("skip", 0, "--json")
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (0, "null\n")
    assert "skipped: another run of 'slotted' is going on: " in err
    assert "work skipped" in err


@pytest.mark.parametrize("holder", [(), ("--executor", "process")], indirect=True)
def test_a_killed_process_frees_its_slot(holder: subprocess.Popen[str]) -> None:
    """A run that waits begins when the process with the slot is killed, workers or not."""
    second = start("queue", 0, "--log-format", "human")
    assert second.stderr is not None
    assert "Wait 'Check for other runs' started" in second.stderr.readline()
    holder.send_signal(signal.SIGKILL)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert out == "done\n"
    assert "Wait 'Check for other runs' ended after" in err


@step
def nothing() -> int:
    return 1


@step
def slow(seconds: float) -> int:
    time.sleep(seconds)
    return 2


def limited(most: int = 1, **options: Any) -> Pipeline:
    """A pipeline with a limit of runs."""
    return Pipeline("limited", [slow(0.05)], max_concurrent_runs=most, **options)


@contextmanager
def going_on() -> Iterator[None]:
    """A run of the pipeline in another thread."""
    begun = threading.Event()
    pipeline = Pipeline("limited", [slow(1.0)], max_concurrent_runs=1)
    holder = threading.Thread(target=pipeline.local_run, kwargs={"on_event": lambda _: begun.set()})
    holder.start()
    begun.wait(10)
    yield
    holder.join()


def test_threads_take_turns() -> None:
    """Runs in threads of one process never overlap, and all of them end."""
    inside, most, done = [0], [0], []
    guard = threading.Lock()

    @step
    def counted() -> None:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        with guard:
            inside[0] -= 1

    pipeline = Pipeline("turns", [counted()], max_concurrent_runs=2)
    threads = [threading.Thread(target=lambda: done.append(pipeline.local_run())) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(done), most) == (6, [2])


@pytest.mark.parametrize("kill", [False, True])
def test_a_forked_process_does_not_keep_a_slot(kill: bool) -> None:
    """A process that a step has forked, and that outlives the run, holds no lock."""
    Path("fork").touch()
    first = start("fail", 60 * kill)
    until(lambda: Path("begun").exists())
    if kill:
        first.kill()
    assert first.wait(60) == (-signal.SIGKILL if kill else 0)
    Path("fork").unlink()
    try:
        second = start("fail", 0)
        out, err = second.communicate(timeout=60)
        assert (second.returncode, out) == (0, "done\n"), err
    finally:
        os.kill(int(Path("forked").read_text()), signal.SIGKILL)


def test_after_the_longest_wait_the_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run does not wait forever: after a day it fails with the error of when_busy="fail"."""
    import lokki_tf.local.slots as slots

    monkeypatch.setattr(slots, "LONGEST_WAIT", 0.1)
    with going_on(), pytest.raises(AlreadyRunning, match="another run of 'limited' is going on"):
        limited().local_run()


def test_progress_says_that_a_run_waits() -> None:
    """A line names the other run as soon as a run waits for it."""
    stream, pipeline = io.StringIO(), limited()
    with going_on():
        pipeline.local_run(on_event=listener_for(pipeline.graph, stream=stream))
    first, second, third = stream.getvalue().splitlines()
    assert first.startswith("waiting: another run of 'limited' is going on: ")
    assert second.startswith("Check for other runs ended after ")
    assert third.startswith("slow done in ")


@pytest.mark.parametrize("begins", [lambda pipe: pipe.run(), lambda pipe: pipe.run_from(step="b")])
def test_each_way_to_run_functions_takes_a_slot(begins: Callable[[MicroFunctions], Any]) -> None:
    """run() and run_from() of steps that return the next step are skipped, or fail."""

    def functions(when_busy: Any) -> MicroFunctions:
        pipe = MicroFunctions("a", name="limited", max_concurrent_runs=1, when_busy=when_busy)

        @pipe.fn()
        def a() -> ReturnUpdates:
            return ReturnUpdates("b")

        @pipe.fn(terminates=True)
        def b() -> dict[str, int]:
            return {"b": 1}

        return pipe

    with going_on():
        assert begins(functions("skip")) is None
        with pytest.raises(AlreadyRunning):
            begins(functions("fail"))
    assert begins(functions("fail")) == {"b": 1}


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The lock requires a file; the error says for which option."""
    FOLDER.parent.write_text("no folder")
    with pytest.raises(OutputError, match="max_concurrent_runs= requires"):
        limited().local_run()


def test_without_a_limit_no_file_is_made() -> None:
    """Local runs of other pipelines leave nothing in the working folder."""
    Pipeline("plain", [nothing()]).local_run()
    assert not FOLDER.exists()
    limited().local_run()
    assert [one.name for one in FOLDER.iterdir()] == ["limited.0"]


def test_a_skipped_run_is_drawn() -> None:
    """Tables and pictures of a skipped run show its steps as skipped."""
    pipeline = limited(when_busy="skip")
    with going_on(), listener_for(pipeline.graph, level="INFO", progress_interval=1) as listener:
        run = pipeline.local_run(on_event=listener)
    assert "skipped" in run.table()
    assert "<svg" in pipeline.to_gantt(run)
    assert "skipped" in pipeline.to_svg(run)
    assert (run.outputs, list(run), run.errors) == ({}, [[]], {})
