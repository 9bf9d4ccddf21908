"""States that start another pipeline and wait for its end.

A function makes the input of the other pipeline, since parameters may be in the bucket, parts of
results, or defaults. It is left out where all parameters are literals. The same function makes the
node's result from the output of the other pipeline, and raises the error if that has failed: as for
jobs, by a Task that continues with the start after a redrive (:mod:`lokki_tf.runtime.starts`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model.names import digest, identifier, unique
from lokki_tf.model.retries import TASK_FAILED, lists
from lokki_tf.runtime.failure import PipelineFailed

from .retries import THROTTLED, TRANSIENT, Rules
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lokki_tf.model import Node, StartedPipeline

STARTS_PLACEHOLDER = "lokki_starts_arn"
"""The template's placeholder for the function that moves values of started pipelines."""
# Errors of the Step Functions service and of the network; more executions may run later. Recorded
# histories have the exceptions' names in this form.
_OF_SERVICE = [
    "StepFunctions.ExecutionLimitExceededException",
    "StepFunctions.SdkClientException",
    "StepFunctions.AWSStepFunctionsException",
]
_TRANSIENT = {
    "ErrorEquals": _OF_SERVICE,
    "IntervalSeconds": 2,
    "MaxAttempts": 20,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}
BUILT_IN = frozenset(_OF_SERVICE)
"""Errors of Step Functions that the states of a start retry."""


def machine_placeholders(nodes: Iterable[Node], taken: Collection[str]) -> dict[str, str]:
    """Return the placeholders for ARNs of started state machines, by their names or ARNs.

    Args:
        nodes: The nodes that start pipelines.
        taken: Other placeholders.
    """
    found: dict[str, str] = {}
    for node in nodes:
        machine = _started(node).machine
        if machine not in found:
            name = f"{identifier(_started(node).machine_name)}_machine_arn"
            found[machine] = unique(name, {*taken, *found.values()}, 80)
    return found


def store_placeholder(placeholder: str) -> str:
    """Return the template's placeholder for the part of a bucket that a pipeline uses.

    Args:
        placeholder: The placeholder of its state machine's ARN.
    """
    return f"{placeholder.removesuffix('_machine_arn')}_store"


def _started(node: Node) -> StartedPipeline:
    assert node.step.starts is not None
    return node.step.starts


def needs_function(payload: Mapping[str, Any]) -> bool:
    """Return whether a function must make the input from the parameters of a start.

    Args:
        payload: The node's payload.
    """
    given = payload.get("kwargs", {}).values()
    return not all(isinstance(one, dict) and "value" in one for one in given)


def starting(
    node: Node, sent: dict[str, Any], rules: Rules, placeholder: str, *, prepared: bool
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the states of a start.

    Args:
        node: The node.
        sent: Its event, with paths.
        rules: Its retriers.
        placeholder: The template's placeholder for the ARN of the started state machine.
        prepared: Whether a function makes the input.

    Returns:
        The state that makes the input; the one that starts the pipeline, without its next states;
        and the one that makes the result.
    """
    # Unique names: inner scopes may not assign a variable of an outer scope.
    given, output = f"lokki_input_{digest(node.name)}", f"lokki_output_{digest(node.name)}"
    name = _started(node).name
    sent = {key: one for key, one in sent.items() if key not in ("retry", "caught")}
    preparing = {
        **_call({"starts": "parameters", "pipeline": name, **sent}),
        "Assign": {f"{given}.$": "$.Payload"},
        "ResultPath": None,
        "Next": node.name,
    }
    literals = {key: one["value"] for key, one in sent.get("kwargs", {}).items() if not prepared}
    state = {
        "Type": "Task",
        "Comment": f"Starts {_started(node).machine_name}",
        "Resource": Template("arn:${partition}:states:::states:startExecution.sync:2"),
        "Parameters": {
            "StateMachineArn": Template(f"${{{placeholder}}}"),
            **({"Input.$": f"${given}"} if prepared else {"Input": literals}),
        },
        "Retry": [
            *rules.built_in(_TRANSIENT),
            *(
                {**one, "ErrorEquals": [TASK_FAILED]}
                for own, one in zip(rules.retry, rules.own_retriers(), strict=True)
                if lists(own.exceptions, PipelineFailed)
            ),
        ],
        "Assign": {f"{output}.$": "$.Output"},
        "ResultPath": None,
    }
    left = {key: one for key, one in sent.items() if key not in _OF_PARAMETERS}
    trusted = {"trusted": Template(f"${{{store_placeholder(placeholder)}}}")}
    result = _call(
        {
            "starts": "result",
            "pipeline": name,
            "output.$": f"${output}",
            **(trusted if _started(node).trust else {}),
            **left,
        }
    )
    return preparing, state, result


_OF_PARAMETERS = ("args", "kwargs", "wholes", "given", "given.$", "flow", "main")


def error_event(node: Node) -> dict[str, Any]:
    """Return the event that lets the function raise the error of a started pipeline.

    Args:
        node: The node.
    """
    return {
        "node": node.name,
        "starts": "error",
        "pipeline": _started(node).name,
        "failed.$": "$.batch",
    }


def _call(payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{STARTS_PLACEHOLDER}}}"),
            "Payload": payload,
        },
        "Retry": [TRANSIENT, THROTTLED],
    }
