"""What failed in a run: the step's own error, inside maps too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import ExecutionFailed

from .following import history
from .history import DETAILS
from .remote import message_of, trace_of

if TYPE_CHECKING:
    from .runs import AwsRun
    from .stack import Deployed

_FAILURES = (
    *("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed", "MapRunFailed"),
    *("LambdaFunctionFailed", "LambdaFunctionTimedOut", "LambdaFunctionStartFailed"),
)
_STATUS = {"TIMED_OUT": "timed out", "ABORTED": "was aborted", "RUNNING": "is still running"}


def failure(deployed: Deployed, run: AwsRun) -> ExecutionFailed:
    """The error for a run that did not succeed.

    Args:
        deployed: The pipeline.
        run: The run.
    """
    script = deployed.stack.script
    if run.is_running:
        return ExecutionFailed(
            f"run {run.name} is still running, and has no result yet",
            remedy=f"{script} show --run {run.name}",
        )
    remedy = f"{script} logs --run {run.name}; once mended: {script} redrive --run {run.name}"
    if run.status in _STATUS:
        why = f": {run.error}: {run.cause}" if run.error else ""
        return ExecutionFailed(f"run {run.name} {_STATUS[run.status]}{why}", remedy=remedy)
    where, error, cause = _deepest(deployed, run)
    return ExecutionFailed(
        f"{where} failed in AWS: {error}: {message_of(cause)}",
        trace=trace_of(cause),
        remedy=remedy,
    )


def _deepest(deployed: Deployed, run: AwsRun) -> tuple[str, str, str]:
    """Which step failed, with error and cause; of a map, that of its first item that failed."""
    arn, item = run.arn, ""
    error, cause = run.error or "", run.cause or ""
    while True:
        name, map_run = _last_failure(deployed, arn)
        if map_run is None:
            where = f"step {name!r}{item}" if name else f"run {run.name}"
            return where, error, cause
        child = _failed_child(deployed, map_run)
        if child is None:
            return f"map {name!r}", error, cause
        arn, error, cause = child["executionArn"], child.get("error", ""), child.get("cause", "")
        item = _item(child.get("input", ""))


def _last_failure(deployed: Deployed, arn: str) -> tuple[str | None, str | None]:
    """The state in which an execution failed, and its map run if it is a Distributed Map."""
    by_id: dict[int, Any] = {one["id"]: one for one in history(deployed, arn)}
    event = next((one for one in reversed(by_id.values()) if one["type"] in _FAILURES), None)
    map_run: str | None = None
    is_map = event is not None and event["type"] == "MapRunFailed"
    while event is not None and not event["type"].endswith("StateEntered"):
        if event["type"] in ("MapRunStarted", "MapRunRedriven") and map_run is None:
            map_run = event[f"{event['type'][0].lower()}{event['type'][1:]}{DETAILS}"]["mapRunArn"]
        event = by_id.get(event.get("previousEventId", 0))
    name = None if event is None else str(event[f"stateEntered{DETAILS}"]["name"])
    return name, map_run if is_map else None


def _failed_child(deployed: Deployed, map_run: str) -> dict[str, Any] | None:
    for status in ("FAILED", "TIMED_OUT"):
        told = deployed.aws.call(
            "stepfunctions",
            "list_executions",
            mapRunArn=map_run,
            statusFilter=status,
            maxResults=1,
        )
        for one in told["executions"]:
            return deployed.aws.call(
                "stepfunctions", "describe_execution", executionArn=one["executionArn"]
            )
    return None


def _item(given: str) -> str:
    """The item of a map's execution, as its input tells: `` [3]``; of a batch, its first."""
    try:
        told = json.loads(given)
        first = told["Items"][0] if "Items" in told else told
        return f" [{first['index']}]"
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
