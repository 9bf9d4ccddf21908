"""The failed step of a run, also inside maps, and its error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import ExecutionFailed
from lokki_tf.model import Map
from lokki_tf.runtime.busy import CHECK, AlreadyRunning
from lokki_tf.runtime.failure import message_of, own_error, trace_of
from lokki_tf.runtime.failures import FAILURES, details_of, entered

from .following import history, is_express
from .tasks import is_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition

    from .deployed import Deployed
    from .runs import AwsRun

_TOO_LONG = "the item took longer than 5 minutes, which an Express execution may take"
_STATUS = {"TIMED_OUT": "timed out", "ABORTED": "was aborted", "RUNNING": "is still running"}


def failure(deployed: Deployed, run: AwsRun) -> ExecutionFailed:
    """Return the exception for a run that did not succeed.

    Args:
        deployed: The pipeline.
        run: The run.
    """
    command, named = deployed.stack.command, f"--run {run.name}"
    if run.is_running:
        return ExecutionFailed(
            f"run {run.name} is still running and has no result yet",
            remedy=command(f"show {named}"),
        )
    again = f"{command(f'logs {named}')}; once fixed: {command('start')}"
    redrive = f"{command(f'logs {named}')}; once fixed: {command(f'redrive {named}')}"
    if deployed.stack.config.lambda_.versions:
        redrive = f"{again}; with the same code: {command(f'redrive {named}')}"
    if run.status in _STATUS:
        why = f": {run.error}: {run.cause}" if run.error else ""
        remedy = redrive if deployed.stack.definition.cleanup is None else again
        return ExecutionFailed(f"run {run.name} {_STATUS[run.status]}{why}", remedy=remedy)
    found = find_blame(deployed, run)
    return ExecutionFailed(
        f"{found.where} failed in AWS: {found.error}: {message_of(found.cause)}",
        trace=trace_of(found.cause),
        remedy=again if found.is_final else redrive,
    )


@dataclass(frozen=True, slots=True)
class Blame:
    """Why a run failed.

    Args:
        where: The step, for a message; in a map, with the first failed item.
        error: The error's name.
        cause: AWS's cause of the error.
        is_final: Whether the state machine has ended in a state that only fails, as after a
            cleanup step: a redrive would continue from that state and fail again (Step Functions
            Developer Guide, "Redrive behavior of individual states").
        node: The node that failed, if it is known.
        call: Details of the event that scheduled its last call, if they are recorded.
        express: ARN of the Express execution in which it failed, if it is one.
    """

    where: str
    error: str
    cause: str
    is_final: bool
    node: str | None = None
    call: Mapping[str, Any] | None = None
    express: str | None = None


def find_blame(deployed: Deployed, run: AwsRun) -> Blame:
    """Return the failed step of a run and its error.

    Args:
        deployed: The pipeline.
        run: The run, which has failed.
    """
    arn, item, is_final = run.arn, "", False
    error, cause = run.error or "", run.cause or ""
    while True:
        by_id: dict[int, Any] = {one["id"]: one for one in history(deployed, arn)}
        name, map_run, call = _last_failure(by_id, deployed.stack.definition)
        is_final |= any(one["type"] == "FailStateEntered" for one in by_id.values())
        if map_run is None:
            is_step = name and (name != CHECK or error != AlreadyRunning.__name__)
            where = f"step {name!r}{item}" if is_step else f"run {run.name}"
            return Blame(where, error, cause, is_final, name if is_step else None, call)
        child = _failed_child(deployed, map_run)
        if child is None:
            return Blame(f"map {name!r}", error, cause, is_final)
        arn = child["executionArn"]
        own = own_error(child.get("error"), child.get("cause"))
        error, cause = (text or "" for text in own)
        item = item_of(child.get("input", ""))
        if is_express(arn):
            if child["status"] == "TIMED_OUT" and not error:
                error, cause = "States.Timeout", _TOO_LONG
            step = _only_step(deployed.stack.definition, name)
            where = f"map {name!r}{item}" if step is None else f"step {step!r}{item}"
            return Blame(where, error, cause, is_final, step, express=arn)


def _only_step(source: Definition, map_name: str | None) -> str | None:
    """Return the step of a map that has only one; of Express executions there is no history."""
    one = next((each for each in source.graph.every() if each.name == map_name), None)
    nodes = list(one.body.walk()) if isinstance(one, Map) else []
    return nodes[0].name if len(nodes) == 1 else None


def _last_failure(
    by_id: Mapping[int, Any], source: Definition
) -> tuple[str | None, str | None, Mapping[str, Any] | None]:
    """Return the state in which an execution failed, and how it was entered.

    Returns:
        The state's name; its map run if it is a Distributed Map; if it is a task, details of the
        event that scheduled that.
    """
    cleanup, cleaned = source.cleanup, False
    for failed in reversed(list(by_id.values())):
        cleaned |= cleanup is not None and failed["type"] == "FailStateEntered"
        if failed["type"] in FAILURES:
            name, map_run = entered(by_id.get, failed, by_id.values())
            if cleaned and cleanup is not None and name == cleanup.name:
                continue  # another step had failed before
            if not is_aside(details_of(failed), name, source):
                of_map = failed["type"] == "MapRunFailed"
                call = None if of_map else _scheduled(by_id, failed)
                return name, map_run if of_map else None, call
    return None, None, None


def _scheduled(by_id: Mapping[int, Any], event: Any) -> Mapping[str, Any] | None:
    """Return details of the event that scheduled a task, from that of its end."""
    while event is not None and not event["type"].endswith("StateEntered"):
        if event["type"].endswith("Scheduled"):
            return details_of(event)
        event = by_id.get(int(event.get("previousEventId", 0)))
    return None


def _failed_child(deployed: Deployed, map_run: str) -> dict[str, Any] | None:
    for status in ("FAILED", "TIMED_OUT"):
        answer = deployed.aws.call(
            "stepfunctions",
            "list_executions",
            mapRunArn=map_run,
            statusFilter=status,
            maxResults=1,
        )
        for one in answer["executions"]:
            return deployed.aws.call(
                "stepfunctions", "describe_execution", executionArn=one["executionArn"]
            )
    return None


def item_of(given: str) -> str:
    """Return the item of a map's execution, from its input: `` [3]``; of a batch, the first.

    Args:
        given: The input, as JSON.
    """
    try:
        answer = json.loads(given)
        first = answer["Items"][0] if "Items" in answer else answer
        return f" [{first['index']}]"
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
