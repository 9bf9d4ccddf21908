"""Run tasks that call services other than Lambda.

A task with the pattern ``.sync`` also waits for the job or execution that its request started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lokki_tf.testing.state_machines.cancel_scope import CancelScope
from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure, Stopped
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.history import DETAILS
from lokki_tf.testing.state_machines.resources import Integration
from lokki_tf.testing.state_machines.sdk_shapes import call
from lokki_tf.testing.state_machines.services import Callback
from lokki_tf.testing.state_machines.values import Json, dump, load

_POLL_SECONDS = (0.01, 0.02, 0.03, 0.05)
_CHECK_SECONDS = 0.05
_STARTED = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
CLIENTS = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events"}


def call_service(
    run: StateRun,
    integration: Integration,
    arguments: Json,
    cancel_scope: CancelScope,
    callback: Callback | None,
) -> Json:
    """Run a task of a service integration.

    Args:
        run: The visit of the state.
        integration: The service and action to call.
        arguments: The parameters of the request.
        cancel_scope: The task's cancel scope. If revoked, the started job or execution is stopped.
        callback: The callback of the task's token. An answer to it ends a task with the pattern
            ``.sync``, too, as AWS answers, observed.

    Raises:
        StateFailure: If the service returns an error, or the started job or execution fails.
        Stopped: If the cancel scope was revoked.
    """
    service = integration.service.removeprefix("aws-sdk:")
    service = CLIENTS.get(service, service)
    client = run.frame.settings.services.client(service)
    optimized = not integration.service.startswith("aws-sdk:")
    if not integration.pattern.startswith(".sync"):
        answer = call(client, integration.action, arguments, optimized=optimized)
        if optimized and answer.get("FailedEntryCount"):
            # Source: Step Functions Developer Guide, "Add EventBridge events".
            raise StateFailure("EventBridge.FailedEntry", dump(answer))
        return answer
    wait = _WAITS.get((service, integration.action))
    if wait is None:
        raise StateFailure(RUNTIME, f"The local AWS cannot wait for {service}:{integration.action}")
    answer = call(client, integration.action, wait.request(arguments), optimized=True)
    submitted(run, integration, answer)
    ending = run.frame.settings.services.ending(service, answer[wait.id])
    try:
        while ending is not None and not ending.wait(_CHECK_SECONDS):
            cancel_scope.check()
            if callback is not None and callback.is_over:
                return callback.result()
        return _wait(cancel_scope, wait, client, answer, integration.pattern, callback)
    except Stopped:
        with suppress(StateFailure):  # the job or execution may already have ended
            call(client, wait.stop, wait.stopping(answer))
        raise


def submitted(run: StateRun, integration: Integration, answer: Json) -> None:
    """Add the event ``TaskSubmitted`` with the response of the service."""
    run.frame.event(
        "TaskSubmitted",
        resourceType=integration.service,
        resource=integration.action + integration.pattern,
        output=dump(answer),
        outputDetails=DETAILS,
    )


@dataclass(frozen=True)
class _Wait:
    """How to wait for the job or execution that a request started.

    Args:
        id: The field of the response with the id of the job or execution.
        describe: The action that returns the status.
        arguments: A function from the response to the parameters of ``describe``.
        result: A function from the response of ``describe`` to the job or execution.
        good: The statuses of success.
        bad: The statuses of failure.
        stop: The action that stops the job or execution.
        stopping: A function from the response to the parameters of ``stop``.
        request: A function that changes the parameters of the first request.
    """

    id: str
    describe: str
    arguments: Callable[[Mapping[str, Json]], Json]
    result: Callable[[Mapping[str, Json]], Mapping[str, Json]]
    good: frozenset[str]
    bad: frozenset[str]
    stop: str
    stopping: Callable[[Mapping[str, Json]], Json]
    request: Callable[[Json], Json] = lambda arguments: arguments


def _marked(arguments: Json) -> Json:
    """Add the environment variable by which EventBridge events of the job are recognized."""
    overrides = arguments.get("ContainerOverrides", {})
    environment = [*overrides.get("Environment", ()), _STARTED]
    return {**arguments, "ContainerOverrides": {**overrides, "Environment": environment}}


_WAITS = {
    ("batch", "submitJob"): _Wait(
        "JobId",
        "describeJobs",
        lambda answer: {"Jobs": [answer["JobId"]]},
        lambda found: found["Jobs"][0],
        frozenset({"SUCCEEDED"}),
        frozenset({"FAILED"}),
        "terminateJob",
        lambda answer: {"JobId": answer["JobId"], "Reason": "Aborted by Step Functions"},
        _marked,
    ),
    ("stepfunctions", "startExecution"): _Wait(
        "ExecutionArn",
        "describeExecution",
        lambda answer: {"ExecutionArn": answer["ExecutionArn"]},
        lambda found: found,
        frozenset({"SUCCEEDED"}),
        frozenset({"FAILED", "TIMED_OUT", "ABORTED"}),
        "stopExecution",
        lambda answer: {"ExecutionArn": answer["ExecutionArn"]},
    ),
}


def _wait(
    cancel_scope: CancelScope,
    wait: _Wait,
    client: object,
    answer: Json,
    pattern: str,
    callback: Callback | None,
) -> Json:
    pauses = iter(_POLL_SECONDS)
    pause = next(pauses)
    while True:
        found = dict(wait.result(call(client, wait.describe, wait.arguments(answer))))
        if found["Status"] in wait.good:
            if pattern == ".sync:2" and "Output" in found:
                found["Output"] = load(found["Output"])
            return found
        if found["Status"] in wait.bad:
            raise StateFailure("States.TaskFailed", dump(found))
        cancel_scope.wait(pause)
        if callback is not None and callback.is_over:
            return callback.result()
        pause = next(pauses, pause)
