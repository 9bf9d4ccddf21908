"""Triggers of every kind, items from S3, Express items, references, for the validators."""

from typing import Any

from lokki_tf import (
    EventPattern,
    PipelineDone,
    S3Created,
    S3Csv,
    S3Objects,
    Schedule,
    TerraformRef,
    allow,
    flow,
    step,
)


@step(policies=[allow("dynamodb:PutItem", TerraformRef("aws_dynamodb_table.rows.arn"))])
def stored(row: dict[str, Any], day: str) -> int:
    return len(row) + len(day)


@step(env_variables={"TABLE": TerraformRef("aws_dynamodb_table.rows.name")}, timeout_seconds=60)
def checked(found: dict[str, Any]) -> Any:
    return found["Key"]


@step
def counted(rows: list[int], keys: list[str]) -> int:
    return len(rows) + len(keys)


@flow(
    name="events",
    triggers=[
        Schedule("cron(0 6 * * ? *)", timezone="Europe/Berlin", parameters={"day": Schedule.day}),
        S3Created(
            "audit-raw-data", prefix="in/", parameters={"day": "time", "key": "detail.object.key"}
        ),
        EventPattern({"source": ["shop"]}, parameters={"day": "detail.day"}),
        PipelineDone("audit-nested", status="any", parameters={"day": "time"}),
    ],
)
def pipe(day: str, key: str = "in/rows.csv") -> Any:
    rows = S3Csv("audit-raw-data", key).map(stored, day=day)
    return counted(rows, S3Objects("audit-raw-data", "in/").map(checked, execution_type="express"))
