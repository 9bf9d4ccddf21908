"""What flowkit's README shows works: here in every executor, and as deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import LogLevel, RetryConfig, StateManager, configure_logging, task
from seeds.flowkit import (
    approval,
    conditional,
    dag_quick_start,
    etl,
    fan,
    flow_quick_start,
    operators,
    parallel,
    robust,
    user_flow,
)

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment

LARGE = "Processing large dataset: 1500"
RESULTS: list[tuple[Any, dict[str, Any]]] = [
    (
        dag_quick_start.dag,
        {"extract": [1, 2, 3], "transform": [2, 4, 6], "load": "Success"},
    ),
    (
        flow_quick_start.pipeline,
        {"extract": [1, 2, 3], "transform": [2, 4, 6], "load": "Success"},
    ),
    (
        operators.dag,
        {
            "extract": [1, 2, 3],
            "transform": [2, 4, 6],
            "validate": True,
            "enrich": [(2, "rich"), (4, "rich"), (6, "rich")],
            "load": 3,
            "notify": "3 rows",
        },
    ),
    (
        user_flow.pipeline,
        {
            "fetch_user": {"id": 1, "name": "Alice"},
            "fetch_orders": ["order1", "order2"],
            "fetch_recommendations": ["item1", "item2"],
            "combine": {
                "user": {"id": 1, "name": "Alice"},
                "orders": ["order1", "order2"],
                "recommendations": ["item1", "item2"],
            },
        },
    ),
    (conditional.dag, {"check_data": 1500, "handle_large_data": LARGE}),
    (
        fan.dag,
        {
            "fetch_data": {"a": 1, "b": 2, "c": 3},
            "process_a": 10,
            "process_b": 20,
            "process_c": 30,
            "aggregate": 60,
        },
    ),
    (
        approval.dag,
        {
            "extract": 1500,
            "transform": 3000,
            "require_manual_approval": "MANUAL_APPROVAL",
            "load": "LOADED_MANUAL_APPROVAL",
        },
    ),
    (
        parallel.dag,
        {
            "fetch_data": range(1000),
            "process_batch_1": 55278,
            "process_batch_2": 166167,
            "process_batch_3": 278055,
            "aggregate_results": "Total: 499500",
        },
    ),
]


def _name(value: Any) -> str:
    return getattr(value, "name", "")


@pytest.mark.parametrize(("pipeline", "expected"), RESULTS, ids=_name)
def test_an_example_gives_its_results(
    pipeline: Any, expected: dict[str, Any], deployment: Deployment
) -> None:
    """Each example gives the same in threads, in processes, and as deployed."""
    assert pipeline.run() == expected
    assert pipeline.run(executor="thread") == expected
    assert pipeline.run(executor="process") == expected
    there = deployment.run(pipeline)
    last = pipeline.graph.terminals
    assert there == {name: expected[name] for name in last if name in expected}


def test_the_etl_example_runs(deployment: Deployment) -> None:
    """Its rows contain their creation time, so only results without them are compared."""
    for executor in ("thread", "process"):
        results = etl.dag.run(executor=executor)
        assert results["load_to_database"] == "Loaded 2 records"
        assert results["send_notification"] == "Notification sent"
    assert deployment.run(etl.dag) == {"send_notification": "Notification sent"}


def test_retries_are_those_of_the_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """retries, delay and backoff become the same numbers here and in the state machine."""
    monkeypatch.setattr("lokki_tf.model.RetryConfig.waits", lambda self: [0.0] * self.retries)
    robust.attempts.clear()
    assert robust.robust_task() == "done"
    assert len(robust.attempts) == 3
    assert robust.robust_task.step.options.retry == (RetryConfig(3, 2.0, 2.0, jitter=True),)
    machine = robust.dag.generate_step_functions()
    states = machine["States"]["robust_task and flaky_api_call"]["Branches"]
    retriers = [branch["States"][branch["StartAt"]]["Retry"][-1] for branch in states]
    assert retriers == [
        {
            "ErrorEquals": ["States.ALL"],
            "IntervalSeconds": seconds,
            "MaxAttempts": most,
            "BackoffRate": 2.0,
            "JitterStrategy": "FULL",
        }
        for seconds, most in ((2, 3), (1, 5))
    ]


def test_state_is_kept_as_the_readme_says(tmp_path: Path) -> None:
    """In memory and in a file, with a default time to live and one of its own."""
    state = StateManager()
    state.set("task_result", [1, 2], ttl=3600)
    assert state.get("task_result") == [1, 2]
    state = StateManager(storage_path=str(tmp_path / ".flowkit" / "state.json"), default_ttl=3600)
    state.set("task_result", {"a": 1})
    assert state.get("task_result") == {"a": 1}


def test_logging_is_configured_as_the_readme_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Levels, colours and JSON; warnings are called WARN."""
    try:
        configure_logging(level=LogLevel.INFO, use_colors=True)
        dag_quick_start.dag.run()
        told = capsys.readouterr().err
        assert "\x1b[34m[INFO]\x1b[0m Step 'extract' started" in told
        assert "\x1b[35m[SYSTEM]\x1b[0m Run of 'my_pipeline' started" in told
        assert "\x1b[32m[SUCCESS]\x1b[0m" in told
        logger = configure_logging(level=LogLevel.DEBUG, json_output=True)
        assert logger.name == "lokki_tf"
        dag_quick_start.dag.run()
        assert '"event": "step_end"' in capsys.readouterr().err
    finally:
        _forget_logging()


def _forget_logging() -> None:
    import logging

    logger = logging.getLogger("lokki_tf")
    logger.handlers.clear()
    logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def test_a_dag_shows_its_structure() -> None:
    """visualize() lists each task with those before and after it."""
    assert fan.dag.visualize().startswith("DAG: fan\n" + "=" * 40 + "\n\nTask: fetch_data\n")
    assert "Task: aggregate\n  Upstream: fetch_data, process_a, process_b, process_c" in (
        fan.dag.visualize()
    )
    assert user_flow.pipeline.visualize().startswith("Flow: user_pipeline\n")


def test_a_task_is_made_by_its_class_too() -> None:
    """Task(func, retries=…) is what @task makes."""
    from lokki_tf import Task

    made = Task(lambda: 1, retries=2)
    assert isinstance(task(retries=2)(lambda: 1), Task)
    assert made() == 1
