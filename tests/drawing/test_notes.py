"""What pictures say beside the names of steps: starts, limits, conditions, polls, sub-pipelines."""

from __future__ import annotations

from typing import Any

import pytest
from pictures import SVG, parsed, texts

from lokki_tf import (
    DAG,
    EventPattern,
    Pipeline,
    PipelineDone,
    S3Created,
    Schedule,
    TerraformRef,
    flow,
    step,
    task,
)
from lokki_tf.drawing.notes import ends_of, starts_of


@step
def load() -> int:
    return 1


@step(poll=60)
def ready(value: int) -> int:
    return value


@step(callback=True)
def approve(value: int) -> int:
    return value


@step(catch=(ValueError, "States.Timeout"))
def risky(value: int) -> int:
    return value


@task
def begin() -> dict[str, int]:
    return {"value": 1}


@task(when=lambda value: value > 0)
def positive(value: int) -> int:
    return value


@step
def total(*values: Any) -> int:
    return len(values)


@step
def release() -> None: ...


@step
def notify(notice: Any) -> None: ...


def whole() -> Pipeline:
    value = load()
    ends = [ready(value), approve(value), risky(value)]
    return Pipeline(
        "whole",
        steps=[total(*ends)],
        schedule="rate(1 day)",
        triggers=[
            Schedule("cron(0 6 * * ? *)", timezone="Europe/Berlin"),
            S3Created(TerraformRef("aws_s3_bucket.raw.bucket"), prefix="in/", suffix=".csv"),
            S3Created(),
            EventPattern({"source": ["my.app"], "detail-type": ["order"]}),
            EventPattern({"detail": {"state": ["paid"]}}),
            PipelineDone("extract", status="any"),
        ],
        max_concurrent_runs=3,
        when_busy="fail",
        cleanup=release,
        on_failure=notify,
    )


STARTS = (
    "rate(1 day)",
    "cron(0 6 * * ? *) Europe/Berlin",
    "S3 object in aws_s3_bucket.raw.bucket: in/*.csv",
    "S3 object in own bucket: *",
    "event: my.app, order",
    "event: {'detail': {'state': ['paid']}}",
    "pipeline extract ends",
    "at most 3 runs: others fail",
)
NOTES = (
    "polls every 1 min",
    "waits for an answer",
    "catches ValueError, States.Timeout",
    "always runs",
)


def test_all_that_starts_runs_and_limits_them_is_named() -> None:
    """Each kind of trigger has a short text, the limit of runs the fate of others."""
    definition = whole().definition
    assert starts_of(definition) == STARTS
    assert ends_of(definition) == ("on failure: notify",)


def test_pictures_contain_all_of_it() -> None:
    """SVG, Graphviz and text have starts, notes of steps, and the failure notice."""
    pipeline = whole()
    shown = texts(parsed(pipeline.to_svg()))
    for line in (*STARTS, *NOTES, "on failure: notify"):
        assert line in shown
        assert line in pipeline.to_dot()
        assert line in pipeline.to_text(width=100)
    described = parsed(pipeline.to_svg()).findtext(f"{SVG}desc") or ""
    assert described.startswith("A pipeline of 6 steps from load to release. Runs: rate(1 day); ")
    assert described.endswith("On failure: notify.")
    assert "start --> n0" in pipeline.to_mermaid()
    assert "n2 --> n4" in pipeline.to_mermaid()
    assert "waits for an answer" in pipeline.to_mermaid()


def test_a_condition_is_named() -> None:
    """A step that may be skipped has a line that says so."""
    tasks = DAG("p", tasks=[begin >> positive])
    assert "runs if its condition is true" in tasks.to_svg()


@pytest.mark.parametrize("count", [3, 12])
def test_equal_sub_pipelines_are_one_box(count: int) -> None:
    """Their box has their number, and each step in it the outcomes of all of them."""

    @step
    def sales(month: int) -> int:
        return month

    @step
    def clean(rows: int) -> int:
        return rows

    @flow
    def monthly(month: int) -> Any:
        return clean(sales(month))

    pipeline = Pipeline("year", steps=[total(*[monthly(month) for month in range(count)])])
    run = pipeline.local_run(executor="sequential")
    shown = [line.split(" · ")[0] for line in texts(parsed(pipeline.to_svg(run)))]
    if count == 3:
        assert {"monthly", "monthly_2", "monthly_3.clean"} <= set(shown)
        return
    assert shown == [
        *("monthly ×12", "monthly.sales", "12 done", "monthly.clean", "12 done"),
        *("total", "done"),
    ]
    assert 'subgraph b0["monthly #215;12"]' in pipeline.to_mermaid()
    assert pipeline.to_dot().count("->") == 2
