"""A run for each of many values: in AWS and locally, interrupted, continued, and with failures."""

from __future__ import annotations

import importlib.util
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from operate_folder import Folder, settings_for

from lokki_tf import DAG, Flow, MicroFunctions, Parameter, Pipeline, flow, run_context, step, task
from lokki_tf.cli.backfilling import Backfill
from lokki_tf.cli.parameters import converted
from lokki_tf.config import load_config
from lokki_tf.errors import OptionError
from lokki_tf.model import REQUIRED, FlowParameter
from lokki_tf.operate.backfill_values import BackfillValue, backfill_values
from lokki_tf.operate.backfilling import BackfillRun, backfill, found_runs, planned
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.results import result
from lokki_tf.operate.stack import Stack
from lokki_tf.pipeline.backfills import local_backfill
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lokki_tf.local import Event

SOURCE = """
import time
from pathlib import Path
from lokki_tf import Parameter, Pipeline, main, run_context, step

@step
def load(day: str, gate: str, slow: float) -> list:
    time.sleep(slow)
    closed = Path(gate, day)
    if Path(gate, "wait").exists() and day == "2024-01-02":
        while Path(gate, "wait").exists():
            time.sleep(0.05)
    if gate and closed.exists():
        raise ValueError(f"no data for {day}")
    return [day, str(run_context().scheduled_at)]

loading = Pipeline("loading", steps=[load(
    Parameter("day", str),
    Parameter("gate", str, default=""),
    Parameter("slow", float, default=0.0),
)])

if __name__ == "__main__":
    main(loading)
"""


@step
def seen(day: Any) -> tuple[Any, datetime | None]:
    return day, run_context().scheduled_at


@step
def fails(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


@task()
def look(day: str) -> tuple[Any, datetime | None]:
    return day, run_context().scheduled_at


@flow
def chained(day: str):
    return seen(day)


routed = MicroFunctions("look_at", name="backfill-routed")


@routed.fn(terminates=True)
def look_at(day: str) -> Any:
    return {"look": (day, run_context().scheduled_at)}


STYLES: dict[str, Pipeline] = {
    "calls": Pipeline("backfill-calls", steps=[seen(Parameter("day", str))]),
    "flow": chained,
    "arrows": DAG("backfill-arrows", tasks=[look]),
    "builder": Flow("backfill-builder").add(look),
    "routes": routed,
}
DAY = FlowParameter("day", str, REQUIRED)
NUMBER = FlowParameter("number", int, REQUIRED)


def values_of(text: str, parameter: FlowParameter = DAY, zone: Any = UTC) -> list[BackfillValue]:
    return list(backfill_values(text, parameter, parameter.kind, zone))


def deployed_on(aws: LocalAws, pipeline: Pipeline) -> Deployed:
    """The pipeline, registered without Terraform."""
    config = load_config()
    local = replace(config.aws, endpoint=aws.endpoint_url, region=aws.region)
    stack = Stack.of(pipeline.definition, replace(config, aws=local))
    return Deployed(stack, aws.register(pipeline), {}, Aws(stack.config))


def complete(deployed: Deployed, runs: Sequence[BackfillRun], **options: Any) -> list[BackfillRun]:
    """Run a backfill to its end."""
    options = {"most": 4, "wait": lambda seconds: time.sleep(0.05), **options}
    return list(backfill(deployed, found_runs(deployed, runs), **options))


def executions(aws: LocalAws, name: str) -> list[dict[str, Any]]:
    """The executions of a pipeline, the latest first."""
    client = aws.client("stepfunctions")
    machines = client.list_state_machines()["stateMachines"]
    arn = next(one["stateMachineArn"] for one in machines if one["name"] == name)
    found: list[dict[str, Any]] = client.list_executions(stateMachineArn=arn)["executions"]
    return found


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """An account of its own."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws


@pytest.fixture
def folder(account: LocalAws, tmp_path: Path) -> Folder:
    """A pipeline's folder, with the pipeline registered without Terraform."""
    made = Folder(tmp_path, SOURCE, settings_for(account))
    spec = importlib.util.spec_from_file_location("loading_pipeline", made.script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    account.register(module.loading)
    return made


@pytest.mark.parametrize("style", STYLES)
def test_every_style_has_backfills(local_aws: LocalAws, style: str) -> None:
    """A step receives its value and the begin of its interval, in AWS and in local runs."""
    pipeline = STYLES[style]
    berlin = ZoneInfo("Europe/Berlin")
    values = values_of("2024-01-01..2024-01-02,latest", zone=berlin)
    expected: list[Any] = [
        ("2024-01-01", datetime(2023, 12, 31, 23, tzinfo=UTC)),
        ("2024-01-02", datetime(2024, 1, 1, 23, tzinfo=UTC)),
        ("latest", None),
    ]
    deployed = deployed_on(local_aws, pipeline)
    ended = {one.value.text: one for one in complete(deployed, planned(values, "day", {}, None))}
    results = []
    for value in values:
        run = ended[value.text].run
        assert run is not None
        results.append(result(deployed, run, allow_pickle=True))
    results += [pipeline.local_run(one.given("day", {})).result for one in values]
    assert [one["look"] if isinstance(one, dict) else one for one in results] == expected * 2
    outcomes = list(local_backfill(pipeline, values, "day", {}))
    assert [one.status for one in outcomes] == ["SUCCEEDED"] * 3


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("1, 2,1", int, [1, 2]),
        ("true,false", bool, [True, False]),
        ("a,b", str, ["a", "b"]),
        ("2024-01-31,b-2024-02-30", str, ["2024-01-31", "b-2024-02-30"]),
        ("2024-01-01T05", Any, ["2024-01-01T05:00:00+00:00"]),
        ("2024-01,2024-02..2024-03", str, ["2024-01", "2024-02", "2024-03"]),
        ("2024-01", float, None),
        ("1..3", int, None),
        ("[1],[2]", list, None),
        (" , ", str, None),
    ],
)
def test_values_have_the_parameters_type(text: str, kind: Any, expected: list[Any] | None) -> None:
    """Values are converted as options are; a range requires a parameter that takes text."""

    def found() -> list[Any]:
        parameter = FlowParameter("day", kind, REQUIRED)
        values = backfill_values(text, parameter, lambda one: converted(kind, one), UTC)
        return [one.value for one in values]

    if expected is None:
        with pytest.raises(OptionError):
            found()
    else:
        assert found() == expected


@pytest.mark.parametrize("text", ["2024-02-31", "2024-13", "2024-W60", "2024-01-01T25"])
def test_dates_that_do_not_exist_are_errors(text: str, tmp_path: Path) -> None:
    """A value that is written as a date and is none is an error; a line of a file is a text."""
    with pytest.raises(OptionError, match=f"--backfill {text}: the value has '{text}'") as caught:
        values_of(f"2024-01-01,{text}")
    assert "--backfill @FILE" in str(caught.value.remedy)
    file = tmp_path / "texts"
    file.write_text(f"{text}\n")
    (one,) = values_of(f"@{file}")
    assert (one.value, one.begin) == (text, None)


def test_values_of_a_file(tmp_path: Path) -> None:
    """A line is a value, also one with ``..`` or commas; days in it have their time."""
    file = tmp_path / "days.txt"
    file.write_text("2024-01-05\n\na/../b,c\n")
    first, second = values_of(f"@{file}")
    assert (first.value, first.begin) == ("2024-01-05", datetime(2024, 1, 5, tzinfo=UTC))
    assert (second.value, second.begin) == ("a/../b,c", None)


def test_names_follow_from_the_input() -> None:
    """The same value has the same name however it is written; other parameters change it."""

    def name(text: str, others: Mapping[str, Any], prefix: str | None = None) -> str:
        (one,) = planned(values_of(text), "day", others, prefix)
        return one.name

    assert name("2024-01-05", {}) == name("2024-01-05..2024-01-05", {})
    names = {
        name("2024-01-05", {}),
        name("2024-01-05", {"limit": 1}),
        name("2024-01-05", {"limit": 2}),
        name("2024-01-05", {}, "second"),
        name("2024-01-06", {}),
        name(f"{'x' * 200}1", {}),
        name(f"{'x' * 200}2", {}),
        name("ä b:c", {}),
    }
    assert len(names) == 8
    assert all(len(one) <= 76 and set(one) < {*map(chr, range(128))} - set(" :") for one in names)
    for wrong in ("a b", "", "x" * 41):
        with pytest.raises(OptionError, match="--name must be"):
            name("2024-01-05", {}, wrong)


def test_failed_values_are_started_again_on_request(local_aws: LocalAws) -> None:
    """A failed value is reported and left; ``again`` starts it with the attempt in its name."""
    pipeline = Pipeline("backfill-fails", steps=[fails(Parameter("number", int))])
    deployed = deployed_on(local_aws, pipeline)
    runs = planned(values_of("1,2,3", NUMBER), "number", {}, "first")
    outcomes = {one.value.text: one.outcome for one in complete(deployed, runs)}
    assert {text: one.status for text, one in outcomes.items()} == {
        "1": "SUCCEEDED", "2": "FAILED", "3": "SUCCEEDED",
    }  # fmt: skip
    assert outcomes["2"].error == "ValueError: two"
    events: list[Event] = []
    left = [one.outcome for one in complete(deployed, runs, on_event=events.append)]
    assert all(one.earlier for one in left)
    assert events == []
    assert len(executions(local_aws, "backfill-fails")) == 3
    again = complete(deployed, runs, again=True, on_event=events.append)
    assert [one.outcome.earlier for one in again] == [True, True, False]
    assert again[-1].outcome.run == f"{runs[1].name}-2"
    assert [(one.kind, one.node) for one in events] == [("step_started", "2"), ("step_failed", "2")]
    assert len(executions(local_aws, "backfill-fails")) == 4
    (third,) = [one for one in complete(deployed, runs, again=True) if not one.earlier]
    assert third.outcome.run == f"{runs[1].name}-3"


def test_a_name_that_is_used_is_not_started_twice(local_aws: LocalAws) -> None:
    """Executions that AWS's list does not show yet are found by their names."""
    pipeline = Pipeline("backfill-stale", steps=[fails(Parameter("number", int))])
    deployed = deployed_on(local_aws, pipeline)
    runs = planned(values_of("1,2", NUMBER), "number", {}, None)
    complete(deployed, runs)
    unseen = list(backfill(deployed, runs, most=1, wait=lambda seconds: None))
    assert [(one.outcome.status, one.earlier) for one in unseen] == [
        ("SUCCEEDED", True), ("FAILED", True),
    ]  # fmt: skip
    assert len(executions(local_aws, "backfill-stale")) == 2
    (_, second) = backfill(deployed, runs, most=1, again=True, wait=lambda seconds: time.sleep(0.1))
    assert (second.attempt, second.earlier) == (2, False)


@step
def opened(number: int, path: str) -> int:
    from pathlib import Path

    if Path(path).exists():
        raise ValueError("closed")
    return number


def test_an_attempt_that_is_redriven_counts(local_aws: LocalAws, tmp_path: Path) -> None:
    """A value of which any attempt was redriven with success is done, later failures or not."""
    closed = tmp_path / "closed"
    closed.touch()
    number, path = Parameter("number", int), Parameter("path", str)
    pipeline = Pipeline("backfill-redriven", steps=[opened(number, path)])
    deployed = deployed_on(local_aws, pipeline)
    runs = planned(values_of("1", NUMBER), "number", {"path": str(closed)}, None)
    (failed,) = complete(deployed, runs)
    assert failed.has_failed
    assert failed.run is not None
    (second,) = complete(deployed, runs, again=True)
    assert second.has_failed
    closed.unlink()
    local_aws.client("stepfunctions").redrive_execution(executionArn=failed.run.arn)
    (done,) = complete(deployed, runs, again=True)
    assert done.has_succeeded
    assert done.outcome.run == runs[0].name
    assert len(executions(local_aws, "backfill-redriven")) == 2


@step
def waits(number: int, path: str) -> int:
    import time
    from pathlib import Path

    while Path(path, str(number)).exists():
        time.sleep(0.02)
    return number


def test_what_is_running_is_waited_for_and_counts(local_aws: LocalAws, tmp_path: Path) -> None:
    """A run that another call has started is not started again, and takes one of the places."""
    held = tmp_path / "1"
    held.touch()
    number, path = Parameter("number", int), Parameter("path", str)
    pipeline = Pipeline("backfill-running", steps=[waits(number, path)])
    deployed = deployed_on(local_aws, pipeline)
    runs = planned(values_of("1,2", NUMBER), "number", {"path": str(tmp_path)}, None)
    looks = 0

    def wait(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            names = [one["name"] for one in executions(local_aws, "backfill-running")]
            assert names == [runs[0].name]
            held.unlink()
        time.sleep(0.05)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(backfill(deployed, runs, most=1, wait=interrupt))
    first, second = complete(deployed, runs, most=1, wait=wait)
    assert [one.value.text for one in (first, second)] == ["1", "2"]
    assert not first.earlier
    assert first.has_succeeded
    assert second.has_succeeded
    assert len(executions(local_aws, "backfill-running")) == 2


def most_at_once(found: Sequence[Mapping[str, Any]]) -> int:
    """The most executions that ran at one time."""
    moments = [(one["startDate"], 1) for one in found] + [(one["stopDate"], -1) for one in found]
    running = most = 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most


def test_the_number_of_runs_at_one_time_is_bounded(folder: Folder, account: LocalAws) -> None:
    """No more executions than allowed run at one time, and as many as that do."""
    done = folder.run(
        *("start", "--backfill", "2024-02-01..2024-02-07", "--param", "day", "--slow", "0.6"),
        *("--max-concurrent-runs", "3", "--name", "bounded", "--json"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["succeeded"], told["earlier"], told["failed"]) == (7, 0, 0)
    found = [one for one in executions(account, "loading") if one["name"].startswith("bounded-")]
    assert {one["name"] for one in found} == {one["run"] for one in told["runs"]}
    assert most_at_once(found) == 3
    assert "2024-02-07 done in" in done.stderr


def test_an_interrupted_backfill_continues(
    folder: Folder, account: LocalAws, tmp_path: Path
) -> None:
    """After Ctrl-C nothing is started twice, nothing is forgotten, and what runs is waited for."""
    (tmp_path / "wait").touch()
    command = (
        *("start", "--backfill", "2024-01-01..2024-01-04", "--param", "day"),
        *("--gate", str(tmp_path), "--max-concurrent-runs", "1"),
    )

    def own() -> list[dict[str, Any]]:
        found = executions(account, "loading")
        return [one for one in found if one["name"].startswith("day-2024-01-0")]

    until(lambda: not own())
    code, before, rest = folder.interrupt(
        "2024-01-01 done in",
        *command,
        ready=lambda: until(lambda: any(one["status"] == "RUNNING" for one in own())),
    )
    assert (code, "Traceback" in before + rest) == (130, False), before + rest
    assert "the same command waits for them, and starts the runs that are left" in rest
    assert [one["status"] for one in own()] == ["RUNNING", "SUCCEEDED"]
    (tmp_path / "wait").unlink()
    done = folder.run(*command, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["succeeded"], told["failed"], len(told["runs"])) == (4, 0, 4)
    assert told["runs"][0]["earlier"]
    assert len(own()) == 4
    third = folder.run(*command)
    assert third.stdout == "4 succeeded (4 of them before), 0 failed\n"
    assert "4 runs: 4 succeeded before" in third.stderr
    assert len(own()) == 4


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError


def test_failures_are_listed_at_the_end(folder: Folder, tmp_path: Path) -> None:
    """The summary has counts and the failed values; the exit code is 1 until all succeed."""
    (tmp_path / "2024-03-02").touch()
    command = (
        *("start", "--backfill", "2024-03-01..2024-03-03", "--param", "day"),
        *("--gate", str(tmp_path)),
    )
    done = folder.run(*command)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "2 succeeded, 1 failed"
    assert lines[-1].split()[0] == "2024-03-02"
    assert "ValueError: no data for 2024-03-02" in lines[-1]
    run = lines[-1].split()[1]
    assert f"redrive --run {run}" in done.stderr
    (tmp_path / "2024-03-02").unlink()
    left = folder.run(*command)
    assert left.returncode == 1
    assert "2 succeeded before, 1 failed before; --again starts the failed ones again" in (
        left.stderr
    )
    again = folder.run(*command, "--again")
    assert (again.returncode, again.stdout) == (0, "3 succeeded (2 of them before), 0 failed\n")
    shown = json.loads(folder.run("result", "--run", f"{run}-2", "--json").stdout)
    assert shown == ["2024-03-02", "2024-03-02 00:00:00+00:00"]


def test_intervals_are_in_the_time_zone_of_the_schedule(folder: Folder) -> None:
    """``timezone`` of ``[schedule]`` sets when days begin."""
    settings = folder.path / "lokki.toml"
    settings.write_text(f'{settings.read_text()}[schedule]\ntimezone = "Europe/Berlin"\n')
    done = folder.run("start", "--backfill", "2024-06-01T01", "--param", "day", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)["runs"][0]["run"]
    shown = json.loads(folder.run("result", "--run", run, "--json").stdout)
    assert shown == ["2024-06-01T01:00:00+02:00", "2024-05-31 23:00:00+00:00"]


def test_local_runs_continue_from_kept_results(folder: Folder, tmp_path: Path) -> None:
    """``run --backfill`` runs each value here; what has succeeded before does not run again."""
    (tmp_path / "2024-01-02").touch()
    command = (
        *("run", "--backfill", "2024-01-01..2024-01-03", "--param", "day"),
        *("--gate", str(tmp_path)),
    )
    done = folder.run(*command)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "2 succeeded, 1 failed"
    assert "ValueError: no data for 2024-01-02" in done.stdout.splitlines()[-1]
    assert "2024-01-03 done in" in done.stderr
    (tmp_path / "2024-01-02").unlink()
    again = folder.run(*command, "--json")
    told = json.loads(again.stdout)
    assert [one["earlier"] for one in told["runs"]] == [True, False, True], again.stderr
    assert "2024-01-01 taken from an earlier run" in again.stderr


def test_an_interrupted_local_backfill_continues(folder: Folder, tmp_path: Path) -> None:
    """After Ctrl-C the same command runs what has not succeeded, and nothing else."""
    (tmp_path / "wait").touch()
    command = (
        *("run", "--backfill", "2024-01-01..2024-01-03", "--param", "day"),
        *("--gate", str(tmp_path), "--json"),
    )
    code, _, rest = folder.interrupt("2024-01-01 done in", *command)
    assert (code, "Traceback" in rest) == (130, False), rest
    assert "the same command starts the runs that are left" in rest
    (tmp_path / "wait").unlink()
    told = json.loads(folder.run(*command).stdout)
    assert [one["earlier"] for one in told["runs"]] == [True, False, False]
    assert told["succeeded"] == 3


def test_local_results_are_kept_by_their_scheduled_time(tmp_path: Path) -> None:
    """A step that reads ``scheduled_at`` runs again for another one."""
    pipeline = STYLES["calls"]
    day = BackfillValue("2024-01-01", "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC))
    state = tmp_path / "state.db"
    without = pipeline.local_run({"day": "2024-01-01"}, state=state).result
    assert without == ("2024-01-01", None)
    ran = pipeline.local_run(day.given("day", {}), state=state)
    assert ran.result == ("2024-01-01", day.begin)
    assert pipeline.local_run(day.given("day", {}), state=state).status["seen"] == "cached"


WRONG = [
    (["--backfill", "2024-01-02..2024-01-01", "--param", "day"], "ends before it begins"),
    (["--backfill", "2024-01-01..2024-02", "--param", "day"], "mixes days and months"),
    (["--backfill", "a", "--param", "nobody"], "must name a parameter of loading (day, gate, slow"),
    (["--backfill", "1..2", "--param", "slow", "--day", "a"], "'slow' is float"),
    (["--backfill", "a", "--param", "slow", "--day", "a"], "must be of type float, got 'a'"),
    (["--backfill", "1,2", "--param", "slow"], "Missing option '--day'"),
    (["--backfill", "a", "--param", "day", "--day", "a"], "--day cannot be combined with --param"),
    (["--backfill", "a"], "--backfill requires --param NAME"),
    (["--param", "day", "--day", "a"], "--param requires --backfill"),
    (["--backfill", "a", "--param", "day", "--every", "2"], "--every requires a range"),
    (["--backfill", "@nothing", "--param", "day"], "cannot be read: No such file"),
    (["--backfill", "1970-01-01..2024-01-01", "--param", "day"], "has 19,724 values"),
]
WRONG_IN_AWS = [
    (["--again", "--day", "a"], "--again requires --backfill"),
    (["--backfill", "a", "--param", "day", "--no-wait"], "--no-wait cannot be combined"),
    (["--backfill", "a", "--param", "day", "--allow-pickle"], "--allow-pickle cannot be combined"),
    (["--backfill", "a", "--param", "day", "--name", "a b"], "--name must be a valid beginning"),
]
WRONG_HERE = [
    (["--backfill", "a", "--param", "day", "--local-aws"], "--local-aws cannot be combined"),
    (["--backfill", "a", "--param", "day", "--gantt", "a.svg"], "--gantt cannot be combined"),
]


@pytest.mark.parametrize("command", ["start", "run"])
def test_wrong_backfills_start_nothing(folder: Folder, account: LocalAws, command: str) -> None:
    """Each is exit code 2 with a sentence, before anything runs."""
    before = len(executions(account, "loading"))
    for args, message in WRONG + (WRONG_IN_AWS if command == "start" else WRONG_HERE):
        done = folder.run(command, *args)
        assert message in done.stderr, (args, done.stderr)
        assert (done.returncode, done.stdout) == (2, ""), (args, done.stdout)
        assert "Traceback" not in done.stderr, args
    assert len(executions(account, "loading")) == before
    assert not (folder.path / ".lokki").exists()


def test_many_values_are_confirmed(folder: Folder) -> None:
    """At a terminal the number of values is asked about; a refusal starts nothing."""
    args = ("run", "--backfill", "1970-01-01..2024-01-01", "--param", "day")
    refused = folder.answer("n", *args)
    assert refused.returncode == 2
    assert "has 19,724 values. Continue? [y/N]" in refused.stderr
    assert "nothing was started" in refused.stderr


def test_confirmed_values_are_all_there() -> None:
    """With --auto-approve, any number of values is accepted without a terminal."""
    backfilled = Backfill("1970-01-01..2024-01-01", "day", approved=True)
    values = backfilled.values(STYLES["calls"], {}, "start")
    assert len(values) == 19_724
    assert (values[0].text, values[-1].text) == ("1970-01-01", "2024-01-01")
