"""Steps that run as jobs of AWS Batch.

A state before a job writes the job's event into the bucket, for a container takes 8,192 characters
of overrides. The job writes its answer beside it, with the job's id in the name: a job may be
started twice, and only one of them is waited for. The job's parameters contain the place, and Batch
returns them with the id, so that the result of the job's state is a reference. An error is written
there too. A Task after the job raises that error, so that the execution fails with the step's own;
after a redrive the same Task leads back to the job (:mod:`lokki_tf.runtime.job_errors`).

Where the step has a condition, a Lambda function evaluates it first, and a Choice leads to these
states or past them. The function returns the result of a job that is skipped.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.names import digest, identifier, shortened, unique
from lokki_tf.runtime.places import ANSWER, EVENT, EVENT_SUFFIX, ITEMS

from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE, STORE_VARIABLE
from .quotas import JOB_NAME_LENGTH, STATE_NAME_LENGTH, VARIABLE_NAME_LENGTH
from .references import located
from .retries import THROTTLED, TRANSIENT, own_retrier, retriers, retries_everything
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lokki_tf.model import Map, Node, RetryConfig

    from .scopes import Scope

_ENDING = 30  # seconds for a job to begin, and to report that its time is over
_REPORTED = (1, 2)  # exit codes of entry.py for errors and wrong use
_MOST_ATTEMPTS = 10
INLINE = 1_000_000  # bytes of a result that is part of the answer
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
JOB_ERRORS_PLACEHOLDER = "lokki_job_errors_arn"
"""The name of the template's variable for the function that raises jobs' errors."""
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
    step: str,
    node: str,
    scope: Scope | None,
    retry: RetryConfig,
    placeholder: str,
    sent: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state that writes a job's event, and the one that submits the job and waits for it.

    Args:
        pipeline: The pipeline's name.
        step: The name of the step that runs.
        node: What runs it.
        scope: The node's scope; ``None`` in a routed pipeline.
        retry: How it is tried again.
        placeholder: The template's variable for the job definition's ARN.
        sent: The event, with paths; ``seconds`` is how long a try may take.
    """
    # Batch's names begin with a letter or a digit (AWS Batch API Reference, "SubmitJob").
    name = f"{identifier(pipeline)}-{identifier(node)}".lstrip("_-") or "job"
    store, prefix = f"${{{STORE_VARIABLE}}}/", f"${{{PREFIX_VARIABLE}}}"
    writing = {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:putObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": located(prefix, step, node, scope, EVENT_SUFFIX),
            "Body": {"inline": INLINE, **sent, **again(retry)},
        },
        "Retry": [_TRANSIENT_STORE],
        "ResultPath": None,
    }
    running = {
        "Resource": Template("arn:${partition}:states:::batch:submitJob.sync"),
        "Parameters": {
            **_after_death(retry),
            "JobName": shortened(name, JOB_NAME_LENGTH),
            "JobQueue": Template(f"${{{queue_placeholder(placeholder)}}}"),
            "JobDefinition": Template(f"${{{placeholder}}}"),
            "Timeout": {"AttemptDurationSeconds": _longest(sent["seconds"], retry)},
            "Parameters": {
                "At.$": located(store, step, node, scope),
                "Key.$": located(prefix, step, node, scope),
            },
            "ContainerOverrides": {
                "Environment": [
                    {"Name": EVENT, "Value.$": located(store, step, node, scope, EVENT_SUFFIX)}
                ]
            },
        },
        "Retry": _retriers(retry),
    }
    return writing, running


def job_result(*, mapped: bool) -> dict[str, Any]:
    """The envelope of a job's result, from what its state returns.

    Args:
        mapped: Whether a map runs over its items.
    """
    result: dict[str, Any] = {"at.$": _left("At", ANSWER)}
    if mapped:
        bucket = Template(f"${{{BUCKET_VARIABLE}}}")
        result["items"] = {"Bucket": bucket, "Key.$": _left("Key", ITEMS)}
    return result


def _left(parameter: str, suffix: str) -> str:
    """Where a job has left something; Batch returns the job's parameters with its id."""
    return f"States.Format('{{}}.{{}}.{suffix}', $.Parameters.{parameter}, $.JobId)"


def asked_variables(nodes: Iterable[Node], root: Scope) -> dict[str, str]:
    """The variables that say whether jobs with a condition run, by node.

    Args:
        nodes: All nodes.
        root: The machine's scope, whose variables have other names.
    """
    taken = {name for scope in root.walk() for name in scope.variables.values()}
    asked: dict[str, str] = {}
    for node in nodes:
        if node.step.is_job and node.when is not None:
            name = unique(f"lokki_asked_{identifier(node.name)}", taken, VARIABLE_NAME_LENGTH)
            taken.add(name)
            asked[node.name] = name
    return asked


def asking(
    sent: dict[str, Any], placeholder: str, variable: str, result: str | None, node: Node
) -> dict[str, Any]:
    """The state that asks in Lambda whether a job is to be submitted.

    Args:
        sent: The job's event, with paths.
        placeholder: The template's variable for the function's ARN.
        variable: Gets the answer.
        result: Gets the result of a job that is skipped, if anything reads it.
        node: The job's node.
    """
    return {
        "Type": "Task",
        "Comment": f"Decides whether {node.name} runs",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{placeholder}}}"),
            "Payload": {"inline": INLINE, **sent, "asks": True},
        },
        "Retry": retriers(node.retry),
        "Assign": {
            f"{variable}.$": "$.Payload.met",
            **({f"{result}.$": "$.Payload.result"} if result else {}),
        },
        "ResultPath": None,
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


def _after_death(retry: RetryConfig) -> dict[str, Any]:
    """Batch's own attempts, where only listed errors are retried, by the job itself.

    A job that reports an error ends with one of these codes. What ends in another way was killed,
    or its host is gone, and Batch tries it again.
    Sources: AWS Batch API Reference, "RetryStrategy" and "EvaluateOnExit".
    """
    if not again(retry):
        return {}
    final = [{"OnExitCode": str(code), "Action": "EXIT"} for code in _REPORTED]
    attempts = min(retry.retries + 1, _MOST_ATTEMPTS)
    return {"RetryStrategy": {"Attempts": attempts, "EvaluateOnExit": final}}


def _longest(seconds: float, retry: RetryConfig) -> int:
    """Seconds after which Batch ends a job that could not end itself, all of its tries included."""
    tries, waits = 1, 0.0
    if again(retry):
        tries, waits = retry.retries + 1, sum(retry.delays())
    return ceil(seconds * tries + waits) + _ENDING


def _retriers(retry: RetryConfig) -> list[dict[str, Any]]:
    own = own_retrier(retry) if retries_everything(retry) else None
    return [_TRANSIENT, *([{**own, "ErrorEquals": ["States.TaskFailed"]}] if own else [])]


def raising(
    name: str, step: str, node: str, scope: Scope | None, taken: set[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The state that raises a failed job's error, and the catchers that lead there.

    The error that Batch reports is passed on: it is raised where there was no job, or none that
    wrote an error. A catcher assigns the number of redrives, by which the state recognizes one.

    Args:
        name: The name of the job's state.
        step: The name of the job's step.
        node: The job's node.
        scope: The node's scope; ``None`` in a routed pipeline.
        taken: Names of states; that of the new one is added.
    """
    title = unique(f"{shortened(name, 60)}: error", taken, STATE_NAME_LENGTH)
    taken.add(title)
    # A name of its own: inner scopes may not assign a variable of the scopes around them.
    redrives = f"lokki_redrives_{digest(name)}"
    state = {
        "Type": "Task",
        "Comment": "Raises the job's own error; after a redrive, the job runs again",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{JOB_ERRORS_PLACEHOLDER}}}"),
            "Payload": {
                "node": node,
                "at.$": located(f"${{{STORE_VARIABLE}}}/", step, node, scope),
                "batch.$": "$.batch",
                "redrives.$": f"${redrives}",
                "now.$": "$$.Execution.RedriveCount",
            },
        },
        "Retry": [TRANSIENT, THROTTLED],
        "ResultPath": None,
        "Next": name,
    }
    catcher = {
        "ErrorEquals": ["States.TaskFailed"],
        "ResultPath": "$.batch",
        "Assign": {f"{redrives}.$": "$$.Execution.RedriveCount"},
        "Next": title,
    }
    return {title: state}, [catcher]


def raises_job_error(state: Mapping[str, Any]) -> bool:
    """Whether a state is one of :func:`raising`.

    Args:
        state: Of a compiled definition.
    """
    return bool(state.get("Parameters", {}).get("FunctionName") == f"${{{JOB_ERRORS_PLACEHOLDER}}}")


def reading() -> tuple[dict[str, Any], dict[str, Any]]:
    """What selects the answer of a job's state, and the state that reads it, as ``$.told``."""
    return {"ResultSelector": {"answer.$": _left("Key", ANSWER)}}, {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:getObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": "$.answer",
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
