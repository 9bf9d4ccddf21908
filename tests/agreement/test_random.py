"""The property that all else serves: here, strict and interpreted runs agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from strategies import chains, pipelines, same

if TYPE_CHECKING:
    from deployment import Deployment

    from lokki_tf import Pipeline

EXAMPLES = 300


@given(pipeline=pipelines())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_local_strict_and_interpreted_runs_agree(
    pipeline: Pipeline, deployment: Deployment
) -> None:
    """Any pipeline gives the same values, types included, here, strictly here and as ASL."""
    agree(pipeline, {}, deployment)


@given(drawn=chains())
@settings(
    max_examples=EXAMPLES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_maps_agree(drawn: tuple[Pipeline, dict[str, Any]], deployment: Deployment) -> None:
    """Maps of any items, nested, batched or inline, with parameters, agree here and there."""
    agree(*drawn, deployment)


def agree(pipeline: Pipeline, given: dict[str, Any], deployment: Deployment) -> None:
    """Runs the pipeline in all three ways and compares."""
    here = pipeline.local_run(given).outputs
    strictly = pipeline.local_run(given, strict=True).outputs
    for name, value in here.items():
        assert same(value, strictly[name]), name
    there = deployment.run(pipeline, given)
    assert set(there) == set(pipeline.graph.terminals)
    for name, value in there.items():
        assert same(here[name], value), name
