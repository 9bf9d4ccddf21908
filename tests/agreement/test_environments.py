"""Each step has its own environment variables, here as in AWS."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ways import WAYS

from lokki_tf import DAG, Flow, MicroFunctions, Pipeline, ReturnUpdates, flow, step, task
from lokki_tf.errors import ConfigError

if TYPE_CHECKING:
    from deployment import Deployment

NAMES = ("MODE", "ONLY", "SHARED", "LOKKI_STAGE")


def seen() -> dict[str, str]:
    return {name: os.environ[name] for name in NAMES if name in os.environ}


@step(env_variables={"MODE": "one", "ONLY": "1"})
def first(rest: Any = None) -> dict[str, str]:
    return seen()


@step(env_variables={"MODE": "two"})
def second(rest: Any = None) -> dict[str, str]:
    return seen()


@step
def none(rest: Any = None) -> dict[str, str]:
    return seen()


@step
def several() -> list[int]:
    return [1, 2, 3]


@step(env_variables={"MODE": "of a condition"}, when=lambda rest: os.environ["MODE"] != "")
def asked(rest: Any) -> Any:
    return seen()


@task(env_variables={"MODE": "task"})
def single() -> dict[str, str]:
    return seen()


@task()
def following(single: Any) -> list[Any]:
    return [single, seen()]


routed = MicroFunctions("begin", name="environments-routed")


@routed.fn(env_variables={"MODE": "begin"})
def begin() -> Any:
    return ReturnUpdates("end", before=seen())


@routed.fn(terminates=True)
def end(*, before: Any) -> Any:
    return {"before": before, "after": seen()}


@flow
def mapped():
    return several().map(first).agg(second)


PIPELINES: dict[str, Any] = {
    "calls": Pipeline("environments", steps=[first(), second(), none(first(second())), asked(1)]),
    "flow": mapped,
    "arrows": DAG("environments-arrows", tasks=[single]),
    "builder": Flow("environments-builder").add(single).add(following),
    "routed": routed,
}


@pytest.mark.parametrize("style", PIPELINES)
def test_variables_are_those_of_aws(style: str, deployment: Deployment) -> None:
    """Threads, processes, one after another and strict: the same variables as in each Lambda."""
    pipeline = PIPELINES[style]
    there = deployment.run(pipeline)
    for options in WAYS:
        if style == "routed" and "executor" in options and options["executor"] == "process":
            continue
        here = pipeline.local_run(**options).outputs
        assert {name: here[name] for name in there} == there, options
    assert not seen()


def test_settings_hold_in_local_runs(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``env`` of ``[lambda]``, of a stage and of a step, the stage's name too, are the same."""
    text = '[lambda]\nenv = { SHARED = "all", MODE = "toml" }\n'
    text += '[stage.prod.lambda]\nenv = { SHARED = "prod" }\n'
    (tmp_path / "lokki.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline("settings-environments", steps=[first(), none()])
    for stage, shared in ((None, {"SHARED": "all"}), ("prod", {"SHARED": "prod"})):
        names = {"LOKKI_STAGE": stage} if stage else {}
        expected = {
            "first": {"MODE": "one", "ONLY": "1", **shared, **names},
            "none": {"MODE": "toml", **shared, **names},
        }
        there = deployment.aws.values(deployment.aws.run(pipeline, stage=stage))
        assert there == expected
        for options in WAYS:
            assert pipeline.local_run(stage=stage, **options).outputs == expected, options
    with pytest.raises(ConfigError, match="no stage 'dev'"):
        pipeline.local_run(stage="dev")


def test_steps_at_the_same_time_do_not_see_each_other() -> None:
    """Two steps that meet while they run have different values for one name."""
    barrier = threading.Barrier(2, timeout=30)

    def meeting() -> list[str]:
        before = os.environ["MODE"]
        barrier.wait()
        os.environ["MODE"] += "!"
        barrier.wait()
        return [before, os.environ["MODE"], os.getenv("MODE", ""), dict(os.environ)["MODE"]]

    left = step(name="left", env_variables={"MODE": "l"})(meeting)
    right = step(name="right", env_variables={"MODE": "r"})(meeting)
    ran = Pipeline("meeting", steps=[left(), right()]).local_run()
    assert ran.outputs == {"left": ["l", "l!", "l!", "l!"], "right": ["r", "r!", "r!", "r!"]}
    assert "MODE" not in os.environ


def test_what_a_step_starts_has_its_variables() -> None:
    """Threads, pools and programs that a step starts see its variables; so does a nested run."""
    code = "import os; print(os.environ['MODE'], os.environ.get('HOME'))"

    @step(env_variables={"MODE": "inner"})
    def inner() -> str:
        return os.environ["MODE"] + os.environ["ONLY"]

    nested = Pipeline("inner", steps=[inner()])

    @step(env_variables={"MODE": "outer", "ONLY": "1"})
    def outer() -> list[str]:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(os.environ["MODE"]))
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            found += pool.map(os.environ.get, ["MODE"])
        found.append(subprocess.check_output([sys.executable, "-c", code], text=True).split()[0])
        given = {**os.environ, "MODE": "given"}
        found += [subprocess.check_output([sys.executable, "-c", code], text=True, env=given)[:5]]
        return [*found, nested.local_run().result]

    ran = Pipeline("starting", steps=[outer()]).local_run()
    assert ran.result == ["outer", "outer", "outer", "given", "inner1"]
    assert type(os.environ) is os._Environ


def test_what_a_step_changes_concerns_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that a step sets or deletes are as before for others, and after an error."""
    monkeypatch.setenv("SHARED", "process")

    @step(env_variables={"MODE": "m"})
    def changing() -> Any:
        del os.environ["SHARED"], os.environ["MODE"]
        os.environ["ONLY"] = "mine"
        with pytest.raises(KeyError):
            os.environ["SHARED"]
        with pytest.raises(TypeError):
            os.environ["ONLY"] = 1  # type: ignore[assignment]
        assert len(os.environ) == len(dict(os.environ)) == len(list(os.environ))
        raise LookupError(str(seen()))

    for executor in ("thread", "sequential", "process"):
        with pytest.raises(LookupError) as caught:
            Pipeline("changing", steps=[changing()]).local_run(executor=executor)
        assert "{'ONLY': 'mine'}" in str(caught.value)
        assert seen() == {"SHARED": "process"}


def test_the_environment_as_bytes_is_the_same() -> None:
    """``os.environb`` shows and changes the variables of the step."""

    @step(env_variables={"MODE": "m"})
    def changing() -> Any:
        given = os.environb[b"MODE"], os.getenvb(b"MODE")
        os.environb[b"ONLY"] = b"1"
        del os.environb[b"MODE"]
        with pytest.raises(KeyError, match="b'MODE'"):
            os.environb[b"MODE"]
        with pytest.raises(KeyError, match="b'MODE'"):
            del os.environb[b"MODE"]
        assert len(os.environb) == len(list(os.environb)) == len(os.environ)
        return [one.decode() for one in given if one], seen()

    for options in WAYS:
        ran = Pipeline("bytes", steps=[changing()]).local_run(**options)
        assert ran.result == (["m", "m"], {"ONLY": "1"})
    assert not {b"MODE", b"ONLY"} & set(os.environb)
    assert type(os.environb) is os._Environ


@step(env_variables={"TZ": "Asia/Tokyo"})
def in_tokyo() -> Any:
    return time.strftime("%H", time.localtime(0)), time.tzname


@step
def elsewhere(before: Any) -> Any:
    return time.strftime("%H", time.localtime(0)), time.tzname


def test_a_zone_holds_in_the_steps_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """``TZ`` of a step is in effect for ``time`` in a worker process, and for that step alone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    pipeline = Pipeline("zones", steps=[elsewhere(in_tokyo())])
    ran = pipeline.local_run(executor="process", max_workers=1)
    assert ran.outputs == {
        "in_tokyo": ("09", ("JST", "JST")),
        "elsewhere": ("00", ("UTC", "UTC")),
    }
    monkeypatch.undo()
    time.tzset()


def mode() -> str:
    return os.environ["MODE"]


def test_other_variables_make_another_result(tmp_path: Path) -> None:
    """A kept result is not used again where the step's variables have changed."""
    statuses = []
    for value in ("a", "b", "a", "b"):
        made = step(env_variables={"MODE": value})(mode)
        ran = Pipeline("kept", steps=[made()]).local_run(state=tmp_path / "state.db")
        assert ran.result == value
        statuses.append(ran.status["mode"])
    assert statuses == ["done", "done", "cached", "cached"]


EARLY = os.environ.get("MODE")


@step(env_variables={"MODE": "late"})
def early() -> str | None:
    return EARLY


def test_a_variable_that_is_read_at_import_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module has read its variables before a run can set them, unless the process has them."""
    pipeline = Pipeline("early", steps=[early()])
    (finding,) = [one for one in pipeline.check() if one.rule == "variable-early"]
    assert "'MODE'" in finding.message
    monkeypatch.setenv("MODE", "late")
    assert not [one for one in pipeline.check() if one.rule == "variable-early"]


def test_the_step_of_a_failure_has_its_variables() -> None:
    """The step that is called when a run fails sees its own variables."""
    found: list[Any] = []

    @step(env_variables={"MODE": "notice"})
    def notify(failure: dict[str, Any]) -> None:
        found.append(seen())

    @step
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError, match="fails"):
        Pipeline("noticed", steps=[fails()], on_failure=notify).local_run()
    assert found == [{"MODE": "notice"}]
