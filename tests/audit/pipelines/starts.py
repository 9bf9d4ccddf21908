"""A pipeline that starts others, with secrets, alarms and a limit of runs, for the validators."""

from typing import Any

from lokki_tf import Alarms, Parameter, Pipeline, PipelineFailed, RetryConfig, start_pipeline, step


@step(secrets={"TOKEN": "prod/api#token", "URL": "ssm:/prod/url"})
def load(day: str) -> dict[str, Any]:
    return {"day": day}


@step
def report(*values: Any) -> str:
    return str(values)


AGAIN = RetryConfig(2, exceptions=PipelineFailed)
rows = load(Parameter("day", str, default="monday"))
prices = start_pipeline("prices", {"day": rows["day"]}, retry=AGAIN, catch=PipelineFailed)
trusted = start_pipeline("models", {"kind": "small"}, trust=True).after(rows)
pipe = Pipeline(
    "starts",
    steps=[report(prices, trusted)],
    alarms=Alarms("arn:aws:sns:eu-west-1:123456789012:alerts", longest_seconds=60, idle_hours=26),
    dashboard=True,
    max_concurrent_runs=2,
    when_busy="skip",
)
