"""Facts about a step from its task's parameters and output in an execution's history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Step
from lokki_tf.runtime.failure import PipelineFailed
from lokki_tf.runtime.failures import payload_of
from lokki_tf.runtime.names import ANSWER, EVENT, EVENT_SUFFIX
from lokki_tf.runtime.started import TOO_LARGE, failed_text, too_large_together

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition


def answer_of(details: Mapping[str, Any]) -> str | None:
    """Return the URI of the object into which a job of an earlier version writes its answer.

    Other jobs have parameters; whether they are skipped is in the output of a function.

    Args:
        details: Details of the event that scheduled the task.
    """
    if details.get("resourceType") != "batch":
        return None
    try:
        submitted = json.loads(details["parameters"])
        variables = submitted["ContainerOverrides"]["Environment"]
        if "Parameters" in submitted:
            return None
        event = next(str(one["Value"]) for one in variables if one["Name"] == EVENT)
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
    return event.removesuffix(EVENT_SUFFIX) + f".{ANSWER}"


def is_aside(details: Mapping[str, Any], node: str | None, source: Definition) -> bool:
    """Return whether a task runs no step but moves values: a job's event, an answer, a parameter.

    In state machines of earlier versions it may also read a job's error or send a notice.

    Args:
        details: Details of an event of the task.
        node: The node that it runs, or its state's name.
        source: The pipeline.
    """
    notice, service = source.on_failure, str(details.get("resourceType", ""))
    return (
        service.startswith(("aws-sdk:", "sns"))
        or not {"starts", "answer"}.isdisjoint(payload_of(details))
        or (isinstance(notice, Step) and node == notice.name)
    )


def moves_of(details: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what a function moves for a started pipeline, and the node that starts it.

    Args:
        details: Details of the event that scheduled the task.

    Returns:
        ``parameters`` or ``result``, and the node; ``None`` if the task does something else.
    """
    payload = payload_of(details)
    what = payload.get("starts")
    return (str(what), str(payload["node"])) if what in ("parameters", "result") else None


def start_error(details: Mapping[str, Any], pipeline: str) -> Mapping[str, str]:
    """Return error and cause of a failed start, as its function raises them.

    Args:
        details: Details of the event that the task has failed.
        pipeline: The pipeline's name.
    """
    if details.get("error") == TOO_LARGE:
        return {"error": ValueError.__name__, "cause": str(too_large_together(pipeline))}
    text = failed_text(pipeline, details.get("error", ""), details.get("cause"))
    return {"error": PipelineFailed.__name__, "cause": text}


def is_skipped(details: Mapping[str, Any]) -> bool:
    """Return whether a function's output shows that its step's condition was false.

    Args:
        details: Details of the event that the task has succeeded.
    """
    if is_callback(details) or '"skipped":' not in details.get("output", ""):
        return False
    try:
        return bool(json.loads(details["output"])["Payload"].get("skipped"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def is_callback(details: Mapping[str, Any]) -> bool:
    """Return whether a task waits for an answer from outside.

    Args:
        details: Details of an event of the task.
    """
    return str(details.get("resource", "")).endswith(".waitForTaskToken")


def left_error(details: Mapping[str, Any]) -> Mapping[str, str]:
    """Return error and cause of a job: raised by a task, or read from the job's object.

    Args:
        details: Details of the event that the task has failed, or has read the object.
    """
    if "error" in details:
        return details
    try:
        body = str(json.loads(details["output"])["Body"])
        return {"error": str(json.loads(body)["errorType"]), "cause": body}
    except (ValueError, KeyError, TypeError):
        return {}
