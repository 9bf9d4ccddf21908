"""What lokki's README shows works: here, and as deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf.errors import BindingError
from seeds import lokki_flows as flows

if TYPE_CHECKING:
    from deployment import Deployment

RESULTS: list[tuple[Any, Any]] = [
    (flows.birds_flow, "flappy goose, flappy duck, flappy seagull"),
    (flows.my_flow, 56),
    (flows.my_flow(mult=3), 126),
    (flows.paginated_flow(limit=5, offset=3), [6, 8]),
    (flows.daily_pipeline, 12),
    (flows.hourly_pipeline, [1, 2, 3, 1, 2, 3]),
]


@pytest.mark.parametrize(
    ("flow", "expected"), RESULTS, ids=lambda value: getattr(value, "name", "")
)
def test_a_flow_of_the_readme_gives_its_result(
    flow: Any, expected: Any, deployment: Deployment
) -> None:
    """Each flow gives what the README says, here and as deployed."""
    assert flow.local_run().result == expected
    assert list(deployment.run(flow).values()) == [expected]


def test_a_first_step_takes_from_the_execution_what_the_flow_does_not_give(
    deployment: Deployment,
) -> None:
    """unreliable_step(data) inside a flow without parameters requires data of every run."""
    flow = flows.flow_with_retry
    assert flow.local_run({"data": [1]}).result == [1]
    with pytest.raises(BindingError, match="data"):
        flow.local_run()
    execution = deployment.execute(flow, {"data": [1]})
    assert deployment.aws.values(execution) == {"unreliable_step": [1]}
    failed = deployment.execute(flow, {})
    assert failed.status == "FAILED"
    assert "has no 'data'" in failed.cause


def test_parameters_reach_an_execution(deployment: Deployment) -> None:
    """The execution's input overrides the defaults; a wrong type fails."""
    execution = deployment.execute(flows.paginated_flow, {"limit": 2, "mult": 5})
    assert deployment.aws.values(execution) == {"process_page_map": [0, 5]}
    wrong = deployment.execute(flows.paginated_flow, {"limit": "two"})
    assert wrong.status == "FAILED"
    assert "must be int" in wrong.cause
    for strange in ({"limits": 5}, [1], 5):
        refused = deployment.execute(flows.paginated_flow, strange)
        assert refused.status == "FAILED"
        assert "the flow is paginated-flow(limit: int = 100" in refused.cause


def test_schedules_and_names_are_the_flows() -> None:
    """A flow is named after its function, with hyphens, and has the decorator's schedule."""
    assert flows.daily_pipeline.name == "daily-pipeline"
    assert flows.daily_pipeline.schedule == "cron(0 9 * * ? *)"
    assert flows.birds_flow.schedule is None
