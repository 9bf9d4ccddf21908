"""Steps that run as jobs of AWS Batch.

A state before a job writes the job's event into the bucket, since a container accepts 8,192
characters of overrides. The job writes its answer next to it, with the job's id in the name: a job
may be started twice, and the execution waits for only one of them. The job's parameters contain the
URI, and Batch returns them with the id, so that the result of the job's state is a reference. An
error is written there too. A Task after the job raises that error, so that the execution fails with
the step's own error; after a redrive the same Task returns to the job
(:mod:`lokki_tf.runtime.job_errors`).

If the step has a condition, a Lambda function evaluates it first, and a Choice continues with these
states or skips them. The function returns the result of a skipped job.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model.names import digest, identifier, shortened, unique
from lokki_tf.model.retries import DATA_LIMIT_EXCEEDED, TASK_FAILED, lists_all, of_death
from lokki_tf.runtime.names import ANSWER, EVENT, EVENT_SUFFIX, SUBMITTED

from .literals import BUCKET_VARIABLE, PREFIX_VARIABLE, STORE_VARIABLE
from .quotas import JOB_NAME_LENGTH, STATE_NAME_LENGTH, VARIABLE_NAME_LENGTH
from .references import located
from .retries import THROTTLED, TRANSIENT, Rules
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lokki_tf.model import Map, Node

    from .scopes import Scope

_ENDING = 30  # seconds for a job to start, and to report its timeout
_REPORTED = (1, 2)  # exit codes of entry.py for errors and wrong use
_MOST_ATTEMPTS = 10
INLINE = 1_000_000  # bytes of a result inside the answer
# Transient errors of the Batch service and of the network. It accepts 50 jobs a second (AWS Batch
# User Guide, "Service quotas"); others are submitted again later.
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
"""The template's placeholder for the function that raises jobs' errors."""
_OF_STORE = ["S3.SdkClientException", "S3.S3Exception"]
_TRANSIENT_STORE = {
    "ErrorEquals": _OF_STORE,
    "IntervalSeconds": 1,
    "MaxAttempts": 6,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}

BUILT_IN = frozenset((*_PASSING, *_OF_STORE))
"""Errors of Batch and of the bucket that the states of a job retry."""


_SUBMITTED = {"Name": SUBMITTED, "Value.$": "States.Format('{}', $$.State.RetryCount)"}


def queue_placeholder(placeholder: str) -> str:
    """Return the template's placeholder for a job's queue."""
    return f"{placeholder.removesuffix('_arn')}_queue"


def job_states(
    pipeline: str,
    step: str,
    node: str,
    scope: Scope | None,
    rules: Rules,
    placeholder: str,
    sent: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state that writes a job's event, and the one that submits the job and waits.

    Args:
        pipeline: The pipeline's name.
        step: The name of the step that runs.
        node: The node that runs it.
        scope: The node's scope; ``None`` in a routed pipeline.
        rules: The step's retriers.
        placeholder: The template's placeholder for the job definition's ARN.
        sent: The event, with paths; ``seconds`` is the time limit of an attempt.
    """
    # Names in Batch begin with a letter or a digit (AWS Batch API Reference, "SubmitJob").
    name = f"{identifier(pipeline)}-{identifier(node)}".lstrip("_-") or "job"
    store, prefix = f"${{{STORE_VARIABLE}}}/", f"${{{PREFIX_VARIABLE}}}"
    writing = {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:putObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": located(prefix, step, node, scope, EVENT_SUFFIX),
            "Body": {"inline": INLINE, **sent, **again(rules)},
        },
        "Retry": [_TRANSIENT_STORE],
        "ResultPath": None,
    }
    running = {
        "Resource": Template("arn:${partition}:states:::batch:submitJob.sync"),
        "Parameters": {
            **_after_death(rules),
            "JobName": shortened(name, JOB_NAME_LENGTH),
            "JobQueue": Template(f"${{{queue_placeholder(placeholder)}}}"),
            "JobDefinition": Template(f"${{{placeholder}}}"),
            "Timeout": {"AttemptDurationSeconds": _longest(sent["seconds"], rules)},
            "Parameters": {
                "At.$": located(store, step, node, scope),
                "Key.$": located(prefix, step, node, scope),
            },
            "ContainerOverrides": {
                "Environment": [
                    {"Name": EVENT, "Value.$": located(store, step, node, scope, EVENT_SUFFIX)},
                    *([_SUBMITTED] if "context" in sent else []),
                ]
            },
        },
        "Retry": _retriers(rules),
    }
    return writing, running


def job_result(arrays: Iterable[str]) -> dict[str, Any]:
    """Return the envelope of a job's result, from the output of its state.

    Args:
        arrays: Keys of the arrays of items over which maps run.
    """
    bucket = Template(f"${{{BUCKET_VARIABLE}}}")
    located = {key: {"Bucket": bucket, "Key.$": _left("Key", f"{key}.json")} for key in arrays}
    return {"at.$": _left("At", ANSWER), **located}


def _left(parameter: str, suffix: str) -> str:
    """Return the URI of an object that a job has written; Batch returns its parameters and id."""
    return f"States.Format('{{}}.{{}}.{suffix}', $.Parameters.{parameter}, $.JobId)"


def asked_variables(nodes: Iterable[Node], root: Scope) -> dict[str, str]:
    """Return the variables that contain whether jobs with a condition run, by node.

    Args:
        nodes: All nodes.
        root: The state machine's scope, whose variables have other names.
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
    sent: dict[str, Any],
    placeholder: str,
    variable: str,
    result: str | None,
    node: Node,
    rules: Rules,
) -> dict[str, Any]:
    """Return the state that evaluates a job's condition in Lambda.

    Args:
        sent: The job's event, with paths.
        placeholder: The template's placeholder for the function's ARN.
        variable: The variable for the answer.
        result: The variable for the result of a skipped job, if any state reads it.
        node: The job's node.
        rules: Its retriers.
    """
    return {
        "Type": "Task",
        "Comment": f"Decides whether {node.name} runs",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{placeholder}}}"),
            "Payload": {"inline": INLINE, **sent, "asks": True},
        },
        "Retry": rules.retriers(),
        "Assign": {
            f"{variable}.$": "$.Payload.met",
            **({f"{result}.$": "$.Payload.result"} if result else {}),
        },
        "ResultPath": None,
    }


def again(rules: Rules) -> dict[str, Any]:
    """Return the job's own retries: Step Functions receives no details of its error."""
    if not rules.retry or _is_without_details(rules):
        return {}
    return {"again": rules.again()}


def _is_without_details(rules: Rules) -> bool:
    """Return whether Step Functions can retry a job: one retrier includes every error."""
    return len(rules.retry) == 1 and lists_all(rules.retry[0].exceptions)


def _after_death(rules: Rules) -> dict[str, Any]:
    """Return Batch's attempts, for jobs that retry only listed errors and do so themselves.

    A job that reports an error ends with one of these codes. With another code it was killed, or
    its host failed, and Batch retries it. Sources: AWS Batch API Reference, "RetryStrategy" and
    "EvaluateOnExit".
    """
    retrier = of_death(rules.retry)
    if retrier is None or not again(rules):
        return {}
    final = [{"OnExitCode": str(code), "Action": "EXIT"} for code in _REPORTED]
    attempts = min(retrier.retries + 1, _MOST_ATTEMPTS)
    return {"RetryStrategy": {"Attempts": attempts, "EvaluateOnExit": final}}


def _longest(seconds: float, rules: Rules) -> int:
    """Return the seconds, for all attempts, after which Batch ends a job that does not end."""
    repeated = rules.retry if again(rules) else ()
    tries = 1 + sum(one.retries for one in repeated)
    waits = sum(sum(one.delays()) for one in repeated)
    return ceil(seconds * tries + waits) + _ENDING


def _retriers(rules: Rules) -> list[dict[str, Any]]:
    own = rules.own_retriers() if _is_without_details(rules) else []
    return [*rules.built_in(_TRANSIENT), *({**one, "ErrorEquals": [TASK_FAILED]} for one in own)]


def error_event(step: str, node: str, scope: Scope | None) -> dict[str, Any]:
    """Return the event that lets the function raise a job's error.

    Args:
        step: The name of the job's step.
        node: The job's node.
        scope: The node's scope; ``None`` in a routed pipeline.
    """
    located_at = located(f"${{{STORE_VARIABLE}}}/", step, node, scope)
    return {"node": node, "at.$": located_at, "batch.$": "$.batch"}


def raising(
    name: str,
    event: dict[str, Any],
    taken: set[str],
    placeholder: str = JOB_ERRORS_PLACEHOLDER,
    comment: str = "Raises the job's own error; after a redrive, the job runs again",
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the state that raises the error of a job or pipeline, and the catchers leading to it.

    What the service reports is passed to it as ``$.batch``: of a job, it is raised if no job
    started or the job wrote no error. A catcher assigns the number of redrives, by which the state
    recognizes a redrive.

    Args:
        name: The name of the state that fails.
        event: The event of the function that raises the error.
        taken: Names of states; the new state's name is added.
        placeholder: The template's placeholder for the ARN of that function.
        comment: The state's comment.
    """
    title = unique(f"{shortened(name, 60)}: error", taken, STATE_NAME_LENGTH)
    taken.add(title)
    # A unique name: inner scopes may not assign a variable of an outer scope.
    redrives = f"lokki_redrives_{digest(name)}"
    state = {
        "Type": "Task",
        "Comment": comment,
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{placeholder}}}"),
            "Payload": {
                **event,
                "redrives.$": f"${redrives}",
                "now.$": "$$.Execution.RedriveCount",
            },
        },
        "Retry": [TRANSIENT, THROTTLED],
        "ResultPath": None,
        "Next": name,
    }
    # The parameters and the output of a started pipeline can be too large for the state together.
    too_large = [DATA_LIMIT_EXCEEDED] if "starts" in event else []
    catcher = {
        "ErrorEquals": [TASK_FAILED, *too_large],
        "ResultPath": "$.batch",
        "Assign": {f"{redrives}.$": "$$.Execution.RedriveCount"},
        "Next": title,
    }
    return {title: state}, [catcher]


def raises_error(state: Mapping[str, Any]) -> bool:
    """Return whether a state was made by :func:`raising`.

    Args:
        state: A state of a compiled definition.
    """
    payload = state.get("Parameters", {}).get("Payload", {})
    return isinstance(payload, dict) and "redrives.$" in payload


def reading() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the selector of a job's answer, and the state that reads it as ``$.result``."""
    return {"ResultSelector": {"answer.$": _left("Key", ANSWER)}}, {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::aws-sdk:s3:getObject"),
        "Parameters": {
            "Bucket": Template(f"${{{BUCKET_VARIABLE}}}"),
            "Key.$": "$.answer",
        },
        "ResultSelector": {"result.$": "States.StringToJson($.Body)"},
        "Retry": [_TRANSIENT_STORE],
    }


def refuse_inline(one: Map, job: str) -> OptionError:
    """Return the error for an inline map whose data a job would have to read or write."""
    return OptionError(
        f"map {one.name!r} has mode='inline', so its data is in the state, but {job!r}, a job "
        "of Batch, reads and writes the bucket",
        place=one.place,
        remedy="remove mode=, so that the items are in the bucket",
    )
