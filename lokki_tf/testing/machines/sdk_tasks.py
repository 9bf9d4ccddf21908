"""Tasks that call other services: the request, and for ``.sync`` the wait for what it started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.frame import StateRun
from lokki_tf.testing.machines.resources import Integration
from lokki_tf.testing.machines.sdk_shapes import call
from lokki_tf.testing.machines.values import Json, dump, load

_POLL_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)
_CLIENTS = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events"}


def call_service(run: StateRun, integration: Integration, arguments: Json) -> Json:
    """Run a task of a service integration.

    Raises:
        StateFailure: if the service refuses, or what it started fails.
    """
    service = integration.service.removeprefix("aws-sdk:")
    service = _CLIENTS.get(service, service)
    client = run.frame.settings.services.client(service)
    answer = call(client, integration.action, arguments)
    if not integration.pattern.startswith(".sync"):
        return answer
    wait = _WAITS.get((service, integration.action))
    if wait is None:
        raise StateFailure(RUNTIME, f"The local AWS cannot wait for {service}:{integration.action}")
    return _wait(run, wait, client, answer, integration.pattern)


@dataclass(frozen=True)
class _Wait:
    """How to wait for what a request started."""

    describe: str
    arguments: Callable[[Mapping[str, Json]], Json]
    result: Callable[[Mapping[str, Json]], Mapping[str, Json]]
    good: frozenset[str]
    bad: frozenset[str]


_WAITS = {
    ("batch", "submitJob"): _Wait(
        "describeJobs",
        lambda answer: {"Jobs": [answer["JobId"]]},
        lambda found: found["Jobs"][0],
        frozenset({"SUCCEEDED"}),
        frozenset({"FAILED"}),
    ),
    ("stepfunctions", "startExecution"): _Wait(
        "describeExecution",
        lambda answer: {"ExecutionArn": answer["ExecutionArn"]},
        lambda found: found,
        frozenset({"SUCCEEDED"}),
        frozenset({"FAILED", "TIMED_OUT", "ABORTED"}),
    ),
}


def _wait(run: StateRun, wait: _Wait, client: object, answer: Json, pattern: str) -> Json:
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
        run.frame.permit.wait(pause)
        pause = next(pauses, pause)
