"""The function that sends a pipeline's failure notices, and calls its cleanup step.

A rule of EventBridge calls it with the event "Step Functions Execution Status Change" when an
execution of the pipeline's state machine has failed, timed out or been aborted: also by errors
that no ``Catch`` can catch. It finds the step in the execution's history, and publishes to a
topic or calls a step. Before that it calls the cleanup step, unless the state machine has done so
(:mod:`.cleanups`). Variables of its environment:

- ``LOKKI_PIPELINE``: the pipeline's name;
- ``LOKKI_STORE``: ``s3://bucket/prefix`` of the pipeline;
- ``LOKKI_NOTIFY``: ARN of the topic, or of the step's function, if there is one;
- ``LOKKI_NOTIFIED_STEP``: of a step, as JSON: its ``node``, the full names of the errors that it
  retries (``retry``), and its retriers (``again``, see :mod:`.jobs`);
- ``LOKKI_CLEANUP``: of a pipeline with a cleanup step, as JSON: the names of its states.

EventBridge delivers an event at least once. A notice is therefore written into the bucket before
it is sent, under the execution's name and its number of redrives; one that is there already is
not sent again.
"""

from __future__ import annotations

import json
import os
import time

from .cleanups import call_of, given_in, has_run
from .envelope import FORMAT
from .failures import CLEANUP, NOTIFIED_STEP, NOTIFY, PIPELINE, Events, notice_of
from .jobs import Retries
from .names import NOTICES, STORE
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


class CleanupFailed(Exception):
    """The step of ``cleanup=`` has failed: the event goes to the dead-letter queue."""


class StepError(Exception):
    """An error of a step that this function has called.

    Args:
        name: The name of its class.
        cause: Lambda's JSON, as Step Functions reports it.
    """

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {json.loads(cause).get('errorMessage')}")
        self.name = name
        self.cause = cause


def handle(event: Event, context: Any = None) -> str:
    """Send the notice of an execution that did not succeed, unless it was sent.

    The cleanup step is called first if the state machine has not run it.

    Args:
        event: EventBridge's event.
        context: Lambda's context.

    Returns:
        ``sent`` or ``duplicate``, for the log.

    Raises:
        NoticeFailed: If the step to call fails, after its retries.
        CleanupFailed: If the cleanup step fails, after its retries; the notice is sent before.
    """
    detail, store = event["detail"], os.environ[STORE]
    events = Events(_history(detail["executionArn"]))
    states = json.loads(os.environ.get(CLEANUP, "{}"))
    notice = notice_of(detail, os.environ[PIPELINE], events, states.get("done"))
    key = f"{store}/runs/{NOTICES}/{detail['name']}/{notice['redriveCount']}.json"
    if not _is_first(key, json.dumps(notice).encode()):
        return "duplicate"
    uncleaned = _clean_up(detail, events, states, notice) if states else None
    to = os.environ.get(NOTIFY, "")
    if to.split(":")[2:3] == ["sns"]:
        _publish(to, notice)
    elif to:
        step = json.loads(os.environ[NOTIFIED_STEP])
        _call(to, step, notice, detail["name"], store, _began(detail))
    if uncleaned is not None:
        raise CleanupFailed(f"step {states['done']!r}: {uncleaned}")
    return "sent"


def _clean_up(
    detail: Event, events: Events, states: Mapping[str, str], notice: dict[str, Any]
) -> StepError | None:
    """Call the cleanup step unless the state machine has; return its error.

    An error of the step, here or in the state machine, is added to the notice, unless it is the
    error of the execution.
    """
    ran, failed = has_run(events, states)
    if ran:
        if failed is not None and failed.get("cause") != detail.get("cause"):
            notice["cleanup"] = {"error": failed.get("error"), "cause": failed.get("cause")}
        return None
    execution = detail["executionArn"]
    region, steps = execution.split(":")[3], _client("stepfunctions", execution.split(":")[3])
    state_machine = steps.describe_state_machine_for_execution(executionArn=execution)
    first = steps.get_execution_history(executionArn=execution, maxResults=1)["events"]
    context = {
        "$$.Execution.Name": detail["name"],
        "$$.Execution.Input": given_in(first),
        "$$.Execution.StartTime": _began(detail),
        "$$.State.RetryCount": 0,
    }
    call = call_of(json.loads(state_machine["definition"]), states, context)
    if call is None:  # the execution began before the pipeline had a cleanup step
        return None
    function, event, again = call
    try:
        _invoke(function, event, again, event.get("context", {}), region)
    except StepError as error:
        notice["cleanup"] = {"error": error.name, "cause": error.cause}
        return error
    return None


def _history(execution: str) -> Iterator[Event]:
    """Yield the events of an execution, the latest first."""
    client = _client("stepfunctions", execution.split(":")[3])
    pages = client.get_paginator("get_execution_history")
    limits = {"PageSize": _PAGE}
    for page in pages.paginate(executionArn=execution, reverseOrder=True, PaginationConfig=limits):
        yield from page["events"]


def _began(detail: Event) -> str:
    """Return when an execution began, as Step Functions' context object does."""
    seconds = detail.get("startDate", 0) / 1000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}Z"


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
    began: str,
) -> None:
    event = {"format": FORMAT, "run": run, "node": step["node"], "store": store}
    event["inline"] = INLINE_BYTES
    if step["retry"]:
        event["retry"] = step["retry"]
    event["args"] = {"0": {"value": notice}}
    own = {"pipeline": notice["pipeline"], "started": began, "attempt": 0}
    if step.get("context"):
        event |= {"context": own, "given": notice["input"]}
    try:
        _invoke(function, event, step["again"], own, function.split(":")[3])
    except StepError as error:
        raise NoticeFailed(f"step {step['node']!r}: {error}") from None


def _invoke(
    function: str,
    event: Mapping[str, Any],
    again: list[dict[str, Any]],
    own: dict[str, Any],
    region: str,
) -> None:
    """Call a step's function, with its retries.

    Args:
        function: ARN of the function.
        event: The event of the step.
        again: The step's retriers.
        own: The context of the event, in which attempts are counted.
        region: Region of the function.

    Raises:
        StepError: If the last attempt fails.
    """
    left = Retries(again)
    while True:
        payload = json.dumps(event)
        answer = _client("lambda", region).invoke(FunctionName=function, Payload=payload)
        if "FunctionError" not in answer:
            return
        cause = answer["Payload"].read().decode()
        name = str(json.loads(cause).get("errorType"))
        wait = left.wait(name)
        if wait is None:
            raise StepError(name, cause)
        time.sleep(wait)
        own["attempt"] = own.get("attempt", 0) + 1


def _client(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(read_timeout=LONGEST_CALL, retries={"mode": "standard"})
    return boto3.client(service, region_name=region, config=config)
