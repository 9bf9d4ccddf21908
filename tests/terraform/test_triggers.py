"""Triggers as Terraform: rules, schedules and events of the local AWS start executions."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import (
    EventPattern,
    Parameter,
    Pipeline,
    PipelineDone,
    S3Created,
    Schedule,
    TerraformRef,
    run_context,
    step,
)
from lokki_tf.config import Config
from lokki_tf.testing import LocalAws, LocalAwsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME, INBOX = "started-by-events", "inbox-of-others"


@step
def told(key: str, size: int = 0) -> dict[str, Any]:
    at = run_context().scheduled_at
    return {"key": key, "size": size, "at": None if at is None else at.isoformat()}


def triggered(*, numbered: bool = True) -> Pipeline:
    number = "detail.number" if numbered else "detail.size"
    return Pipeline(
        NAME,
        steps=[told(Parameter("key", str), Parameter("size", int, default=0))],
        schedule=None,
        triggers=[
            Schedule(
                "cron(0 6 * * ? *)",
                timezone="Europe/Berlin",
                flexible_window_minutes=15,
                parameters={"key": Schedule.day, "size": 7},
                retries=3,
            ),
            S3Created(
                INBOX,
                prefix="in/",
                suffix=".csv",
                parameters={"key": "detail.object.key", "size": "detail.object.size"},
            ),
            S3Created(prefix="own/", parameters={"key": "detail.object.key"}),
            EventPattern(
                {"source": ["shop"], "detail": {"number": [{"numeric": [">", 3]}]}},
                parameters={"key": "detail.id", "size": number},
                max_age_seconds=600,
            ),
            PipelineDone("greeting", parameters={"key": "detail.name"}),
        ],
    )


def settings(key: str) -> Config:
    return replace(Config(), aws=replace(Config().aws, kms_key=key))


@stack
def started_by_events(aws: LocalAws, folder: Path) -> Path:
    """A stack with each kind of trigger, whose data a key of the user encrypts."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    return triggered().synth(folder, config=settings(key)).folder


def ended(aws: LocalAws, arn: str) -> dict[str, Any]:
    """Wait for the end of an execution, and return it with its input and result."""
    states, until = aws.client("stepfunctions"), time.monotonic() + 30
    while True:
        try:
            found = states.describe_execution(executionArn=arn)
        except states.exceptions.ExecutionDoesNotExist:
            found = {"status": "RUNNING"}  # the event is on its way
        if found["status"] != "RUNNING" or time.monotonic() > until:
            return {
                "status": found["status"],
                "input": json.loads(found["input"]),
                "output": json.loads(found["output"])["told"]["value"],
            }
        time.sleep(0.05)


def begun(aws: LocalAws, machine: str, key: str) -> str:
    """Wait for an execution with a parameter, and return its ARN."""
    states, until = aws.client("stepfunctions"), time.monotonic() + 30
    while time.monotonic() < until:
        for one in states.list_executions(stateMachineArn=machine)["executions"]:
            text = states.describe_execution(executionArn=one["executionArn"])["input"]
            if json.loads(text).get("key") == key:
                return str(one["executionArn"])
        time.sleep(0.05)
    raise AssertionError(f"no execution has the key {key!r}")


@pytest.fixture(scope="module")
def machine(applied: Applied) -> str:
    return str(applied.outputs["started_by_events"]["state_machine_arn"])


def test_a_schedule_starts_a_run_once_for_each_time(applied: Applied, machine: str) -> None:
    """The run has the day of the schedule's zone; a second delivery starts nothing."""
    at = "2030-01-31T23:30:00Z"
    arn = applied.aws.run_schedule(f"{NAME}.trigger-1", at=at)
    again = applied.aws.run_schedule(f"{NAME}.trigger-1", at=at)
    assert (
        arn
        == again
        == f"{machine.replace('stateMachine', 'execution')}:" + ("schedule-1-2030-01-31T23-30-00Z")
    )
    found = ended(applied.aws, arn)
    assert found["output"] == {"key": "2030-02-01", "size": 7, "at": "2030-01-31T23:30:00+00:00"}
    here = triggered().local_run(event={"time": at}).result
    assert here == found["output"]


def test_an_object_starts_a_run(applied: Applied, machine: str) -> None:
    """A matching key of a bucket that sends its events starts a run with the object's fields."""
    s3 = applied.aws.client("s3")
    s3.create_bucket(Bucket=INBOX)
    s3.put_bucket_notification_configuration(
        Bucket=INBOX, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    s3.put_object(Bucket=INBOX, Key="in/a b+ü.csv", Body=b"12345")
    s3.put_object(Bucket=INBOX, Key="in/other.txt", Body=b"1")
    found = ended(applied.aws, begun(applied.aws, machine, "in/a b+ü.csv"))
    assert found["output"] == {"key": "in/a b+ü.csv", "size": 5, "at": None}
    states = applied.aws.client("stepfunctions")
    keys = [
        json.loads(states.describe_execution(executionArn=one["executionArn"])["input"]).get("key")
        for one in states.list_executions(stateMachineArn=machine)["executions"]
    ]
    assert "in/other.txt" not in keys


def test_the_pipelines_own_bucket_sends_its_events(applied: Applied, machine: str) -> None:
    """The stack itself turns this on for the bucket that it creates."""
    bucket = applied.outputs["started_by_events"]["bucket"]
    s3 = applied.aws.client("s3")
    version = s3.put_object(Bucket=bucket, Key="own/x", Body=b"")["VersionId"]
    found = ended(applied.aws, begun(applied.aws, machine, "own/x"))
    assert found["output"] == {"key": "own/x", "size": 0, "at": None}
    s3.delete_object(Bucket=bucket, Key="own/x", VersionId=version)


def test_an_event_starts_a_run_as_it_does_here(applied: Applied, machine: str) -> None:
    """An event that is put has the same parameters in AWS and in a local run."""
    put(applied.aws, {"id": "order-1", "number": 5})
    arn = begun(applied.aws, machine, "order-1")
    found = ended(applied.aws, arn)
    event = found["input"]["lokki"]["event"]
    assert arn.endswith(f":event-4-{event}")
    given = {"source": "shop", "id": event, "detail": {"id": "order-1", "number": 5}}
    here = triggered().event_input(given)
    assert (here.name, here.input) == (arn.rpartition(":")[2], found["input"])
    assert triggered().local_run(event=given).result == found["output"]


def put(aws: LocalAws, detail: Mapping[str, Any]) -> None:
    entry = {"Source": "shop", "DetailType": "Order", "Detail": json.dumps(detail)}
    aws.client("events").put_events(Entries=[entry])


def test_the_end_of_another_pipeline_starts_a_run(applied: Applied, machine: str) -> None:
    """The event of an execution that has succeeded is mapped like any other."""
    event = {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "status": "SUCCEEDED",
            "name": "run-of-greeting",
            "stateMachineArn": machine.replace(NAME, "greeting"),
        },
    }
    applied.aws.client("events").put_events(
        Entries=[
            {
                "Source": event["source"],
                "DetailType": event["detail-type"],
                "Detail": json.dumps(event["detail"]),
            }
        ]
    )
    found = ended(applied.aws, begun(applied.aws, machine, "run-of-greeting"))
    assert found["status"] == "SUCCEEDED"


def test_events_that_cannot_start_a_run_are_kept(applied: Applied) -> None:
    """An event with a wrong type, and a schedule that may not call, go to the queue.

    After that every right of the two roles has been used.
    """
    aws = applied.aws
    sqs, iam = aws.client("sqs"), aws.client("iam")
    url = sqs.get_queue_url(QueueName=f"{NAME}-triggers")["QueueUrl"]
    put(aws, {"id": 7, "number": 5})
    (text,) = received(sqs, url)
    assert "parameter 'key' must be str, but the event has 7" in text
    role = f"{NAME}.schedule_role-us-east-1"
    policy = iam.get_role_policy(RoleName=role, PolicyName="lokki")["PolicyDocument"]
    without = [one for one in policy["Statement"] if one["Sid"] != "Invoke"]
    changed = json.dumps({**policy, "Statement": without})
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=changed)
    with pytest.raises(LocalAwsError, match="lambda:InvokeFunction"):
        aws.run_schedule(f"{NAME}.trigger-1")
    assert '"source": "aws.scheduler"' in received(sqs, url)[0]
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=json.dumps(policy))
    aws.run_schedule(f"{NAME}.trigger-1")
    assert [
        right
        for right in aws.unused_rights()
        if f"{NAME}.triggers_role" in right.role or f"{NAME}.schedule_role" in right.role
    ] == []


def received(sqs: Any, url: str) -> list[str]:
    """Wait for messages of a queue, delete and return them."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
        for one in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        if found:
            return [one["Body"] for one in found]
    raise AssertionError("the queue is empty")


def resources(folder: Path, config: Config | None = None) -> dict[str, Any]:
    made = triggered().synth(folder, config=config)
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    return found


def test_each_trigger_has_a_retry_policy_and_a_queue(tmp_path: Path) -> None:
    """The options of a trigger are those of its target."""
    found = resources(tmp_path)
    (schedule,) = found["aws_scheduler_schedule"].values()
    assert schedule["schedule_expression_timezone"] == "Europe/Berlin"
    assert schedule["flexible_time_window"] == {"maximum_window_in_minutes": 15, "mode": "FLEXIBLE"}
    target = schedule["target"]
    assert target["retry_policy"] == {
        "maximum_event_age_in_seconds": 86_400,
        "maximum_retry_attempts": 3,
    }
    queue = "${aws_sqs_queue.triggers_queue.arn}"
    assert target["dead_letter_config"] == {"arn": queue}
    targets = found["aws_cloudwatch_event_target"]
    assert {one["dead_letter_config"]["arn"] for one in targets.values()} == {queue}
    ages = {
        name: one["retry_policy"]["maximum_event_age_in_seconds"] for name, one in targets.items()
    }
    assert ages["trigger_4_target"] == 600
    assert ages["trigger_2_target"] == 86_400


def test_a_pipeline_without_triggers_has_nothing_of_them(tmp_path: Path) -> None:
    """There is no function, rule or queue."""
    made = Pipeline("untriggered", steps=[told("a")], schedule="rate(1 day)").synth(tmp_path)
    found = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    assert not {"aws_cloudwatch_event_rule", "aws_sqs_queue", "aws_s3_bucket_notification"} & {
        *found
    }
    assert [*found["aws_lambda_function"]] == ["told"]


def test_the_bucket_of_others_keeps_its_notifications(tmp_path: Path) -> None:
    """Only the bucket that the stack creates is changed; synth names the others."""
    config = replace(Config(), aws=replace(Config().aws, artifact_bucket="shared-artifacts"))
    assert "aws_s3_bucket_notification" not in resources(tmp_path / "shared", config)
    (own,) = resources(tmp_path / "own")["aws_s3_bucket_notification"].values()
    assert own["bucket"] == "${aws_s3_bucket.bucket.id}"
    assert triggered().synth(tmp_path / "own").others_buckets == (INBOX,)
    shared = triggered().synth(tmp_path / "shared", config=config)
    assert shared.others_buckets == (INBOX, "shared-artifacts")


def test_disabled_schedules_disable_all_triggers(tmp_path: Path) -> None:
    """``[schedule] state`` holds for rules and schedules."""
    config = replace(Config(), schedule=replace(Config().schedule, state="DISABLED"))
    found = resources(tmp_path, config)
    (schedule,) = found["aws_scheduler_schedule"].values()
    rules = found["aws_cloudwatch_event_rule"].values()
    assert {schedule["state"], *(rule["state"] for rule in rules)} == {"DISABLED"}


def test_a_stage_waits_for_the_same_stage(tmp_path: Path) -> None:
    """With a stage, another pipeline's name has the stage too."""
    found = resources(tmp_path, replace(Config(), stage="prod"))
    pattern = json.loads(found["aws_cloudwatch_event_rule"]["trigger_5"]["event_pattern"])
    (arn,) = pattern["detail"]["stateMachineArn"]
    assert arn.endswith(":stateMachine:greeting-prod")


def test_an_event_runs_the_zips(local_aws: LocalAws) -> None:
    """``LocalAws.run`` takes an event, with the same mapping and without Terraform."""
    event = {"source": "shop", "id": "e1", "detail": {"id": "o", "number": 9}}
    execution = local_aws.run(triggered(), event=event)
    assert execution.name == "event-4-e1"
    assert local_aws.values(execution) == {"told": {"key": "o", "size": 9, "at": None}}


def test_buckets_and_buses_may_be_references(tmp_path: Path) -> None:
    """They are written as expressions; locally any bucket matches."""
    pipe = Pipeline(
        "referring",
        steps=[told(Parameter("key", str))],
        triggers=[
            S3Created(
                TerraformRef("aws_s3_bucket.raw.bucket"), parameters={"key": "detail.object.key"}
            ),
            EventPattern(
                {"source": ["shop"]},
                bus=TerraformRef("aws_cloudwatch_event_bus.shop.name"),
                parameters={"key": "id"},
            ),
        ],
    )
    made = pipe.synth(tmp_path)
    rules = json.loads((made.folder / "cdk.tf.json").read_text())["resource"][
        "aws_cloudwatch_event_rule"
    ]
    pattern = json.loads(rules["trigger_1"]["event_pattern"])
    assert pattern["detail"]["bucket"]["name"] == ["${aws_s3_bucket.raw.bucket}"]
    assert rules["trigger_2"]["event_bus_name"] == "${aws_cloudwatch_event_bus.shop.name}"
    assert made.others_buckets == ("TerraformRef('aws_s3_bucket.raw.bucket')",)
    event = {
        "source": "aws.s3",
        "id": "1",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "any"}, "object": {"key": "k"}},
    }
    assert pipe.local_run(event=event).result["key"] == "k"
