"""Conditional writes of objects, and descriptions of executions without their data."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from lokki_tf.testing import LocalAws


@pytest.fixture
def bucket(local_aws: LocalAws) -> str:
    """An empty bucket."""
    name = f"conditional-{uuid4()}"
    local_aws.client("s3").create_bucket(Bucket=name)
    return name


def put(aws: LocalAws, bucket: str, **condition: Any) -> tuple[int, str]:
    """Write an object; return the status, and its ETag or the error's code."""
    try:
        done = aws.client("s3").put_object(Bucket=bucket, Key="k", Body=uuid4().bytes, **condition)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, done["ETag"]


def test_an_object_is_created_once(local_aws: LocalAws, bucket: str) -> None:
    """If-None-Match refuses an object that exists, whatever its content is.

    Source: Amazon S3 API Reference, ``PutObject``.
    """
    assert put(local_aws, bucket, IfNoneMatch="*")[0] == 200
    assert put(local_aws, bucket, IfNoneMatch="*") == (412, "PreconditionFailed")
    local_aws.client("s3").delete_object(Bucket=bucket, Key="k")
    assert put(local_aws, bucket, IfNoneMatch="*")[0] == 200


def test_an_object_is_replaced_only_as_it_was_read(local_aws: LocalAws, bucket: str) -> None:
    """If-Match refuses an object that has changed since, and one that does not exist."""
    assert put(local_aws, bucket, IfMatch='"0"') == (404, "NoSuchKey")
    _, tag = put(local_aws, bucket)
    assert put(local_aws, bucket, IfMatch='"0"') == (412, "PreconditionFailed")
    assert put(local_aws, bucket, IfMatch=tag)[0] == 200
    assert put(local_aws, bucket, IfMatch=tag) == (412, "PreconditionFailed")


@pytest.mark.parametrize("condition", ["IfNoneMatch", "IfMatch"])
def test_one_of_many_writers_succeeds(local_aws: LocalAws, bucket: str, condition: str) -> None:
    """Of writes under the same condition at the same moment, one is carried out."""
    tag = put(local_aws, bucket)[1] if condition == "IfMatch" else "*"
    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(put, local_aws, bucket, **{condition: tag}) for _ in range(16)]
    statuses = sorted(one.result()[0] for one in found)
    assert statuses == [200] + [412] * 15


def test_a_description_without_data(local_aws: LocalAws) -> None:
    """includedData=METADATA_ONLY leaves out the input and the output of an execution.

    Source: Step Functions API Reference, ``DescribeExecution``.
    """
    states = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
    machine = local_aws.create_state_machine("described", states)
    arn = local_aws.execute(machine, {"secret": 1}).arn
    client = local_aws.client("stepfunctions")
    whole = client.describe_execution(executionArn=arn)
    described = client.describe_execution(executionArn=arn, includedData="METADATA_ONLY")
    data = {"input", "inputDetails", "output", "outputDetails"}
    assert whole.keys() - described.keys() == data
    assert described["status"] == "SUCCEEDED"


@pytest.mark.parametrize("topics", [[], ["arn:aws:sns:us-east-1:123456789012:objects"]])
def test_a_bucket_says_whether_eventbridge_receives_its_events(
    local_aws: LocalAws, bucket: str, topics: list[str]
) -> None:
    """The configuration is returned as it was written, with and without other notifications."""
    s3, sns = local_aws.client("s3"), local_aws.client("sns")
    for topic in topics:
        sns.create_topic(Name=topic.rpartition(":")[2])
    others = [{"Id": "one", "TopicArn": one, "Events": ["s3:ObjectCreated:*"]} for one in topics]
    for written in ({"EventBridgeConfiguration": {}}, {}):
        wanted = {**written, **({"TopicConfigurations": others} if others else {})}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
        found = s3.get_bucket_notification_configuration(Bucket=bucket)
        found.pop("ResponseMetadata")
        assert found == wanted
