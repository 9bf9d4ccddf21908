"""What a task's parameters and output tell of its step, in an execution's history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Step
from lokki_tf.runtime.places import ANSWER, EVENT, EVENT_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import Definition


def answer_of(details: Mapping[str, Any]) -> str | None:
    """URI of the object into which a job of an earlier version writes its answer.

    Others have parameters, and a function says whether they are skipped.

    Args:
        details: Of the event that scheduled the task.
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
    """Whether a task is not a step's: it writes a job's event.

    In state machines of earlier versions it may also read a job's error or send a notice.

    Args:
        details: Of an event of the task.
        node: What it runs, or its state's name.
        source: The pipeline.
    """
    notice, service = source.on_failure, str(details.get("resourceType", ""))
    return service.startswith(("aws-sdk:", "sns")) or (
        isinstance(notice, Step) and node == notice.name
    )


def is_skipped(details: Mapping[str, Any]) -> bool:
    """Whether a function says that its step's condition was false.

    Args:
        details: Of the event that the task has succeeded.
    """
    if '"skipped":' not in details.get("output", ""):
        return False
    try:
        return bool(json.loads(details["output"])["Payload"].get("skipped"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def left_error(details: Mapping[str, Any]) -> Mapping[str, str]:
    """Error and cause of a job: raised by a task, or read from the object that the job has written.

    Args:
        details: Of the event that the task has failed, or succeeded in reading.
    """
    if "error" in details:
        return details
    try:
        body = str(json.loads(details["output"])["Body"])
        return {"error": str(json.loads(body)["errorType"]), "cause": body}
    except (ValueError, KeyError, TypeError):
        return {}
