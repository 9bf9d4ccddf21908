"""Alarms about executions, and the dashboard of a pipeline."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import Alarms, Pipeline, step
from lokki_tf.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws

TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"


@step
def one() -> int:
    return 1


@step
def two(number: int) -> int:
    return number + 1


def alarmed(**options: Any) -> Pipeline:
    return Pipeline("alarmed", steps=[two(one())], **options)


def resources(pipeline: Pipeline, folder: Path) -> dict[str, Any]:
    written = json.loads((pipeline.synth(folder).folder / "cdk.tf.json").read_text())
    found: dict[str, Any] = written["resource"]
    return found


def test_a_pipeline_without_the_options_has_neither(tmp_path: Path) -> None:
    """Alarms and dashboards exist only where they are asked for."""
    found = resources(alarmed(), tmp_path)
    assert not {"aws_cloudwatch_metric_alarm", "aws_cloudwatch_dashboard"} & {*found}


def test_the_arn_of_a_topic_makes_the_alarms_about_problems(tmp_path: Path) -> None:
    """Failed, timed out and throttled executions: any in five minutes."""
    found = resources(alarmed(alarms=TOPIC), tmp_path)["aws_cloudwatch_metric_alarm"].values()
    assert {one["metric_name"] for one in found} == {
        *("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled")
    }
    for alarm in found:
        assert alarm["alarm_actions"] == [TOPIC]
        assert (alarm["comparison_operator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["treat_missing_data"] == "notBreaching"
        assert alarm["tags"]["lokki:pipeline"] == "alarmed"


def test_slow_and_missing_runs_raise_alarms(tmp_path: Path) -> None:
    """A duration in milliseconds; and hours without a start, in which the metric does not exist."""
    alarms = Alarms(TOPIC, longest_seconds=90, idle_hours=26)
    found = resources(alarmed(alarms=alarms), tmp_path)["aws_cloudwatch_metric_alarm"]
    slow, idle = found["alarm_slow"], found["alarm_idle"]
    assert (slow["metric_name"], slow["statistic"], slow["threshold"]) == (
        *("ExecutionTime", "Maximum", 90_000),
    )
    assert (idle["metric_name"], idle["threshold"]) == ("ExecutionsStarted", 1)
    assert (idle["period"], idle["evaluation_periods"]) == (3600, 26)
    assert idle["treat_missing_data"] == "breaching"
    # CloudWatch evaluates seven days at most where a period is an hour or more.
    assert idle["period"] * Alarms(TOPIC, idle_hours=168).idle_hours <= 7 * 24 * 3600


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"alarms": "alerts"}, r"alarms must be Alarms\(…\) or the ARN of an SNS topic"),
        ({"alarms": 3}, r"alarms must be Alarms\(…\) or the ARN of an SNS topic"),
        ({"dashboard": "yes"}, "dashboard must be True or False"),
        ({"alarm": TOPIC}, "did you mean 'alarms'"),
    ],
)
def test_other_values_are_refused(options: dict[str, Any], says: str) -> None:
    """The error names the option, and the line where it is written."""
    with pytest.raises(OptionError, match=says) as raised:
        alarmed(**options)
    assert raised.value.place is not None
    assert raised.value.place.file == __file__


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"topic": ""}, "topic must be the ARN of an SNS topic"),
        ({"topic": "arn:aws:sqs:eu-west-1:123456789012:queue"}, "topic must be the ARN"),
        ({"topic": TOPIC, "longest_seconds": 0}, "longest_seconds must be a whole number from 1"),
        ({"topic": TOPIC, "idle_hours": 169}, "idle_hours must be a whole number from 1 to 168"),
        ({"topic": TOPIC, "idle_hours": 1.5}, "idle_hours must be a whole number"),
    ],
)
def test_arguments_out_of_their_range_are_refused(arguments: dict[str, Any], says: str) -> None:
    """Alarms checks its arguments when it is made."""
    with pytest.raises(OptionError, match=says):
        Alarms(**arguments)


@stack
def alarms(aws: LocalAws, folder: Path) -> Path:
    """A pipeline with every alarm and a dashboard."""
    wanted = Alarms(TOPIC, longest_seconds=90, idle_hours=26)
    return alarmed(alarms=wanted, dashboard=True).synth(folder / "out").folder


def test_alarms_and_dashboard_exist_after_the_apply(applied: Applied) -> None:
    """They refer to the state machine and the functions that were created with them."""
    arn = applied.outputs["alarms"]["state_machine_arn"]
    client = applied.aws.client("cloudwatch")
    found = client.describe_alarms(AlarmNamePrefix="alarmed-")["MetricAlarms"]
    assert {one["AlarmName"] for one in found} == {
        f"alarmed-{kind}" for kind in ("failed", "timed-out", "throttled", "slow", "idle")
    }
    dimension = [{"Name": "StateMachineArn", "Value": arn}]
    assert all(one["Dimensions"] == dimension for one in found)
    body = json.loads(client.get_dashboard(DashboardName="alarmed")["DashboardBody"])
    metrics = [one for widget in body["widgets"] for one in widget["properties"]["metrics"]]
    assert ["AWS/States", "ExecutionsFailed", "StateMachineArn", arn] in metrics
    assert ["AWS/Lambda", "Errors", "FunctionName", "alarmed-two"] in metrics
    assert {widget["properties"]["region"] for widget in body["widgets"]} == {"us-east-1"}
