"""The whole way: real Terraform, the local AWS, an execution, and the local run's result."""

from __future__ import annotations

import datetime as dt
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import library
import pytest
from applied import BUILDERS, Applied, stack
from hypothesis import HealthCheck, Phase, given, seed, settings
from library import echo, keyed, listing, pair, text
from strategies import DECLARED, pipelines, same
from thorough import TIMES

from lokki_tf import (
    Parameter,
    Pipeline,
    RetryConfig,
    S3Csv,
    S3Object,
    S3Objects,
    flow,
    start_pipeline,
    step,
)

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf.testing import LocalAws

ROOT = Path(__file__).parents[2]
AWKWARD: list[Any] = [
    "echo", {"a.$": "$.x", "b": [{"c.$": "$"}]}, 'say "hi"', "back\\slash", "{% $x %}", "${store}",
    "$${store}", "$$${x}", "%{ if x }", (1, (2,)), {1, 2}, frozenset({"a"}), b"\x00\xff",
    dt.date(2024, 2, 29), dt.datetime(2024, 1, 1, 12), None, math.inf, {1: 2, None: 3},
    library.Box([library.Box(1)]), library.Colour.RED, 2**80, "\ud800", "\x00", "é😀", -0.0,
]  # fmt: skip


def test_awkward_values_arrive_as_they_were(deployment: Deployment) -> None:
    """Names of steps, paths, templates, odd types: as literals and as results, nothing changes."""
    pipeline = Pipeline("awkward", steps=[pair(value, echo(value)) for value in AWKWARD])
    there = deployment.run(pipeline)
    here = pipeline.local_run().outputs
    for name, value in zip(pipeline.graph.terminals, AWKWARD, strict=True):
        assert same(there[name], (value, value)), value
        assert same(there[name], here[name])


def test_large_results_arrive(deployment: Deployment) -> None:
    """A result of 5 MB, and twelve of 60 kB that meet in one step."""
    large = echo(text(5_000_000))
    twelve = listing(*[text(60_000) for _ in range(12)])
    there = deployment.run(Pipeline("large", steps=[large, twelve]))
    assert there == {"echo": "x" * 5_000_000, "listing": ["x" * 60_000] * 12}


def test_everything_at_the_limit_at_once(deployment: Deployment) -> None:
    """Where every result has just its inline limit, no state overflows."""
    from lokki_tf.asl import compile_state_machine

    def build(sizes: dict[str, int]) -> Pipeline:
        calls: list[Any] = []
        for index in range(9):
            name = "text" if index == 0 else f"text_{index + 1}"
            calls.append(text(sizes.get(name, 0)))
        ends = [listing(*calls[:3]), listing(*calls[2:6]), keyed(calls[6], right=calls)]
        return Pipeline("limits", steps=[*ends, *calls[7:]])

    limits = compile_state_machine(build({}).definition).limits
    for over in (0, 1):
        pipeline = build({name: limit - 2 + over for name, limit in limits.items()})
        assert same(deployment.run(pipeline), pipeline.local_run().result)


class Flaky(Exception): ...


class Worse(Flaky): ...


@pytest.mark.parametrize(
    ("error", "retry", "tried"),
    [
        (Worse, {"retries": 2, "exceptions": (Flaky,)}, 3),
        (Flaky, {"retries": 2, "exceptions": (Worse,)}, 1),
        (ConnectionResetError, {"retries": 1, "exceptions": (OSError, KeyError)}, 2),
        (ValueError, {"retries": 2, "exceptions": (OSError,)}, 1),
        (ValueError, {"retries": 3}, 4),
        (ValueError, {}, 1),
    ],
    ids=["subclass", "base class", "builtin", "unlisted", "all", "none"],
)
def test_retries_agree(
    deployment: Deployment,
    tmp_path: Path,
    error: type[Exception],
    retry: dict[str, Any],
    tried: int,
) -> None:
    """A failing step is tried the same number of times here and there."""
    log = tmp_path / "log"

    @step(retry=RetryConfig(delay=0.01, **retry))
    def fails(path: str) -> None:
        with open(path, "a") as file:
            file.write("x")
        raise error("on purpose")

    pipeline = Pipeline("retries", steps=[fails(str(log))])
    with pytest.raises(Exception, match="on purpose"):
        pipeline.local_run()
    assert len(log.read_text()) == tried
    log.write_text("")
    execution = deployment.execute(pipeline)
    assert execution.status == "FAILED"
    assert len(log.read_text()) == tried
    assert "on purpose" in execution.cause


@seed(2024)
@given(pipelines(most=7, numbered=True))
@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
def _draw(pipeline: Pipeline) -> None:
    RANDOM[f"random{len(RANDOM)}"] = pipeline


RANDOM: dict[str, Pipeline] = {}
NAMES = [f"random{number}" for number in range(6)]
for name in NAMES:

    def random(aws: LocalAws, folder: Path, name: str = name) -> Path:
        if not RANDOM:
            _draw()
        made = RANDOM[name].synth(folder).folder
        (made / "own.tf.json").write_text(DECLARED)
        return made

    random.__name__ = name
    stack(random)


@step(timeout_seconds=60)
def squared(number: int) -> int:
    return number * number


BRIEF = Pipeline(
    "brief",
    steps=[
        listing(3, 4, 5).map(
            squared,
            execution_type="express",
            concurrency_limit=Parameter("parallel", int, default=2),
        )
    ],
)


@stack
def brief(aws: LocalAws, folder: Path) -> Path:
    return BRIEF.synth(folder).folder


def test_express_items_and_limits_agree_through_terraform(applied: Applied) -> None:
    """Applied by Terraform, items are Express executions, as many at once as the run's limit."""
    execution = applied.execute("brief", {"parallel": 3})
    assert list(applied.aws.values(execution).values()) == [BRIEF.local_run().result]
    states = applied.aws.client("stepfunctions")
    (map_run,) = states.list_map_runs(executionArn=execution.arn)["mapRuns"]
    assert states.describe_map_run(mapRunArn=map_run["mapRunArn"])["maxConcurrency"] == 3
    items = states.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
    assert [one["executionArn"].split(":")[5] for one in items] == ["express"] * 3


OTHER = Pipeline("started", steps=[text(Parameter("size", int, default=3))])
STARTING = Pipeline(
    "starting",
    steps=[
        listing(
            start_pipeline("started"),
            start_pipeline("started", {"size": echo(300_000)}, trust=True, name="large"),
        )
    ],
)


LIMITED = Pipeline(
    "limited-runs",
    steps=[text(Parameter("size", int, default=3))],
    max_concurrent_runs=1,
    when_busy="skip",
)


@stack
def limited(aws: LocalAws, folder: Path) -> Path:
    return LIMITED.synth(folder).folder


def test_a_limit_of_runs_agrees_through_terraform(applied: Applied) -> None:
    """Applied by Terraform, each execution takes the slot of the one before, which has ended."""
    for size in (1, 2):
        assert applied.values("limited", {"size": size}) == {"text": "x" * size}
    bucket = applied.outputs["limited"]["bucket"]
    found = applied.aws.client("s3").list_object_versions(Bucket=bucket, Prefix="locks/")
    assert [one["Key"] for one in found["Versions"]] == ["locks/0.json"] * 2


@stack
def started(aws: LocalAws, folder: Path) -> Path:
    return OTHER.synth(folder).folder


@stack
def starting(aws: LocalAws, folder: Path) -> Path:
    return STARTING.synth(folder).folder


def test_started_pipelines_agree_through_terraform(applied: Applied) -> None:
    """Applied by Terraform, a pipeline starts another one, and reads its bucket if it trusts it."""
    there = applied.values("starting")
    assert there == {"listing": ["x" * 3, "x" * 300_000]}
    assert there["listing"] == STARTING.local_run().result


@step
def size_of(item: S3Object) -> int:
    return item["Size"]


@step
def amount_of(row: dict[str, str]) -> int:
    return int(row["amount"])


@step
def added(numbers: list[int]) -> int:
    return sum(numbers)


@flow
def datasets(key: str):
    sizes = S3Objects("lokki-many", "objects/").map(size_of, batch_size=600).agg(added)
    amounts = S3Csv("lokki-many", key).map(amount_of, batch_size=600).agg(added)
    return listing(sizes, amounts)


OBJECTS = min(10_000, 2_100 * TIMES)  # 2,100 are three pages of a list


@stack
def large_datasets(aws: LocalAws, folder: Path) -> Path:
    """Thousands of objects, a CSV file of 20,000 rows, and the pipeline that reads them."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="lokki-many")
    rows = "".join(f"{n},row {n}\n" for n in range(20_000))
    s3.put_object(Bucket="lokki-many", Key="rows.csv", Body=f"amount,text\n{rows}".encode())
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda n: s3.put_object(Bucket="lokki-many", Key=f"objects/{n:05}", Body=b"xy"),
            range(OBJECTS),
        ):
            pass
    return datasets.synth(folder).folder


def test_large_datasets_agree_through_terraform(
    applied: Applied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects on several pages of a list and 20,000 rows are read in AWS as in a local run."""
    given = {"key": "rows.csv"}
    there = applied.values("large_datasets", given)
    assert there == {"listing": [2 * OBJECTS, 199_990_000]}
    for name, value in applied.aws.environment.items():
        monkeypatch.setenv(name, value)
    assert datasets.local_run(given).result == there["listing"]


@pytest.mark.parametrize("name", NAMES)
def test_random_pipelines_agree_through_terraform(name: str, applied: Applied) -> None:
    """Applied by Terraform, a random pipeline gives what it gives here."""
    pipeline = RANDOM[name]
    there = applied.values(name)
    here = pipeline.local_run(wait_scale=0).outputs
    assert set(there) == set(pipeline.graph.terminals) & set(here)
    assert all(same(value, here[name]) for name, value in there.items())


def test_a_plan_after_apply_is_empty(applied: Applied) -> None:
    """Deployed stacks: random pipelines, examples, layers, jobs, keys, the user's roles."""
    assert applied.outputs.keys() <= BUILDERS.keys()
    assert applied.plan()[1]


@stack
def four_steps(aws: LocalAws, folder: Path) -> Path:
    """What the script writes beside it."""
    script = ROOT / "examples" / "four_steps" / "pipeline.py"
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "('train', 'goodbye')" in done.stdout
    assert "StartAt" in done.stdout
    return folder


def test_the_four_steps_of_step_in_line_run_to_the_end(applied: Applied) -> None:
    """Their README's example, imports changed: run, ASL, stack, terraform in the folder, result."""
    assert applied.execute("four_steps").output == {"train": {"value": "goodbye"}}
