"""Steps that run as jobs of AWS Batch.

A state before a job writes the job's event into the bucket, for a container takes 8,192 characters
of overrides. The job leaves its answer there too. Both places follow from the run's name, so
nothing has to carry them, and whoever takes the result reads it there. An error's text stands
beside it; a failed job's state reads that, so that the execution fails with the step's own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.names import identifier, shortened

from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE, STORE_VARIABLE
from .quotas import JOB_NAME_LENGTH
from .references import located
from .retries import own_retrier, retries_everything
from .text import Template

if TYPE_CHECKING:
    from lokki_tf.model import Map, RetryConfig

    from .scopes import Scope

EVENT = "LOKKI_EVENT"  # the variable, as lokki_tf.runtime.jobs reads it
INLINE = 1_000_000  # bytes of a result that stands in the answer itself
# Errors of the Batch service itself and of the way there, which pass. It takes 50 jobs a second
# (AWS Batch User Guide, "Service quotas"), and what is above that waits for its turn.
_PASSING = [
    "Batch.ServerException",
    "Batch.SdkClientException",
    "Batch.AWSBatchException",
    "Batch.TooManyRequestsException",
]
_TRANSIENT = {
    "ErrorEquals": _PASSING,
    "IntervalSeconds": 2,
    "MaxAttempts": 20,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}
_REFUSED = [*_PASSING, "Batch.ClientException"]
_TRANSIENT_STORE = {
    "ErrorEquals": ["S3.SdkClientException", "S3.S3Exception"],
    "IntervalSeconds": 1,
    "MaxAttempts": 6,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}


def queue_placeholder(placeholder: str) -> str:
    """The name of the template's variable for a job's queue."""
    return f"{placeholder.removesuffix('_arn')}_queue"


def job_states(
    pipeline: str,
    node: str,
    scope: Scope | None,
    retry: RetryConfig,
    placeholder: str,
    sent: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state that writes a job's event, and the one that submits the job and waits for it.

    Args:
        pipeline: The pipeline's name.
        node: What runs.
        scope: The node's scope; ``None`` in a routed pipeline.
        retry: How it is tried again.
        placeholder: The template's variable for the job definition's ARN.
        sent: The event, with paths.
    """
    # Batch's names begin with a letter or a digit (AWS Batch API Reference, "SubmitJob").
    name = f"{identifier(pipeline)}-{identifier(node)}".lstrip("_-") or "job"
    where = located(f"${{{STORE_VARIABLE}}}/", node, scope, ".event.json")
    writing = {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:putObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": located(f"${{{PREFIX_VARIABLE}}}", node, scope, ".event.json"),
            "Body": {"inline": INLINE, **sent, **again(retry)},
        },
        "Retry": [_TRANSIENT_STORE],
        "ResultPath": None,
    }
    running = {
        "Resource": Template("arn:${partition}:states:::batch:submitJob.sync"),
        "Parameters": {
            "JobName": shortened(name, JOB_NAME_LENGTH),
            "JobQueue": Template(f"${{{queue_placeholder(placeholder)}}}"),
            "JobDefinition": Template(f"${{{placeholder}}}"),
            "ContainerOverrides": {"Environment": [{"Name": EVENT, "Value.$": where}]},
        },
        "Retry": _retriers(retry),
    }
    return writing, running


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
    """The states that a failed job leads to, and the catchers that lead there.

    What Batch says comes along: it is told where there was no job, or none that could say why.

    Args:
        name: The name of the job's state.
        node: The job's node.
        scope: Where it stands.
        taken: Names of states; those of the new ones are added.
    """
    names = {what: f"{shortened(name, 60)}: {what}" for what in ("error", "failed", "died")}
    taken.update(names.values())
    told: dict[str, Any] = {"ResultPath": "$.batch"}
    error = reading(node, scope, ".error.json")
    error["ResultSelector"] = {**error["ResultSelector"], "text.$": "$.Body"}
    states = {
        names["error"]: {
            **error,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": names["died"]}],
            "Next": names["failed"],
        },
        names["failed"]: {
            "Type": "Fail",
            "ErrorPath": "$.told.errorType",
            "CausePath": "$.text",  # all of it, as Lambda tells an error
        },
        names["died"]: {
            "Type": "Fail",
            "ErrorPath": "$.batch.Error",
            "CausePath": "$.batch.Cause",
        },
    }
    return states, [
        {**told, "ErrorEquals": _REFUSED, "Next": names["died"]},
        {**told, "ErrorEquals": ["States.TaskFailed"], "Next": names["error"]},
    ]


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
        "Retry": [_TRANSIENT_STORE],
    }


def refuse_inline(one: Map, job: str) -> OptionError:
    """The error about a map within the execution whose data a job would have to carry."""
    return OptionError(
        f"map {one.name!r} has mode='inline', so its data stands in the state, and "
        f"{job!r}, a job of Batch, reads and writes the bucket",
        place=one.place,
        remedy="leave mode= out, and the items go through the bucket",
    )
