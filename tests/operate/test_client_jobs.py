"""Executions with jobs of Batch and started pipelines: their outputs, replays and continuations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lokki_tf import Parameter, Pipeline, start_pipeline, step
from lokki_tf.errors import OptionError, StepFailed
from lokki_tf.testing import LocalAws


@step
def load(limit: int) -> list[int]:
    return list(range(limit))


@step(job_type="batch")
def train(rows: list[int]) -> tuple[int, ...]:
    if len(rows) == 5:
        raise ValueError("five")
    return sum(rows), len(rows)


@step(job_type="batch", when=lambda rows: len(rows) > 3)
def large(rows: list[int]) -> int:
    return len(rows)


@step
def end(found: tuple[int, ...]) -> list[int]:
    return list(found)


rows = load(Parameter("limit", int, default=3))
jobs = Pipeline("jobs", steps=[end(train(rows)), large(rows)])
inner = Pipeline("inner", steps=[end(load(Parameter("limit", int)))])
outer = Pipeline("outer", steps=[end(start_pipeline("inner", {"limit": load(2)[1]}))])


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[LocalAws]:
    """An account in which all of them are, and which the environment names."""
    with LocalAws(retry_delay_scale=0.0) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        for pipeline in (jobs, inner, outer):
            aws.register(pipeline)
        yield aws


@pytest.mark.parametrize("limit", [3, 4])
def test_jobs_are_steps_as_others(limit: int) -> None:
    """Their results are read from the bucket, and their calls from the objects of their events."""
    execution = jobs.start({"limit": limit}).wait(progress=False)
    local = jobs.local_run({"limit": limit})
    assert dict(execution.outputs) == local.outputs
    assert execution.replay("train") == local.outputs["train"]
    assert execution.replay("large") == local.outputs.get("large")
    assert set(jobs.local_run(from_run=execution).status.values()) <= {"cached", "skipped"}


def test_a_failed_job_is_replayed() -> None:
    """The error of a job is found although a function raises it in the state machine."""
    execution = jobs.start({"limit": 5}).wait(progress=False)
    assert "step 'train' failed in AWS: ValueError: five" in str(execution.error)
    with pytest.raises(StepFailed, match=r"step 'train' of run .* failed here: ValueError: five"):
        execution.replay()


def test_a_started_pipeline_has_a_result_and_no_code() -> None:
    """Its result is an output, which a continued run uses; replays name the other pipeline."""
    execution = outer.start().wait(progress=False)
    assert dict(execution.outputs) == {"load": [0, 1], "inner": [0], "end": [0]}
    with pytest.raises(OptionError, match="starts the pipeline 'inner', and has no code here"):
        execution.replay("inner")
    assert set(outer.local_run(from_run=execution).status.values()) == {"cached"}
