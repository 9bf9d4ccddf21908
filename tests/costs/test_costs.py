"""Costs: what is estimated is what executions use."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from lokki_tf import (
    DAG,
    ConditionalReturns,
    MicroFunctions,
    NotReady,
    Pipeline,
    ReturnUpdates,
    Schedule,
    flow,
    step,
    task,
)
from lokki_tf.cli.commands import command_line
from lokki_tf.config import Config
from lokki_tf.costs import load_prices
from lokki_tf.costs.rates import runs_a_month
from lokki_tf.costs.result import usd
from lokki_tf.errors import OptionError

if TYPE_CHECKING:
    from lokki_tf.testing import LocalAws


@step(expected_seconds=2)
def numbers(count: int = 7) -> list[int]:
    return list(range(count))


@step(memory_size=1024, expected_seconds=0.5)
def doubled(number: int) -> int:
    return 2 * number


@step
def total(found: list[int]) -> int:
    return sum(found)


@step(when=lambda found: len(found) > 100)
def seldom(found: list[int]) -> int:
    return 1


@task
def left() -> int:
    return 1


@task
def right() -> int:
    return 2


routed = MicroFunctions(beginner="begin", name="costs-routed")


@routed.fn()
def begin(rounds: int = 0) -> ReturnUpdates:
    return ReturnUpdates("again", rounds=rounds)


@routed.fn()
def again(rounds: int) -> ConditionalReturns:
    return ConditionalReturns(
        rounds < 3,
        ReturnUpdates("last"),
        true=ReturnUpdates("again", rounds=rounds + 1),
    )


@routed.fn(terminates=True)
def last(rounds: int) -> dict[str, int]:
    return {"rounds": rounds}


@flow
def mapped(count: int = 7):
    return numbers(count).map(doubled).agg(total)


@flow
def batched(count: int = 7):
    return numbers(count).map(doubled, batch_size=3).agg(total)


@flow
def inline(count: int = 7):
    return numbers(count).map(doubled, mode="inline").agg(total)


@flow
def express(count: int = 7):
    return numbers(count).map(doubled, execution_type="express").agg(total)


def calls() -> Pipeline:
    found = numbers(7)
    return Pipeline("costs-calls", steps=[total(found), seldom(found)])


def arrows() -> DAG:
    return DAG("costs-arrows", left >> right)


def entered(aws: LocalAws, machine: str, execution: str) -> int:
    """Return the transitions of an execution: states that were entered, and started children."""
    client = aws.client("stepfunctions")
    pages = client.get_paginator("get_execution_history").paginate(executionArn=execution)
    kinds = [event["type"] for page in pages for event in page["events"]]
    count = sum(kind.endswith("StateEntered") for kind in kinds)
    for run in client.list_map_runs(executionArn=execution)["mapRuns"]:
        children = client.list_executions(mapRunArn=run["mapRunArn"])["executions"]
        count += len(children)
        count += sum(
            entered(aws, machine, one["executionArn"])
            for one in children
            if ":express:" not in one["executionArn"]
        )
    return count


@pytest.mark.parametrize(
    "pipeline",
    [mapped, batched, inline, express, calls(), arrows(), routed],
    ids=lambda one: one.name,
)
def test_estimated_transitions_are_those_of_the_execution(
    pipeline: Pipeline, local_aws: LocalAws
) -> None:
    """With the numbers of items, or with what the run has used, each transition is counted."""
    ran = local_aws.run(pipeline)
    real = entered(local_aws, pipeline.name, ran.arn)
    config = replace(
        Config(),
        aws=replace(Config().aws, endpoint=local_aws.endpoint_url, region=local_aws.region),
    )
    seen = pipeline.cost(executions=pipeline.executions(1, config=config), config=config)
    assert sum(one.units["transition"] for one in seen.rows) == real
    if pipeline is not routed:  # its loop is not known before
        found = pipeline.cost(items=7, config=config)
        assert sum(one.units["transition"] for one in found.rows) == real
        assert {one.name: one.calls for one in found.rows} == {
            one.name: one.calls for one in seen.rows
        }
    assert seen.notes[0] == "calls, billed durations and items are those of 1 real run"


def test_a_price_is_the_sum_of_its_units() -> None:
    """Transitions, requests, gigabyte-seconds, requests of S3 and logs of a map are added."""
    found = mapped.cost(items={"doubled_map": 1000}, runs=10, region="us-east-1")
    transitions = 1 + 1 + 1000 + 1000 + 1
    gb_seconds = 2 * 0.5 + 1000 * 0.5 * 1 + 1 * 0.5
    requests = 1 + 1000 + 1
    expected = (
        transitions * 0.000025
        + requests * 0.0000002
        + gb_seconds * 0.0000166667
        + 3 * 0.000005
        + 0.0000004
        + (requests * 1e3 + (transitions - 1000) * 2e3) / 1e9 * 0.5
    )
    assert found.run_usd == pytest.approx(expected, rel=1e-3)
    assert found.month_usd == pytest.approx(10 * found.run_usd)
    assert sum(found.by_kind.values()) == pytest.approx(found.run_usd)


def test_the_biggest_savings_are_named() -> None:
    """A batch of 50 makes 98 % fewer transitions; what a map may not have is not proposed."""
    found = mapped.cost(items={"doubled_map": 10_000})
    changes = [one.change for one in found.savings]
    assert changes[0] == "batch_size=50 of map doubled_map (10,000 items): 98% fewer transitions"
    assert changes[1].startswith('execution_type="express" of map doubled_map')
    cheaper = batched.cost(items={"doubled_map": 10_000})
    assert not [one for one in cheaper.savings if "batch_size" in one.change]

    @step(poll=30, poll_timeout=600)
    def waits(number: int) -> int:
        raise NotReady

    @flow
    def polls():
        return numbers().map(waits)

    assert [one for one in polls.cost().savings if "map" in one.change] == []


def test_savings_are_true() -> None:
    """The estimate of the changed pipeline is lower by what was said."""
    before, after = mapped.cost(items=9000), batched.cost(items=9000)

    @flow
    def fifty(count: int = 7):
        return numbers(count).map(doubled, batch_size=50).agg(total)

    said = next(one for one in before.savings if one.change.startswith("batch_size"))
    assert fifty.cost(items=9000).run_usd == pytest.approx(before.run_usd - said.usd)
    assert after.run_usd < before.run_usd


def test_jobs_cost_a_minute_at_least() -> None:
    """A job on Fargate of one second is billed for a minute of its processors and memory."""

    @step(job_type="batch", vcpu=2, memory_mb=4096, expected_seconds=1)
    def trained() -> int:
        return 1

    found = Pipeline("costs-job", steps=[trained()]).cost(region="us-east-1")
    units = next(one.units for one in found.rows if one.name == "trained")
    assert units["fargate_vcpu_hour"] == pytest.approx(2 / 60)
    assert units["fargate_gb_hour"] == pytest.approx(4 / 60)


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 day)", 30.4),
        ("rate(5 minutes)", 30.4 * 288),
        ("cron(0 9 * * ? *)", 30.4),
        ("cron(0 9 ? * MON-FRI *)", 30.4 * 5 / 7),
        ("cron(0/15 8-17 ? * MON,WED *)", 30.4 * 2 / 7 * 40),
        ("cron(0 0 1 * ? *)", 30.4 / 31),
        ("cron(0 0 L * ? *)", 1),
        ("cron(0 0 ? * 2#1 *)", 1),
        ("cron(0 0 1 JAN-MAR ? *)", 30.4 / 31 / 4),
        ("at(2030-01-31T09:00:00)", 0),
    ],
)
def test_runs_a_month_follow_from_schedules(expression: str, runs: float) -> None:
    """A month has 30.4 days."""
    pipeline = Pipeline("costs-often", steps=[numbers()], triggers=[Schedule(expression)])
    assert runs_a_month(pipeline.definition) == pytest.approx(runs, rel=0.05)


def test_prices_may_be_replaced(tmp_path: Path) -> None:
    """A file's prices have precedence; a region without prices has those of us-east-1, said so."""
    file = tmp_path / "prices.json"
    file.write_text('{"date": "2030-01", "regions": {"eu-north-1": {"transition": 1}}}')
    found = calls().cost(region="eu-north-1", prices=file)
    assert found.run_usd > 1
    assert "eu-north-1 of 2030-01" in str(found)
    assert "there are no prices for eu-north-1" in str(calls().cost(region="eu-north-1"))
    for text, says in (
        ("[]", "has another form"),
        ('{"regions": {"x": {"transitions": 1}}}', "unknown unit 'transitions'"),
        ('{"usual": {"transition": "1"}}', "must be a number of US dollars"),
        ("{", "cannot be read"),
    ):
        file.write_text(text)
        with pytest.raises(OptionError, match=says):
            load_prices("us-east-1", file)


@pytest.mark.parametrize(
    ("assumed", "says"),
    [
        ({"items": {"x": 1}}, "no such map"),
        ({"seconds": {"doubled_map": 1}}, "no such step"),
        ({"calls": {"x": 1}}, "no such step"),
        ({"items": -1}, "at least 0"),
        ({"runs": float("nan")}, "at least 0"),
        ({"seconds": {"total": float("inf")}}, "at least 0"),
    ],
)
def test_wrong_assumptions_are_errors(assumed: dict[str, Any], says: str) -> None:
    """An assumption about something that does not exist would be ignored."""
    with pytest.raises(OptionError, match=says):
        mapped.cost(**assumed)


def test_the_command_prints_the_estimate() -> None:
    """As a table with notes and savings, or as JSON; wrong use says what to write."""

    def run(*args: str) -> Any:
        return CliRunner().invoke(command_line(mapped), ["cost", "--region", "us-east-1", *args])

    text = run("--items", "doubled_map=10000", "--seconds", "total=3").stdout
    assert "10,000  10,000    5,000       0.35" in text
    assert "a month" in text
    assert "saves most:\n- batch_size=50" in text
    found = json.loads(run("--items", "10000", "--runs", "2", "--json").stdout)
    assert found["month_usd"] == pytest.approx(2 * found["run_usd"])
    assert found["region"] == "us-east-1"
    for args, says in (
        (("--items", "many"), "must be a number, or NAME=number"),
        (("--calls", "3"), "requires the name of a step"),
        (("--run", "a", "--last", "1"), "cannot be combined"),
    ):
        done = run(*args)
        assert done.exit_code == 2
        assert says in done.output


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1234.5, "1,234.50"), (0.5, "0.50"), (0.000123, "0.00012"), (0.0199, "0.020")],
)
def test_amounts_have_two_digits(amount: float, text: str) -> None:
    """Amounts below a cent are readable, without exponents."""
    assert usd(amount) == text
