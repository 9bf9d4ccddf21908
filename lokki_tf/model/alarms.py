"""Alarms about the executions of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from lokki_tf.errors import OptionError
from lokki_tf.tracebacks import ends_at_caller

from .declarations import SECONDS, Rule, option, options, whole
from .terraform_refs import TerraformRef

_METRICS = 'AWS Step Functions Developer Guide, "Monitoring Step Functions metrics"'
_WEEK = 7 * 24
_YEAR = 31_536_000  # seconds; an execution ends after a year


@ends_at_caller
@dataclass(frozen=True, slots=True)
class Alarms:
    """Alarms of CloudWatch about the executions of a pipeline, which are sent to an SNS topic.

    Executions that fail, exceed their time limit or are throttled raise an alarm, and those that
    the other arguments describe.

    Args:
        topic: ARN of the topic.
        longest_seconds: Longest usual duration of a run, in seconds; a run that took longer raises
            an alarm when it ends.
        idle_hours: Hours in which a run must begin, up to a week; if none does, there is an alarm.

    Raises:
        OptionError: If an argument is invalid.
    """

    topic: str | TerraformRef = option(
        "",
        "ARN of the SNS topic; its policy must allow CloudWatch to publish",
        Rule("the ARN of an SNS topic", lambda value: _is_topic(value)),
    )
    longest_seconds: int | None = option(
        None,
        "Longest usual duration of a run; one that took longer raises an alarm when it ends",
        whole(1, _YEAR),
        unit=SECONDS,
        source=_METRICS,
    )
    idle_hours: int | None = option(
        None,
        "Hours in which a run must begin; if none does, there is an alarm",
        whole(1, _WEEK),
        unit="hours",
        source='Amazon CloudWatch API Reference, "PutMetricAlarm"',
    )

    def __post_init__(self) -> None:
        for name, declared in options(Alarms).items():
            value = getattr(self, name)
            rule = None if value is None else declared.refused_by(value)
            if rule is not None:
                raise OptionError(
                    f"Alarms({name}={value!r}): {name} must be {rule.expected}",
                    remedy='for example Alarms("arn:aws:sns:eu-west-1:123456789012:alerts")',
                )


def _is_topic(value: object) -> bool:
    if isinstance(value, TerraformRef):
        return True
    return isinstance(value, str) and value.startswith("arn:") and ":sns:" in value
