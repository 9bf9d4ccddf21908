"""Alarms of CloudWatch about the executions of a pipeline, and its dashboard.

Sources: AWS Step Functions Developer Guide, "Monitoring Step Functions metrics"; Lambda Developer
Guide, "Types of metrics for Lambda functions"; Amazon CloudWatch API Reference, "PutMetricAlarm"
and "Dashboard body structure and syntax".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.model import shortened
from lokki_tf.terraform.cdk import aws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .base import Base
    from .functions import Functions

_NAMESPACE = "AWS/States"
_ALARM_NAME_LENGTH = 255
_PERIOD = 300  # seconds
_HOUR = 3600  # seconds
_MOST_METRICS = 250  # of a widget: 500, for errors and durations
_PROBLEMS = {
    "failed": ("ExecutionsFailed", "has failed"),
    "timed-out": ("ExecutionsTimedOut", "has exceeded its time limit"),
    "throttled": ("ExecutionThrottled", "was throttled"),
}
_COUNTED = (
    *("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"),
    *("ExecutionsAborted", "ExecutionThrottled"),
)


def add_alarms(base: Base, state_machine: aws.sfn_state_machine.SfnStateMachine) -> None:
    """Add the alarms of a pipeline, if it has some.

    Args:
        base: What all resources share.
        state_machine: The state machine.
    """
    alarms, name = base.plan.definition.alarms, base.plan.definition.name
    if alarms is None:
        return
    for kind, fields in _alarms(base).items():
        aws.cloudwatch_metric_alarm.CloudwatchMetricAlarm(
            base.scope,
            base.scope.resource_id(f"alarm_{kind}"),
            alarm_name=shortened(f"{name}-{kind}", _ALARM_NAME_LENGTH),
            namespace=_NAMESPACE,
            dimensions={"StateMachineArn": state_machine.arn},
            alarm_actions=[base.account.text(alarms.topic)],
            tags=base.scope.tags(),
            **fields,
        )


def _alarms(base: Base) -> dict[str, dict[str, Any]]:
    """Return what the alarms compare, by the ends of their names."""
    alarms, name = base.plan.definition.alarms, base.plan.definition.name
    assert alarms is not None
    found: dict[str, dict[str, Any]] = {
        kind: {
            "alarm_description": f"An execution of {name} {what}",
            "metric_name": metric,
            **_above(0, "Sum"),
        }
        for kind, (metric, what) in _PROBLEMS.items()
    }
    if alarms.longest_seconds is not None:
        found["slow"] = {
            "alarm_description": f"An execution of {name} took over {alarms.longest_seconds} s",
            "metric_name": "ExecutionTime",
            **_above(alarms.longest_seconds * 1000, "Maximum"),
        }
    if alarms.idle_hours is not None:
        found["idle"] = {
            "alarm_description": f"No execution of {name} began in {alarms.idle_hours} h",
            "metric_name": "ExecutionsStarted",
            "statistic": "Sum",
            "comparison_operator": "LessThanThreshold",
            "threshold": 1,
            "period": _HOUR,
            "evaluation_periods": alarms.idle_hours,
            "treat_missing_data": "breaching",  # without executions the metric does not exist
        }
    return found


def _above(threshold: int, statistic: str) -> dict[str, Any]:
    return {
        "statistic": statistic,
        "comparison_operator": "GreaterThanThreshold",
        "threshold": threshold,
        "period": _PERIOD,
        "evaluation_periods": 1,
        "treat_missing_data": "notBreaching",
    }


def add_dashboard(
    base: Base, functions: Functions, state_machine: aws.sfn_state_machine.SfnStateMachine
) -> None:
    """Add the dashboard of a pipeline, if it has one.

    Args:
        base: What all resources share.
        functions: The functions of steps.
        state_machine: The state machine.
    """
    if not base.plan.definition.dashboard:
        return
    of_machine = ["StateMachineArn", state_machine.arn]
    names = [function.function_name for function, _ in functions.values()][:_MOST_METRICS]
    widgets = [
        _widget(base, "Executions", [[_NAMESPACE, one, *of_machine] for one in _COUNTED]),
        _widget(
            base,
            "Duration of executions",
            list(_durations([_NAMESPACE, "ExecutionTime", *of_machine])),
        ),
        _widget(
            base,
            "Errors of functions",
            [["AWS/Lambda", "Errors", "FunctionName", one] for one in names],
        ),
        _widget(
            base,
            "Duration of functions",
            [["AWS/Lambda", "Duration", "FunctionName", one, {"stat": "p95"}] for one in names],
        ),
    ]
    for index, one in enumerate(widgets):
        one |= {"x": 12 * (index % 2), "y": 6 * (index // 2), "width": 12, "height": 6}
    aws.cloudwatch_dashboard.CloudwatchDashboard(
        base.scope,
        base.scope.resource_id("dashboard"),
        dashboard_name=base.plan.definition.name,
        dashboard_body=json.dumps(
            {"widgets": [one for one in widgets if one["properties"]["metrics"]]}
        ),
    )


def _durations(metric: list[Any]) -> Iterator[list[Any]]:
    for statistic in ("p50", "p95", "Maximum"):
        yield [*metric, {"stat": statistic, "label": statistic}]


def _widget(base: Base, title: str, metrics: list[list[Any]]) -> dict[str, Any]:
    return {
        "type": "metric",
        "properties": {
            "title": title,
            "region": base.account.region,
            "view": "timeSeries",
            "stat": "Sum",
            "period": _PERIOD,
            "metrics": metrics,
        },
    }
