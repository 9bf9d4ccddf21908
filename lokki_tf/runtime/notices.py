"""The function that sends a pipeline's failure notices.

A rule of EventBridge calls it with the event "Step Functions Execution Status Change" when an
execution of the pipeline's state machine has failed, timed out or been aborted: also by errors
that no ``Catch`` can catch. It finds the step in the execution's history, and publishes to a
topic or calls a step. Variables of its environment:

- ``LOKKI_PIPELINE``: the pipeline's name;
- ``LOKKI_STORE``: ``s3://bucket/prefix`` of the pipeline;
- ``LOKKI_NOTIFY``: ARN of the topic, or of the step's function;
- ``LOKKI_NOTIFIED_STEP``: of a step, as JSON: its ``node``, the full names of the errors that it
  retries (``retry``), and its retriers (``again``, see :mod:`.jobs`).

EventBridge delivers an event at least once. A notice is therefore written into the bucket before
it is sent, under the execution's name and its number of redrives; one that is there already is
not sent again.
"""

from __future__ import annotations

import json
import os
import time

from .envelope import FORMAT
from .failures import NOTIFIED_STEP, NOTIFY, PIPELINE, notice_of
from .jobs import Retries
from .places import NOTICES, STORE
from .store import client as store_client
from .store import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Event = Mapping[str, Any]

INLINE_BYTES = 1_024  # of what the step returns, which nothing reads
LONGEST_CALL = 900  # seconds, of Lambda
_PAGE = 200


class NoticeFailed(Exception):
    """The step of ``on_failure=`` has failed: the notice goes to the dead-letter queue."""


def handle(event: Event, context: Any = None) -> str:
    """Send the notice of an execution that did not succeed, unless it was sent.

    Args:
        event: EventBridge's event.
        context: Lambda's context.

    Returns:
        ``sent`` or ``duplicate``, for the log.

    Raises:
        NoticeFailed: If the step to call fails, after its retries.
    """
    detail = event["detail"]
    where = detail["executionArn"].split(":")[3]
    notice = notice_of(detail, os.environ[PIPELINE], _history(detail["executionArn"], where))
    store = os.environ[STORE]
    key = f"{store}/runs/{NOTICES}/{detail['name']}/{notice['redriveCount']}.json"
    if not _is_first(key, json.dumps(notice).encode()):
        return "duplicate"
    to = os.environ[NOTIFY]
    if to.split(":")[2] == "sns":
        _publish(to, notice)
    else:
        step = json.loads(os.environ[NOTIFIED_STEP])
        _call(to, step, notice, detail["name"], store, detail.get("startDate", 0))
    return "sent"


def _history(execution: str, region: str) -> Iterator[Event]:
    """Yield the events of an execution, the latest first."""
    pages = _client("stepfunctions", region).get_paginator("get_execution_history")
    limits = {"PageSize": _PAGE}
    for page in pages.paginate(executionArn=execution, reverseOrder=True, PaginationConfig=limits):
        yield from page["events"]


def _is_first(uri: str, notice: bytes) -> bool:
    """Write a notice unless it exists; return whether it was written."""
    from botocore.exceptions import ClientError

    bucket, key = split(uri)
    try:
        store_client().put_object(Bucket=bucket, Key=key, Body=notice, IfNoneMatch="*")
    except ClientError as error:
        # A conflict is another delivery of the same event that writes at this moment.
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True


def _publish(topic: str, notice: Mapping[str, Any]) -> None:
    _client("sns", topic.split(":")[3]).publish(
        TopicArn=topic,
        Subject=f"{notice['pipeline']} failed",
        Message=json.dumps(notice),
    )


def _call(
    function: str,
    step: Mapping[str, Any],
    notice: dict[str, Any],
    run: str,
    store: str,
    started: int,
) -> None:
    event = {"format": FORMAT, "run": run, "node": step["node"], "store": store}
    event["inline"] = INLINE_BYTES
    if step["retry"]:
        event["retry"] = step["retry"]
    event["args"] = {"0": {"value": notice}}
    began = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(started / 1000))}Z"
    own = {"pipeline": notice["pipeline"], "started": began, "attempt": 0}
    if step.get("context"):
        event |= {"context": own, "given": notice["input"]}
    left = Retries(step["again"])
    while True:
        payload = json.dumps(event)
        answer = _client("lambda", function.split(":")[3]).invoke(
            FunctionName=function, Payload=payload
        )
        if "FunctionError" not in answer:
            return
        error = json.loads(answer["Payload"].read())
        name = str(error.get("errorType"))
        wait = left.wait(name)
        if wait is None:
            raise NoticeFailed(f"step {step['node']!r}: {name}: {error.get('errorMessage')}")
        time.sleep(wait)
        own["attempt"] += 1


def _client(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(read_timeout=LONGEST_CALL, retries={"mode": "standard"})
    return boto3.client(service, region_name=region, config=config)
