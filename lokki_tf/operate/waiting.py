"""Tasks that wait for an answer from outside: steps with ``callback=True``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError
from lokki_tf.runtime.answers import CAUSE_LENGTH, answer_text, check_error
from lokki_tf.runtime.event_context import item_index
from lokki_tf.runtime.failures import details_of, node_of, payload_of

from .following import is_express
from .runs import RUNNING, SERVICE, AwsRun, describe
from .tasks import is_callback

if TYPE_CHECKING:
    from collections.abc import Callable

    from .clients import Aws
    from .deployed import Deployed

    Pages = Callable[..., Iterable[Mapping[str, Any]]]

_ENDINGS = ("Succeeded", "Failed", "TimedOut")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that waits for its answer.

    Args:
        run: Name of the run.
        node: Name of the node.
        item: Index of the item, in a map.
        token: The token with which it is answered.
        since: When its present attempt began.
        limit: The most bytes of an answer for which the states after it have room.
        event: The event with which its function was called.
        function: ARN or name of the function.
    """

    run: str
    node: str
    item: int | tuple[int, ...] | None
    token: str
    since: datetime
    limit: int | None
    event: Mapping[str, Any]
    function: str


def waiting_tasks(pages: Pages, execution: str, run: str | None = None) -> Iterator[Waiting]:
    """Yield the tasks of an execution that wait for an answer.

    Those of its maps, and of pipelines that it has started, are included.

    Args:
        pages: Returns the pages of a request to a service, as :meth:`.clients.Aws.pages`.
        execution: ARN of the execution.
        run: Name of the run, if the execution is an item of a map or a started pipeline.
    """
    run = run or execution.rpartition(":")[2]
    found: dict[int, Waiting] = {}
    begun: dict[int, int] = {}  # from each event of a task to the one that scheduled it
    maps: list[str] = []
    started: dict[int, str] = {}  # executions, by the events of their starts
    for page in pages(SERVICE, "get_execution_history", executionArn=execution):
        for event in page["events"]:
            _read(event, run, found, begun, maps)
            _read_start(event, started)
    yield from found.values()
    for one in started.values():
        yield from waiting_tasks(pages, one, run)
    for one in dict.fromkeys(maps):
        arguments = {"mapRunArn": one, "statusFilter": RUNNING}
        for page in pages(SERVICE, "list_executions", **arguments):
            for child in page["executions"]:
                if is_express(child["executionArn"]):
                    break  # it cannot wait for answers, as all of the page
                yield from waiting_tasks(pages, child["executionArn"], run)


def _read_start(event: Mapping[str, Any], started: dict[int, str]) -> None:
    """Record the execution of another pipeline that a task waits for, until its end."""
    kind, details = str(event["type"]), details_of(event)
    if kind == "TaskSubmitted" and details.get("resourceType") == "states":
        started[int(event["id"])] = str(json.loads(details["output"])["ExecutionArn"])
    elif kind.startswith("Task"):
        started.pop(int(event.get("previousEventId", 0)), None)


def _read(
    event: Mapping[str, Any],
    run: str,
    found: dict[int, Waiting],
    begun: dict[int, int],
    maps: list[str],
) -> None:
    kind, number = str(event["type"]), int(event["id"])
    if kind.startswith("Execution") and number > 1:
        found.clear()  # it has ended, or was redriven
        return
    details = details_of(event)
    if kind in ("MapRunStarted", "MapRunRedriven"):
        maps.append(str(details["mapRunArn"]))
    elif kind == "TaskScheduled" and is_callback(details):
        begun[number] = number
        payload = payload_of(details)
        token = payload.get("context", {}).get("token")
        if token:
            item = item_index(payload.get("place"))
            limit, node = payload.get("inline"), node_of(payload)
            since = event["timestamp"]
            function = str(json.loads(details["parameters"])["FunctionName"])
            found[number] = Waiting(run, str(node), item, token, since, limit, payload, function)
    elif kind.startswith("Task"):
        first = begun.get(int(event.get("previousEventId", 0)))
        if first is None:
            return
        begun[number] = first
        if kind.endswith(_ENDINGS):
            found.pop(first, None)


def waiting_steps(deployed: Deployed, run: str | None = None) -> list[Waiting]:
    """Return the tasks that wait for an answer, in one run or in all that have not ended.

    Args:
        deployed: The pipeline.
        run: The run's name or ARN.

    Raises:
        UnknownRunError: If the run does not exist.
    """
    aws = deployed.aws
    if run is not None:
        found = [describe(deployed, run)]
    else:
        arguments = {"stateMachineArn": deployed.arn, "statusFilter": RUNNING}
        pages = aws.pages(SERVICE, "list_executions", **arguments)
        found = [AwsRun.of(one) for page in pages for one in page["executions"]]
    return [task for one in found if one.is_running for task in waiting_tasks(aws.pages, one.arn)]


def answer(aws: Aws, task: Waiting | str, value: Any) -> None:
    """Answer a task.

    Args:
        aws: The account.
        task: The task, or its token.
        value: The answer.

    Raises:
        OptionError: If the answer is not JSON, or too large.
        AwsError: If nothing waits with the token.
    """
    try:
        text = answer_text(value)
    except (TypeError, ValueError) as error:
        raise OptionError(str(error)) from None
    size = len(text.encode())
    if isinstance(task, Waiting) and task.limit is not None and size > task.limit:
        raise OptionError(
            f"the answer has {size:,} bytes; the states after step {task.node!r} have room for "
            f"{task.limit:,}",
            remedy="store it, and answer where it is",
        )
    _send(aws, "send_task_success", task, output=text)


def refuse(aws: Aws, task: Waiting | str, error: str, message: str) -> None:
    """Let a task fail.

    Args:
        aws: The account.
        task: The task, or its token.
        error: Name of the error.
        message: The error's text.

    Raises:
        OptionError: If the name is empty or too long.
        AwsError: If nothing waits with the token.
    """
    try:
        check_error(error, message)
    except (TypeError, ValueError) as wrong:
        raise OptionError(str(wrong)) from None
    _send(aws, "send_task_failure", task, error=error, cause=message[:CAUSE_LENGTH])


def _send(aws: Aws, operation: str, task: Waiting | str, **more: str) -> None:
    token = task if isinstance(task, str) else task.token
    try:
        aws.call(SERVICE, operation, taskToken=token, **more)
    except AwsError as error:
        if error.code not in ("TaskDoesNotExist", "TaskTimedOut", "InvalidToken"):
            raise
        raise AwsError(
            "no step waits for an answer with this token",
            code=error.code,
            remedy="it was answered, has failed, or its time is over; without a token, "
            "`answer` lists what waits",
        ) from None
