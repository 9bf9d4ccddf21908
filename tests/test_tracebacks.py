"""Errors end at the user's line, and scripts of ``main`` print only what is wrong and where."""

from __future__ import annotations

import asyncio
import os
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest

from lokki_tf import (
    DAG,
    Flow,
    LokkiError,
    MicroFunctions,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    StateManager,
    StepFailed,
    configure_logging,
    flow,
    step,
    task,
)
from lokki_tf.config import load_config
from lokki_tf.tracebacks import without_own

ROOT = Path(__file__).parents[1]


@step
def load(day: str = "today") -> list[int]:
    return [1, 2, 3]


@step
def total(rows: list[int]) -> int:
    return sum(rows)


@step
def fails(rows: Any) -> None:
    helper()


def helper() -> None:
    raise ValueError("from the user's helper")


@step
async def fails_later(rows: Any) -> None:
    await asyncio.sleep(0)
    helper()


@flow
def wrong_chain() -> Any:
    return load().map(3)


routed = MicroFunctions(beginner="start", name="drinks")


@routed.fn()
def start(**kwargs: Any) -> Any:
    return ReturnUpdates("nowhere")


def one(name: str = "x", **options: Any) -> Pipeline:
    return Pipeline(name, steps=[total(load())], **options)


WRONG: dict[str, Callable[[], object]] = {
    "name of a pipeline": lambda: one("bad name!"),
    "schedule": lambda: one(schedule="rate(1 dya)"),
    "tags": lambda: one(tags={"a": 1}),
    "option of a step": lambda: step(memory_size="x")(helper) and Pipeline("x", steps=[1]),
    "unknown option": lambda: step(memmory=1)(helper),  # type: ignore[call-overload]
    "name as first argument": lambda: step("x"),  # type: ignore[call-overload]
    "retry": lambda: RetryConfig(retries=-1),
    "call": lambda: total(),  # type: ignore[call-arg]
    "computation": lambda: load() + "",  # type: ignore[operator]
    "private attribute": lambda: load()._rows,  # type: ignore[attr-defined]
    "log level": lambda: configure_logging(level="x"),
    "no functions": lambda: MicroFunctions(beginner="x", name="empty").run(),
    "iteration": lambda: list(load()),
    "chain": lambda: wrong_chain.local_run(),
    "parameters": lambda: one().local_run({"day": 1}),
    "task": lambda: task(retries=1, retry=2)(helper),  # type: ignore[call-overload]
    "DAG": lambda: DAG("d", tasks=[1]),
    "Flow": lambda: Flow("f").add(1),
    "route": lambda: routed.run(),
    "step's name": lambda: one().explain("nothing"),
    "stage": lambda: one().synth(stage="nothing"),
    "settings": lambda: load_config(stage="nothing"),
    "kept results": lambda: StateManager(default_ttl=-1),
    "local run": lambda: Pipeline("x", steps=[fails(load())]).local_run(),
}


@pytest.mark.parametrize("kind", WRONG)
def test_the_traceback_ends_at_the_users_line(kind: str) -> None:
    """An error of lokki_tf has frames of its callers alone, and ends at the line that is wrong."""
    with pytest.raises(LokkiError) as caught:
        WRONG[kind]()
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    assert frames[-1].name in ("<lambda>", "one", "wrong_chain")


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
@pytest.mark.parametrize("function", [fails, fails_later])
def test_the_cause_of_a_failed_run_has_the_users_frames_alone(executor: str, function: Any) -> None:
    """Between the step's error and its traceback nothing of threads, processes or asyncio shows."""
    with pytest.raises(StepFailed) as caught:
        Pipeline("x", steps=[function(load())]).local_run(executor=executor)
    shown = "".join(traceback.format_exception(caught.value))
    files = {line.split('"')[1] for line in shown.splitlines() if line.startswith("  File ")}
    assert files == {__file__}
    assert f"in {function.__name__}" in shown
    assert "in helper" in shown


def test_frames_of_callers_stay() -> None:
    """Frames of other packages and of the user around a call are kept, those inside are not."""

    def inner() -> None:
        one("bad name!")

    with pytest.raises(LokkiError) as caught:
        asyncio.run(asyncio.to_thread(inner))  # type: ignore[arg-type]
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["inner", "one"]
    assert "run" in names  # of asyncio and of the thread's pool
    assert without_own(None) is None


def script(tmp_path: Path, source: str, *args: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "pipeline.py"
    head = "import lokki_tf\nfrom lokki_tf import Pipeline, RetryConfig, main, step\n\n"
    file.write_text(head + source)
    return forked.run(
        [str(file), *args],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


STEP = "@step\ndef load(day='today'):\n    return 1\n\n"
NAMED = STEP + 'pipe = Pipeline("bad name!", steps=[load()])\n'
MAIN = '\nif __name__ == "__main__":\n    {}(pipe)\n'


@pytest.mark.parametrize("called", ["main", "lokki_tf.main"])
@pytest.mark.parametrize("command", ["run", "check", "synth"])
def test_a_script_of_main_prints_the_message_and_the_line(
    tmp_path: Path, called: str, command: str
) -> None:
    """What is wrong before ``main`` is reached is printed as by a command: without a traceback."""
    done = script(tmp_path, NAMED + MAIN.format(called), command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: pipeline name 'bad name!' has characters that AWS refuses: ' !'",
        f"  at {tmp_path / 'pipeline.py'}:8",
        "  use letters A to Z, digits, - and _",
    ]


def test_an_error_without_a_place_gets_the_users_line(tmp_path: Path) -> None:
    """An error that names no place is printed with the line of the script that raised it."""
    source = f"{STEP}retry = RetryConfig(retries=-1)\npipe = Pipeline('x', steps=[load()])\n"
    done = script(tmp_path, source + MAIN.format("main"), "run")
    assert f"  at {tmp_path / 'pipeline.py'}:8" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_script_has_pythons_traceback(tmp_path: Path) -> None:
    """A script without ``main``, or with a function of its own of that name, shows a traceback."""
    own = "\ndef main(pipe):\n    pass\n\nmain(1)\n"
    for source in (NAMED, NAMED.replace("pipe =", own + "pipe =")):
        done = script(tmp_path, source)
        assert done.returncode == 1
        assert done.stderr.startswith("Traceback")
        assert done.stderr.count('  File "') == 1
        assert "lokki_tf.errors.NamingError: pipeline name 'bad name!'" in done.stderr


def test_a_failed_run_shows_the_steps_own_traceback(tmp_path: Path) -> None:
    """``run`` shows the traceback of the user's code from the step on, then the message."""
    source = STEP.replace("return 1", "return int('größe')") + "pipe = Pipeline('x', [load()])\n"
    for executor in ("thread", "process"):
        done = script(tmp_path, source + MAIN.format("main"), "run", "--executor", executor)
        assert done.returncode == 1
        lines = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
        assert lines == [f'  File "{tmp_path / "pipeline.py"}", line 6, in load']
        assert "error: step 'load' failed: ValueError: invalid literal" in done.stderr
