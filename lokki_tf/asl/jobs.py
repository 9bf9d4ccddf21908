"""Steps that run as jobs of AWS Batch.

A job gets its event as JSON text in an environment variable, and leaves its answer in the bucket,
at a place that follows from the run's name: so nothing has to carry it, and whoever takes the
result reads it there. An error's text stands beside it; a failed job's state reads that, so that
the execution fails with the step's own words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.names import identifier, shortened

from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE
from .references import located
from .retries import own_retrier, retries_everything
from .text import Template

if TYPE_CHECKING:
    from lokki_tf.model import Map, Node, RetryConfig

    from .scopes import Scope

# AWS Batch User Guide, "Service quotas": a SubmitJob request has at most 30 KiB.
EVENT_BYTES = 24_000
JOB_NAME_LENGTH = 128
EVENT = "LOKKI_EVENT"  # the variable, as lokki_tf.runtime.jobs reads it
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


def job_task(pipeline: str, node: Node, placeholder: str, sent: dict[str, Any]) -> dict[str, Any]:
    """The state that submits a job and waits for it.

    Args:
        pipeline: The pipeline's name.
        node: What runs.
        placeholder: The template's variable for the job definition's ARN.
        sent: The event, with paths.
    """
    event = {**sent, "inline": INLINE, **again(node.retry)}
    name = f"{identifier(pipeline)}-{identifier(node.name)}"
    return {
        "Resource": Template("arn:${partition}:states:::batch:submitJob.sync"),
        "Parameters": {
            "JobName": shortened(name, JOB_NAME_LENGTH),
            "JobQueue": Template(f"${{{queue_placeholder(placeholder)}}}"),
            "JobDefinition": Template(f"${{{placeholder}}}"),
            "ContainerOverrides": {
                "Environment": [{"Name": EVENT, "Value.$": formatted(event)}],
            },
        },
        "Retry": _retriers(node.retry),
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


def asides(name: str, node: str, scope: Scope, taken: set[str]) -> tuple[dict[str, Any], Any]:
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
            "Type": "Task",
            "Resource": Template("arn:${partition}:states:::aws-sdk:s3:getObject"),
            "Parameters": {
                "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
                "Key.$": located(f"${{{PREFIX_VARIABLE}}}", node, scope, ".error.json"),
            },
            "ResultSelector": {"told.$": "States.StringToJson($.Body)"},
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


def formatted(event: dict[str, Any]) -> Template:
    """An expression whose value is the JSON text of an event with paths.

    Args:
        event: Keys that end in ``.$`` hold paths and expressions.
    """
    arguments: list[str] = []
    text = _text(event, arguments)
    listed = "".join(f", {one}" for one in arguments)
    return Template(f"States.Format('{text}'{listed})")


def _text(value: Any, arguments: list[str]) -> str:
    if isinstance(value, dict):
        members = [_member(key, one, arguments) for key, one in value.items()]
        return "\\{" + ",".join(members) + "\\}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(one, arguments) for one in value) + "]"
    if isinstance(value, Template):
        return json.dumps(str(value))  # of our own: no character that would need more
    return _escaped(json.dumps(value))


def _member(key: str, value: Any, arguments: list[str]) -> str:
    if not key.endswith(".$"):
        return f"{_escaped(json.dumps(key))}:{_text(value, arguments)}"
    arguments.append(f"States.JsonToString({value})")
    return f"{_escaped(json.dumps(key.removesuffix('.$')))}:{{}}"


def _escaped(text: str) -> str:
    """Text as a string of Step Functions' intrinsic functions has it."""
    for character in "\\'{}":
        text = text.replace(character, "\\" + character)
    return text


def refuse_inline(one: Map, job: str) -> OptionError:
    """The error about a map within the execution whose data a job would have to carry."""
    return OptionError(
        f"map {one.name!r} has mode='inline', so its data stands in the state, and "
        f"{job!r}, a job of Batch, reads and writes the bucket",
        place=one.place,
        remedy="leave mode= out, and the items go through the bucket",
    )
