"""Steps that run as jobs of AWS Batch.

A job gets its event as environment variables, and leaves its answer in the bucket,
at a place that follows from the run's name: so nothing has to carry it, and whoever takes the
result reads it there. An error's text stands beside it; a failed job's state reads that, so that
the execution fails with the step's own words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.names import identifier, shortened

from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE, STORE_VARIABLE
from .references import located
from .retries import own_retrier, retries_everything
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.model import Map, RetryConfig

    from .scopes import Scope

# AWS Batch User Guide, "Service quotas": a SubmitJob request has at most 30 KiB.
EVENT_BYTES = 24_000
JOB_NAME_LENGTH = 128
# The variables, as lokki_tf.runtime.jobs reads them.
EVENT, STORE, PART = "LOKKI_EVENT", "LOKKI_STORE", "LOKKI_PART_"
INLINE = 1_000_000  # bytes of a result that stands in the answer itself
_NO_WORD = "Batch.JobFailed"
# Errors of the Batch service itself and of the way there, which pass.
_TRANSIENT = {
    "ErrorEquals": ["Batch.ServerException", "Batch.SdkClientException"],
    "IntervalSeconds": 1,
    "MaxAttempts": 6,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}


def queue_placeholder(placeholder: str) -> str:
    """The name of the template's variable for a job's queue."""
    return f"{placeholder.removesuffix('_arn')}_queue"


def job_task(
    pipeline: str, node: str, retry: RetryConfig, placeholder: str, sent: dict[str, Any]
) -> dict[str, Any]:
    """The state that submits a job and waits for it.

    Args:
        pipeline: The pipeline's name.
        node: What runs.
        retry: How it is tried again.
        placeholder: The template's variable for the job definition's ARN.
        sent: The event, with paths.
    """
    event = {"inline": INLINE, **sent, **again(retry)}
    name = f"{identifier(pipeline)}-{identifier(node)}"
    return {
        "Resource": Template("arn:${partition}:states:::batch:submitJob.sync"),
        "Parameters": {
            "JobName": shortened(name, JOB_NAME_LENGTH),
            "JobQueue": Template(f"${{{queue_placeholder(placeholder)}}}"),
            "JobDefinition": Template(f"${{{placeholder}}}"),
            "ContainerOverrides": {
                "Environment": event_variables(event),
            },
        },
        "Retry": _retriers(retry),
    }


def again(retry: RetryConfig) -> dict[str, Any]:
    """How a job tries again itself: Step Functions sees of its error that there was one."""
    if not retry.retries or retries_everything(retry):
        return {}
    return {
        "again": {
            "retries": retry.retries,
            "delay": retry.delay,
            "backoff": retry.backoff,
            "max_delay": retry.max_delay,
            "jitter": retry.jitter,
        }
    }


def _retriers(retry: RetryConfig) -> list[dict[str, Any]]:
    own = own_retrier(retry) if retries_everything(retry) else None
    return [_TRANSIENT, *([{**own, "ErrorEquals": ["States.TaskFailed"]}] if own else [])]


def asides(
    name: str, node: str, scope: Scope | None, taken: set[str]
) -> tuple[dict[str, Any], Any]:
    """The states that a failed job leads to, and the catcher that leads there.

    Args:
        name: The name of the job's state.
        node: The job's node.
        scope: Where it stands.
        taken: Names of states; those of the new ones are added.
    """
    names = {what: f"{shortened(name, 60)}: {what}" for what in ("error", "failed", "died")}
    taken.update(names.values())
    catch = {"ErrorEquals": ["States.ALL"], "ResultPath": None}
    states = {
        names["error"]: {
            **reading(node, scope, ".error.json"),
            "Catch": [{**catch, "Next": names["died"]}],
            "Next": names["failed"],
        },
        names["failed"]: {
            "Type": "Fail",
            "ErrorPath": "$.told.errorType",
            "CausePath": "$.told.errorMessage",
        },
        names["died"]: {
            "Type": "Fail",
            "Error": _NO_WORD,
            "Cause": "the job failed before it could say why: see its status in AWS Batch",
        },
    }
    return states, [{**catch, "ErrorEquals": ["States.TaskFailed"], "Next": names["error"]}]


def reading(node: str, scope: Scope | None, suffix: str) -> dict[str, Any]:
    """A state that reads what a job has left: its result has it as ``$.told``.

    Args:
        node: The job's node.
        scope: The node's scope; ``None`` in a routed pipeline.
        suffix: What stands behind the node's name.
    """
    return {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:getObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": located(f"${{{PREFIX_VARIABLE}}}", node, scope, suffix),
        },
        "ResultSelector": {"told.$": "States.StringToJson($.Body)"},
    }


def event_variables(event: dict[str, Any]) -> list[dict[str, Any]]:
    """The event as environment variables: its fixed part as JSON, and one a path in it.

    A path is no part of the JSON, since nothing may be filled into a text without caring for
    each backslash and quote on the way; so the job puts the parts together.

    Args:
        event: Keys that end in ``.$`` hold paths and expressions.
    """
    paths: list[str] = []
    fixed = _with_parts(event, paths, _same)
    del fixed["store"]
    for name in ("args", "kwargs"):
        if name in fixed:
            fixed[name] = _with_parts(fixed[name], paths, _envelope)
    text = json.dumps(fixed, ensure_ascii=False, separators=(",", ":"))
    return [
        {"Name": EVENT, "Value": text},
        {"Name": STORE, "Value": Template(f"${{{STORE_VARIABLE}}}")},
        *(
            {"Name": f"{PART}{number}", "Value.$": Template(f"States.JsonToString({one})")}
            for number, one in enumerate(paths)
        ),
    ]


def _with_parts(
    members: dict[str, Any], paths: list[str], change: Callable[[Any, list[str]], Any]
) -> dict[str, Any]:
    """The members, with parts in the places of paths."""
    fixed: dict[str, Any] = {}
    for key, one in members.items():
        if key.endswith(".$"):
            fixed[key.removesuffix(".$")] = {"part": len(paths)}
            paths.append(str(one))
        else:
            fixed[key] = change(one, paths)
    return fixed


def _same(value: Any, _: list[str]) -> Any:
    return value


def _envelope(envelope: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """An envelope with parts; what a user's value holds is left alone."""
    if "value" in envelope or "pickle" in envelope:
        return envelope
    if "ref" in envelope:
        return {"stored": envelope["ref"].removeprefix(f"${{{STORE_VARIABLE}}}/")}
    fixed = _with_parts(envelope, paths, _same)
    for name in ("default", "keys"):
        if name in fixed:
            fixed[name] = _envelope(fixed[name], paths)
    if "items" in fixed:
        fixed["items"] = _with_parts(fixed["items"], paths, _envelope)
    return fixed


def refuse_inline(one: Map, job: str) -> OptionError:
    """The error about a map within the execution whose data a job would have to carry."""
    return OptionError(
        f"map {one.name!r} has mode='inline', so its data stands in the state, and "
        f"{job!r}, a job of Batch, reads and writes the bucket",
        place=one.place,
        remedy="leave mode= out, and the items go through the bucket",
    )
