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

    from lokki_tf.model import Node, StartedPipeline, TextOrRef

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
COMMENT = "Raises PipelineFailed; after a redrive, the pipeline is started again"
"""The comment of the state that raises the error."""
BUILT_IN = frozenset(_OF_SERVICE)
"""Errors of Step Functions that the states of a start retry."""


def machine_placeholders(nodes: Iterable[Node], taken: Collection[str]) -> dict[TextOrRef, str]:
    """Return the placeholders for ARNs of started state machines, by their names, ARNs or refs.

    Args:
        nodes: The nodes that start pipelines.
        taken: Other placeholders.
    """
    found: dict[TextOrRef, str] = {}
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
    """Return the states of a start in a graph.

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
    started = _started(node)
    sent = {key: one for key, one in sent.items() if key not in _OF_ERRORS}
    literals = {key: one["value"] for key, one in sent.get("kwargs", {}).items() if not prepared}
    left = {key: one for key, one in sent.items() if key not in _OF_PARAMETERS}
    trusted = {"trusted": Template(f"${{{store_placeholder(placeholder)}}}")}
    return (
        preparing_state(node.name, started, sent),
        started_state(node.name, started, rules, placeholder, None if prepared else literals),
        result_state(node.name, started, {**(trusted if started.trust else {}), **left}),
    )


def preparing_state(name: str, started: StartedPipeline, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the state that makes the input of a pipeline.

    Args:
        name: The name of the state that starts it.
        started: The pipeline.
        sent: The event of the node or step, with paths.
    """
    return {
        **helper_call({"starts": "parameters", "pipeline": started.name, **sent}),
        "Assign": {f"{_variable('input', name)}.$": "$.Payload"},
        "ResultPath": None,
        "Next": name,
    }


def started_state(
    name: str,
    started: StartedPipeline,
    rules: Rules,
    placeholder: str,
    literals: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the state that starts a pipeline, without its next states.

    Args:
        name: The state's name.
        started: The pipeline.
        rules: The retriers.
        placeholder: The template's placeholder for the ARN of its state machine.
        literals: Its input, unless a function makes it.
    """
    given = {"Input.$": f"${_variable('input', name)}"} if literals is None else {"Input": literals}
    return {
        "Type": "Task",
        "Comment": f"Starts {started.machine_name}",
        "Resource": Template("arn:${partition}:states:::states:startExecution.sync:2"),
        "Parameters": {"StateMachineArn": Template(f"${{{placeholder}}}"), **given},
        "Retry": [
            *rules.built_in(_TRANSIENT),
            *(
                {**one, "ErrorEquals": [TASK_FAILED]}
                for own, one in zip(rules.retry, rules.own_retriers(), strict=True)
                if lists(own.exceptions, PipelineFailed)
            ),
        ],
        "Assign": {f"{_variable('output', name)}.$": "$.Output"},
        "ResultPath": None,
    }


def result_state(name: str, started: StartedPipeline, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the state that makes the result, without its next state.

    Args:
        name: The name of the state that starts the pipeline.
        started: The pipeline.
        sent: Further fields of its event, with paths.
    """
    output = {"output.$": f"${_variable('output', name)}"}
    return helper_call({"starts": "result", "pipeline": started.name, **output, **sent})


def _variable(what: str, name: str) -> str:
    """Return a unique name: inner scopes may not assign a variable of an outer scope."""
    return f"lokki_{what}_{digest(name)}"


_OF_ERRORS = ("retry", "caught", "poll")
_OF_PARAMETERS = ("args", "kwargs", "wholes", "given", "given.$", "flow", "main")


def error_event(node: str, started: StartedPipeline) -> dict[str, Any]:
    """Return the event that lets the function raise the error of a started pipeline.

    Args:
        node: The node, or a routed pipeline's step.
        started: The pipeline.
    """
    return {
        "node": node,
        "starts": "error",
        "pipeline": started.name,
        "failed.$": "$.batch",
    }


def helper_call(payload: dict[str, Any], placeholder: str = STARTS_PLACEHOLDER) -> dict[str, Any]:
    """Return the state that calls a function to move values, without its next state.

    Args:
        payload: The function's event, with paths.
        placeholder: The placeholder of the function's ARN; by default that of this module's.
    """
    return {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{placeholder}}}"),
            "Payload": payload,
        },
        "Retry": [TRANSIENT, THROTTLED],
    }
