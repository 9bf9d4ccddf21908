"""The events of executions in the local AWS, as ``show`` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.operate.history import Tracker
from lokki_tf.operate.visits import ItemCounts
from lokki_tf.runtime.store import split

if TYPE_CHECKING:
    from lokki_tf.local import Event
    from lokki_tf.model import Definition
    from lokki_tf.testing import LocalAws


def tracker_of(aws: LocalAws, definition: Definition) -> Tracker:
    """A tracker of executions of a pipeline."""

    def counts(arn: str) -> ItemCounts:
        items = aws.client("stepfunctions").describe_map_run(mapRunArn=arn)["itemCounts"]
        return ItemCounts(items["total"], items["succeeded"], items["failed"])

    def read(uri: str) -> bytes:
        bucket, key = split(uri)
        body: bytes = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    return Tracker(definition, counts, read)


def events_of(aws: LocalAws, definition: Definition, arn: str) -> tuple[Tracker, list[Event]]:
    """The events of an execution that has ended, and the tracker that has read them."""
    tracker = tracker_of(aws, definition)
    pages = aws.client("stepfunctions").get_paginator("get_execution_history")
    history = (one for page in pages.paginate(executionArn=arn) for one in page["events"])
    events = [event for one in history for event in tracker.read(one)]
    assert tracker.ended
    return tracker, events
