"""Slots, with answers of S3 and Step Functions that the local AWS does not give."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from lokki_tf.runtime.locks import FRESH, Slots

if TYPE_CHECKING:
    from collections.abc import Iterator

EXECUTIONS = "arn:aws:states:us-east-1:123456789012:execution:prices"
OWN, OTHER = f"{EXECUTIONS}:own", f"{EXECUTIONS}:other"
EARLIER = datetime(2024, 1, 31, tzinfo=UTC)


class Stubs:
    """Clients whose answers are listed in the order of the requests."""

    def __init__(self) -> None:
        access = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
        store = boto3.client("s3", region_name="us-east-1", **access)
        states = boto3.client("stepfunctions", region_name="us-east-1", **access)
        self.store, self.states = Stubber(store), Stubber(states)
        self.slots = Slots(store, states, "s3://bucket/prices")

    def absent(self, code: str = "NoSuchKey") -> None:
        self.store.add_client_error("get_object", code)

    def present(self, execution: str, when: datetime, redrives: int = 0) -> None:
        body = json.dumps({"execution": execution, "redrives": redrives, "time": 0.0}).encode()
        answer = {"Body": io.BytesIO(body), "ETag": '"tag"', "LastModified": when}
        self.store.add_response("get_object", answer)

    def written(self, refusal: str | None = None, **condition: str) -> None:
        if refusal is None:
            expected = {"Bucket": "bucket", "Key": "prices/locks/0.json", "Body": ANY, **condition}
            self.store.add_response("put_object", {}, expected)
        else:
            self.store.add_client_error("put_object", refusal)

    def described(self, status: str | None) -> None:
        if status is None:
            self.states.add_client_error("describe_execution", "ExecutionDoesNotExist")
            return
        answer: dict[str, Any] = {
            "executionArn": OTHER,
            "stateMachineArn": EXECUTIONS,
            "status": status,
            "startDate": EARLIER,
            "redriveCount": 0,
        }
        self.states.add_response("describe_execution", answer)


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    made = Stubs()
    with made.store, made.states:
        yield made
        made.store.assert_no_pending_responses()
        made.states.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["NoSuchKey", "AccessDenied"])
def test_a_slot_that_does_not_exist_is_created(stubs: Stubs, code: str) -> None:
    """Without s3:ListBucket, S3 denies access to an object that does not exist."""
    stubs.absent(code)
    stubs.written(IfNoneMatch="*")
    assert stubs.slots.take(1, OWN, 0) == []


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "PreconditionFailed"])
def test_a_conflict_is_followed_by_another_look(stubs: Stubs, code: str) -> None:
    """After a write of another execution at the same moment, that one may hold the slot."""
    stubs.absent()
    stubs.written(code)
    stubs.present(OTHER, datetime.now(UTC))
    stubs.described("RUNNING")
    assert stubs.slots.take(1, OWN, 0) == [OTHER]


def test_a_slot_of_an_execution_that_has_ended_is_replaced(stubs: Stubs) -> None:
    """The write requires the ETag that was read."""
    stubs.present(OTHER, datetime.now(UTC))
    stubs.described("FAILED")
    stubs.written(IfMatch='"tag"')
    assert stubs.slots.take(1, OWN, 0) == []


def test_an_execution_that_is_not_known_yet_holds_its_slot(stubs: Stubs) -> None:
    """DescribeExecution is eventually consistent; after a minute the execution counts as ended."""
    stubs.present(OTHER, datetime.now(UTC))
    stubs.described(None)
    assert stubs.slots.take(1, OWN, 0) == [OTHER]
    stubs.present(OTHER, datetime.now(UTC) - timedelta(seconds=FRESH))
    stubs.described(None)
    stubs.written(IfMatch='"tag"')
    assert stubs.slots.take(1, OWN, 0) == []


def test_a_repeated_call_keeps_its_slot(stubs: Stubs) -> None:
    """Lambda may call the function again after it has taken the slot."""
    stubs.present(OWN, EARLIER)
    assert stubs.slots.take(1, OWN, 0) == []


def test_an_error_that_is_no_conflict_is_raised(stubs: Stubs) -> None:
    """A missing right is an error of the execution, not a busy pipeline."""
    stubs.absent()
    stubs.written("AccessDenied")
    with pytest.raises(ClientError, match="AccessDenied"):
        stubs.slots.take(1, OWN, 0)
