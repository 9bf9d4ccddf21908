"""Results of earlier runs: what is reused, what runs again, and after a crash."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ways import IN_THIS_PROCESS

from lokki_tf import DAG, Pipeline, StateManager, StepFailed, flow, step, task

CALLS: list[Any] = []


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def note(*what: Any) -> None:
    CALLS.append(what if len(what) > 1 else what[0])


@step
def load(day: Any) -> Any:
    note("load", day)
    return [day, {1, 2, 3}, ("tuple",)]


@step
def size(rows: Any) -> int:
    note("size")
    return len(rows)


@step(when=lambda n: n > 100)
def rarely(n: int) -> int:
    note("rarely")
    return n


@step
def total(*numbers: Any) -> Any:
    note("total")
    return numbers


@pytest.mark.parametrize("way", IN_THIS_PROCESS, ids=str)
def test_unchanged_steps_do_not_run_again(way: dict[str, Any], tmp_path: Path) -> None:
    """The second run gives equal results, types and skips included, and calls no step."""
    rows = load("monday")
    pipeline = Pipeline("p", steps=[total(size(rows), rarely(size(rows)), rows)])
    state = StateManager(tmp_path / "state.db")
    first = pipeline.local_run(state=state, **way)
    called = len(CALLS)
    again = pipeline.local_run(state=tmp_path / "state.db", **way)
    assert called == 4
    assert len(CALLS) == called
    assert again == first
    assert again.result == (3, None, ["monday", {1, 2, 3}, ("tuple",)])
    statuses = {"load", "size", "size_2", "total"}
    assert again.status == {**dict.fromkeys(statuses, "cached"), "rarely": "skipped"}


def test_processes_reuse_results_of_threads(tmp_path: Path) -> None:
    """Stored results are found with another executor."""
    pipeline = Pipeline("p", steps=[size(load("x"))])
    pipeline.local_run(state=tmp_path / "s")
    run = pipeline.local_run(state=tmp_path / "s", executor="process")
    assert set(run.status.values()) == {"cached"}
    fresh = Pipeline("p", steps=[size(load("y"))])
    assert fresh.local_run(state=tmp_path / "s", executor="process").status["load"] == "done"
    assert fresh.local_run(state=tmp_path / "s").status["load"] == "cached"


def test_other_inputs_run_again(tmp_path: Path) -> None:
    """A step runs once for each input, and its successors only if its result differs."""
    state = StateManager()
    for day in ("monday", "tuesday", "monday"):
        Pipeline("p", steps=[total(size(load(day)))]).local_run(state=state)
    assert CALLS == [("load", "monday"), "size", "total", ("load", "tuesday"), "size"]


def test_two_nodes_of_a_step_both_run(tmp_path: Path) -> None:
    """Two nodes with the same step and input both run."""
    Pipeline("p", steps=[total(load(1), load(1))]).local_run(state=StateManager())
    assert CALLS.count(("load", 1)) == 2


def test_parameters_count(tmp_path: Path) -> None:
    """A flow runs again with other parameters."""

    @flow
    def daily(day: str = "monday"):
        return load(day=day).next(size)

    state = StateManager()
    daily.local_run({"day": "a"}, state=state)
    daily.local_run({"day": "b"}, state=state)
    daily.local_run({"day": "a"}, state=state)
    assert [one[1] for one in CALLS if one[0] == "load"] == ["a", "b"]


@step
def listed(items: Any) -> Any:
    return items


@step
def worked(item: Any, by: Any = 1) -> Any:
    note("worked", item)
    if item == "bad" and "mended" not in CALLS:
        raise ValueError(item)
    return [item, by]


@pytest.mark.parametrize("mode", ["distributed", "inline"])
def test_items_of_a_map_are_found_one_by_one(mode: str) -> None:
    """After an item is added to a list, only that item runs, at any position."""
    state = StateManager()

    def over(*items: Any) -> Any:
        chain = listed(list(items)).map(worked, by=load(0), mode=mode).agg(total)
        return Pipeline("p", steps=[chain]).local_run(state=state)

    over("a", "b", "b")
    by = [0, {1, 2, 3}, ("tuple",)]
    assert over("c", "a", "b", "b").result == ([[one, by] for one in ("c", "a", "b", "b")],)
    ran = [one[1] for one in CALLS if one[0] == "worked"]
    assert (sorted(ran[:3]), ran[3:]) == (["a", "b", "b"], ["c"])  # in threads, in any order


def test_a_failed_run_continues() -> None:
    """Nodes that had ended, items of maps included, do not run again."""
    state = StateManager()
    pipeline = Pipeline("p", steps=[listed(["a", "bad", "c"]).map(worked).agg(total)])
    with pytest.raises(StepFailed):
        pipeline.local_run(state=state, executor="sequential")
    note("mended")
    run = pipeline.local_run(state=state, executor="sequential")
    assert run.result == ([["a", 1], ["bad", 1], ["c", 1]],)
    assert [one[1] for one in CALLS if one[0] == "worked"] == ["a", "bad", "bad", "c"]
    assert pipeline.local_run(state=state).status["total"] == "cached"


MODULE = """
from lokki_tf import step, Pipeline
from cached_helper import factor
ran = []
@step
def one(n):
    ran.append("one")
    return n * factor()
@step
def two(n):
    ran.append("two")
    return n + 1
pipe = Pipeline("p", steps=[two(one(2))])
"""
HELPER = "FACTOR = 10\n\ndef factor():\n    return FACTOR\n"


@pytest.mark.parametrize(
    ("module", "helper", "ran"),
    [
        (MODULE, HELPER, []),
        (MODULE.replace("n + 1", "n + 2"), HELPER, ["two"]),
        (MODULE.replace("n * factor()", "factor() * n"), HELPER, ["one"]),
        (MODULE, HELPER.replace("10", "11"), ["one", "two"]),
        ("import os\n" + MODULE, HELPER, []),
        (MODULE, HELPER + "\n\ndef unused(): ...\n", ["one"]),
    ],
    ids=[
        "nothing",
        "the step",
        "a step with an equal result",
        "a constant it uses",
        "what none uses",
        "a module that it uses",
    ],
)
def test_changed_code_runs_again(
    module: str, helper: str, ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step runs again if it, or any of the user's code that it uses, has changed."""
    state = StateManager()
    for number, (own, other) in enumerate(((MODULE, HELPER), (module, helper))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "cached_module.py").write_text(own)
        (folder / "cached_helper.py").write_text(textwrap.dedent(other))
        with monkeypatch.context() as patch:
            patch.syspath_prepend(str(folder))
            for name in ("cached_module", "cached_helper"):
                sys.modules.pop(name, None)
            importlib.invalidate_caches()
            made = importlib.import_module("cached_module")
            made.pipe.local_run(state=state)
    for name in ("cached_module", "cached_helper"):
        sys.modules.pop(name, None)
    assert made.ran == ran


def test_a_changed_condition_runs_again() -> None:
    """A changed condition changes the step's code."""
    state = StateManager()

    def run(when: Any) -> dict[str, Any]:
        @task(when=when)
        def work(n: int = 1) -> int:
            return n

        return DAG("p", tasks=[work]).run(state=state)

    assert run(lambda n: n > 1) == {}
    assert run(lambda n: n > 0) == {"work": 1}


def test_results_expire(tmp_path: Path) -> None:
    """A step runs again after the time to live."""
    now = [0.0]
    state = StateManager(tmp_path / "s", default_ttl=60, clock=lambda: now[0])
    pipeline = Pipeline("p", steps=[load(1)])
    for moment in (0.0, 59.0, 61.0):
        now[0] = moment
        pipeline.local_run(state=state)
    assert len(CALLS) == 2


def test_a_result_that_cannot_be_stored_runs_again() -> None:
    """An open file or a lambda can be a result, but is not stored, with a warning."""

    @step
    def opened() -> Any:
        note("opened")
        return lambda: 1

    @step
    def called(function: Any) -> Any:
        note("called")
        return function()

    pipeline = Pipeline("p", steps=[called(opened())])
    state = StateManager()
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="step 'opened' will run again") as told:
            assert pipeline.local_run(state=state).result == 1
        ours = [one.filename for one in told if one.category is RuntimeWarning]
        assert ours == [__file__]
    assert CALLS == ["opened", "called"] * 2


def test_a_step_without_source_runs_every_time() -> None:
    """A step whose source is unknown runs every time, with a warning."""
    names: dict[str, Any] = {"step": step, "note": note}
    exec("@step\ndef hidden():\n    note('hidden')\n    return 1\n", names)
    pipeline = Pipeline("p", steps=[size([0]), names["hidden"]()])
    state = StateManager()
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match="step 'hidden' runs every time"):
            pipeline.local_run(state=state)
    assert CALLS.count("hidden") == 2
    assert CALLS.count("size") == 1


def test_stored_results_cannot_be_modified() -> None:
    """A step that modifies its input in place does not change stored results."""

    @step
    def spoils(rows: Any) -> int:
        rows.append("spoilt")
        return len(rows)

    pipeline = Pipeline("p", steps=[spoils(load(1))])
    state = StateManager()
    assert pipeline.local_run(state=state).result == 4
    assert pipeline.local_run(state=state).outputs["load"] == [1, {1, 2, 3}, ("tuple",)]


def test_reused_results_are_events() -> None:
    """A result of an earlier run has a single event, step_cached."""
    state, heard = StateManager(), []
    pipeline = Pipeline("p", steps=[size(load(1))])
    pipeline.local_run(state=state)
    pipeline.local_run(state=state, on_event=lambda event: heard.append(event.kind))
    assert heard == ["run_started", "step_cached", "step_cached", "run_finished"]


def test_a_modules_values_are_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed value of a module, computed outside of its code, runs its steps again."""
    (tmp_path / "held.py").write_text(
        "import os\nLEVEL = int(os.environ['HELD'])\nCACHE = {}\n\n\n"
        "def level(n):\n    CACHE[n] = LEVEL\n    return LEVEL + n\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HELD", "1")
    held = importlib.import_module("held")

    @step
    def leveled(n: int) -> int:
        return held.level(n)

    pipeline, state, seen = Pipeline("p", steps=[leveled(1)]), StateManager(), []
    for value in ("1", "1", "5"):
        monkeypatch.setenv("HELD", value)
        importlib.reload(held)
        ran = pipeline.local_run(state=state)
        seen.append((ran.result, ran.status["leveled"]))
    assert seen == [(2, "done"), (2, "cached"), (6, "done")]


def test_a_function_as_argument_is_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that receives a function runs again when that function's code has changed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    # Bytecode is matched by whole seconds and size, which all these bodies share.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    @step
    def applied(function: Any) -> int:
        return int(function(1))

    state, seen = StateManager(), []
    for body in ("n + 1", "n + 1", "n + 2"):
        (tmp_path / "handed.py").write_text(f"def go(n):\n    return {body}\n")
        sys.modules.pop("handed", None)
        importlib.invalidate_caches()
        go = importlib.import_module("handed").go
        ran = Pipeline("p", steps=[applied(go)]).local_run(state=state)
        seen.append((ran.result, ran.status["applied"]))
    assert seen == [(2, "done"), (2, "cached"), (3, "done")]
