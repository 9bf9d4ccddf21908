"""Tasks that call other services: the request, and for ``.sync`` the wait for what it started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure, Stopped
from lokki_tf.testing.machines.frame import Permit, StateRun
from lokki_tf.testing.machines.resources import Integration
from lokki_tf.testing.machines.sdk_shapes import call
from lokki_tf.testing.machines.transition import DETAILS
from lokki_tf.testing.machines.values import Json, dump, load

_POLL_SECONDS = (0.01, 0.02, 0.03, 0.05)
_PERMIT_SECONDS = 0.05
_STARTED = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
_CLIENTS = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events"}


def call_service(run: StateRun, integration: Integration, arguments: Json, permit: Permit) -> Json:
    """Run a task of a service integration.

    Args:
        run: the visit of the state.
        integration: what to call.
        arguments: the parameters.
        permit: the right of the task to go on; with it ends what the task has started.

    Raises:
        StateFailure: if the service refuses, or what it started fails.
        Stopped: if the permit was revoked.
    """
    service = integration.service.removeprefix("aws-sdk:")
    service = _CLIENTS.get(service, service)
    client = run.frame.settings.services.client(service)
    if not integration.pattern.startswith(".sync"):
        return call(client, integration.action, arguments)
    wait = _WAITS.get((service, integration.action))
    if wait is None:
        raise StateFailure(RUNTIME, f"The local AWS cannot wait for {service}:{integration.action}")
    answer = call(client, integration.action, wait.request(arguments))
    submitted(run, integration, answer)
    ending = run.frame.settings.services.ending(service, answer[wait.id])
    try:
        while ending is not None and not ending.wait(_PERMIT_SECONDS):
            permit.check()
        return _wait(permit, wait, client, answer, integration.pattern)
    except Stopped:
        with suppress(StateFailure):  # it may just have ended
            call(client, wait.stop, wait.stopping(answer))
        raise


def submitted(run: StateRun, integration: Integration, answer: Json) -> None:
    """Record what a service answered, before the wait for what it has started."""
    run.frame.event(
        "TaskSubmitted",
        resourceType=integration.service,
        resource=integration.action + integration.pattern,
        output=dump(answer),
        outputDetails=DETAILS,
    )


@dataclass(frozen=True)
class _Wait:
    """How to wait for what a request started."""

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
    """Add the variable by which Step Functions hears of the job's end."""
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


def _wait(permit: Permit, wait: _Wait, client: object, answer: Json, pattern: str) -> Json:
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
        permit.wait(pause)
        pause = next(pauses, pause)
