"""The property that all else serves: here, strict and interpreted runs agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library import Refused
from strategies import (
    CONTENTS,
    DATASETS,
    answers,
    built,
    chains,
    drawn,
    failing,
    inputs,
    pipelines,
    routed,
    routed_nodes,
    same,
    with_limits,
    with_variables,
)
from thorough import TIMES

from lokki_tf import Pipeline
from lokki_tf.errors import LoopError, StepFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deployment import Deployment

    from lokki_tf.testing import LocalAws

EXAMPLES = 80 * TIMES


@given(pipeline=pipelines(required=True, answered=True, started=True), data=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_local_strict_and_interpreted_runs_agree(
    pipeline: Pipeline, data: st.DataObject, deployment: Deployment
) -> None:
    """Any pipeline gives the same values, types included, here, strictly here and as ASL."""
    agree(pipeline, data.draw(inputs(pipeline)), deployment, data.draw(answers(pipeline)))


@given(drawn=chains(answered=True, started=True), data=st.data())
@settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_maps_agree(
    drawn: tuple[Pipeline, dict[str, Any]], data: st.DataObject, deployment: Deployment
) -> None:
    """Maps of any items, nested, batched or inline, with parameters, agree here and there."""
    agree(*drawn, deployment, data.draw(answers(drawn[0])))


@pytest.fixture(scope="module")
def with_datasets(deployment: Deployment) -> Iterator[LocalAws]:
    """An account with a bucket for datasets, which local runs use as well."""
    deployment.aws.client("s3").create_bucket(Bucket=DATASETS)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.aws.environment.items():
            patch.setenv(name, value)
        yield deployment.aws


@given(drawn=chains(answered=True, started=True, read=True), data=st.data())
@settings(
    max_examples=EXAMPLES // 5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_maps_over_datasets_agree(
    drawn: tuple[Pipeline, dict[str, Any]],
    data: st.DataObject,
    with_datasets: LocalAws,
    deployment: Deployment,
) -> None:
    """Maps over files, with Express executions, nested or batched, agree here and there."""
    s3 = with_datasets.client("s3")
    while CONTENTS:
        key, text = CONTENTS.popitem()
        s3.put_object(Bucket=DATASETS, Key=key, Body=text.encode())
    agree(*drawn, deployment, data.draw(answers(drawn[0])))


@given(
    pipeline=st.one_of(
        drawn(required=True, answered=True, started=True), built(answered=True, started=True)
    ),
    data=st.data(),
)
@settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_tasks_and_their_conditions_agree(
    pipeline: Pipeline, data: st.DataObject, deployment: Deployment
) -> None:
    """Arrows and built flows skip the same tasks, and give the same, here and there."""
    agree(pipeline, data.draw(inputs(pipeline)), deployment, data.draw(answers(pipeline)))


@given(made=failing())
@settings(
    max_examples=EXAMPLES // 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_failures_agree(made: tuple[Pipeline, str | None], deployment: Deployment) -> None:
    """A step that fails, retried or in a map, ends the run with its own error, here and there."""
    agree_on_failure(*made, deployment)


@given(made=routed(started=True, answered=True, included=True))
@settings(
    max_examples=EXAMPLES // 6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_routes_agree(
    made: tuple[Any, dict[str, Any], dict[str, Any]], deployment: Deployment
) -> None:
    """Routed pipelines take the same ways, loops and all, and end alike, here and there."""
    agree_on_routes(*made, deployment)


@given(made=routed_nodes())
@settings(
    max_examples=EXAMPLES // 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_routed_nodes_agree(
    made: tuple[Pipeline, dict[str, Any], dict[str, Any]], deployment: Deployment
) -> None:
    """Routed pipelines in graphs have the same results and errors, here and there."""
    pipeline, values, answers = made
    there = deployment.execute(pipeline, values, answers=answers)
    # The items of a Distributed Map are executions of their own, which have the errors.
    reported = f"{there.error} {there.cause}"
    reported = "" if there.error == "States.ExceedToleratedFailureThreshold" else reported
    for strict in (False, True):
        try:
            here = pipeline.local_run(values, strict=strict, wait_scale=0, answers=answers).outputs
        except (LoopError, StepFailed) as failed:
            error = type(failed.__cause__).__name__
            assert there.status == "FAILED"
            assert not reported or error in reported
        else:
            found = deployment.aws.values(there)
            assert set(found) == set(pipeline.graph.terminals)
            for name, value in found.items():
                assert same(value, here[name]), name


@given(pipeline=with_variables(), stage=st.sampled_from([None, "dev", "prod"]))
@settings(
    max_examples=EXAMPLES // 6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_environments_and_stages_agree(
    pipeline: Pipeline, stage: str | None, staged: None, deployment: Deployment
) -> None:
    """Every step sees the same variables, and the stage, in threads, processes and functions."""
    here = pipeline.local_run(stage=stage).outputs
    assert pipeline.local_run(stage=stage, strict=True).outputs == here
    assert pipeline.local_run(stage=stage, executor="sequential").outputs == here
    there = deployment.aws.values(deployment.aws.run(pipeline, stage=stage))
    assert {name: here[name] for name in there} == there
    assert all(("LOKKI_STAGE" in one) is bool(stage) for one in here.values())


@pytest.fixture
def staged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with two stages, which set variables for all steps."""
    text = '[lambda]\nenv = { SHARED = "all" }\n[stage.dev.lambda]\nenv = { MODE = "dev" }\n'
    (tmp_path / "lokki.toml").write_text(text + "[stage.prod]\n")
    monkeypatch.chdir(tmp_path)


@given(drawn=with_limits())
@settings(
    max_examples=EXAMPLES // 40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_time_limits_agree(
    drawn: tuple[Any, int, bool], tmp_path: Path, deployment: Deployment
) -> None:
    """The same calls run out of time, and are retried, in threads, strictly and in functions."""
    late, slow, fails = drawn
    folder = tmp_path / str(uuid4())
    for options in ({}, {"strict": True}):
        pipeline = Pipeline("late", steps=[late(str(folder / f"here{len(options)}"), slow)])
        if fails:
            with pytest.raises(TimeoutError):
                pipeline.local_run(wait_scale=0, **options)
        else:
            assert pipeline.local_run(wait_scale=0, **options).result == slow + 1
    there = deployment.execute(Pipeline("late", steps=[late(str(folder / "there"), slow)]))
    if fails:
        assert there.status == "FAILED"
        assert "longer than timeout_seconds" in there.cause
    else:
        assert deployment.aws.values(there) == {"late": slow + 1}
    counts = {len(list(one.iterdir())) for one in folder.iterdir()}
    assert len(counts) == 1


def agree_on_routes(
    pipeline: Any, data: dict[str, Any], answers: dict[str, Any], deployment: Deployment
) -> None:
    """Runs a routed pipeline here and there, and compares ways and results."""
    there = deployment.execute(pipeline, data, answers=answers)
    try:
        here = pipeline.local_run(data, wait_scale=0, answers=answers)
    except LoopError:
        assert there.error == "TooManySteps"
        return
    except StepFailed as failed:
        error = type(failed.__cause__).__name__
    else:
        error = None
    if error is not None:
        assert (there.status, error in f"{there.error} {there.cause}") == ("FAILED", True)
        return
    strict = pipeline.local_run(data, strict=True, wait_scale=0, answers=answers)
    assert list(strict.outputs) == list(here.outputs)
    last, result = list(here.outputs.items())[-1]
    assert same(strict.result, result)
    [(name, value)] = deployment.aws.values(there).items()
    assert last.partition("_")[0] == name
    assert same(value, result)


def agree_on_failure(pipeline: Pipeline, error: str | None, deployment: Deployment) -> None:
    """Runs a pipeline that fails in all three ways, and compares which step fails and how."""
    if error is None:
        agree(pipeline, {}, deployment)
        return
    asked = [node.name for node in pipeline.graph.walk() if node.step.options.callback]
    answers = dict.fromkeys(asked, Refused("on purpose"))
    for strict in (False, True):
        with pytest.raises(StepFailed, match="on purpose") as caught:
            pipeline.local_run(strict=strict, wait_scale=0, answers=answers)
        assert caught.value.step == "fails"
    there = deployment.execute(pipeline, answers=answers)
    assert (there.status, there.error) == ("FAILED", error)


def agree(
    pipeline: Pipeline,
    given: dict[str, Any],
    deployment: Deployment,
    answers: dict[str, Any] | None = None,
) -> None:
    """Runs the pipeline in all three ways and compares."""
    run = pipeline.local_run(given, wait_scale=0, answers=answers)
    strict = pipeline.local_run(given, wait_scale=0, answers=answers, strict=True)
    here = run.outputs
    assert strict.status == run.status
    for name, value in here.items():
        assert same(value, strict.outputs[name]), name
    there = deployment.run(pipeline, given, answers)
    assert set(there) == set(pipeline.graph.terminals) & set(here)
    for name, value in there.items():
        assert same(here[name], value), name
