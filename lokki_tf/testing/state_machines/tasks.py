"""Run Task states: call the service named by ``Resource``, with timeouts, callbacks and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from lokki_tf.testing.state_machines.cancel_scope import CancelScope
from lokki_tf.testing.state_machines.failures import (
    RUNTIME,
    TIMEOUT,
    StateFailure,
    Stopped,
    guarded,
)
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.history import DETAILS
from lokki_tf.testing.state_machines.http_tasks import call_endpoint
from lokki_tf.testing.state_machines.lambda_tasks import call_function, invoke
from lokki_tf.testing.state_machines.queries import given
from lokki_tf.testing.state_machines.resources import ACTIVITY_ARN, Integration, parse_resource
from lokki_tf.testing.state_machines.retries import HEARTBEAT_TIMEOUT
from lokki_tf.testing.state_machines.sdk_tasks import call_service, submitted
from lokki_tf.testing.state_machines.services import Callback
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json, dump, is_integer
from lokki_tf.testing.state_machines.work import parameters, run_work


def run_task(run: StateRun) -> Transition:
    """Run a Task state."""
    return run_work(run, _attempt)


def _attempt(run: StateRun, value: Json) -> Json:
    resource = run.state["Resource"]
    mock = run.frame.settings.mocks.find(resource, run.name)
    if mock is not None:
        return _mocked(run, value, mock)
    if ACTIVITY_ARN.match(resource):
        return _run_activity(run, value, resource)
    integration = parse_resource(resource)
    if integration is None:
        return _Events.of_function(run, resource).around(run, value, _direct_call(resource))
    callback = _open_callback(run, integration)
    try:
        events = _Events.of_integration(run, integration)
        return events.around(run, value, _integration_call(integration, callback))
    finally:
        run.task_token = None
        if callback is not None:
            run.frame.settings.callbacks.close(callback)


def _mocked(run: StateRun, value: Json, mock: Any) -> Json:
    """Run a task with a response that a test has set."""
    resource = run.state["Resource"]
    integration = parse_resource(resource)
    callback = None if integration is None else _open_callback(run, integration)

    def call(run: StateRun, value: Json, cancel_scope: CancelScope) -> Json:
        if integration is not None and integration.pattern:
            submitted(run, integration, {})
        return run.frame.settings.mocks.respond(mock, value)

    try:
        events = _Events.of_function(run, resource)
        if integration is not None:
            events = _Events.of_integration(run, integration)
        return events.around(run, value, call)
    finally:
        run.task_token = None
        if callback is not None:
            run.frame.settings.callbacks.close(callback)


def _run_activity(run: StateRun, value: Json, activity: str) -> Json:
    callbacks = run.frame.settings.callbacks
    callback = callbacks.open()

    def call(run: StateRun, value: Json, cancel_scope: CancelScope) -> Json:
        task = callbacks.offer(activity, callback, dump(value))
        try:
            while not task.started.wait(_CHECK_SECONDS):
                cancel_scope.check()
        except Stopped:
            task.dropped = True
            raise
        worker = {} if task.worker is None else {"workerName": task.worker}
        run.frame.event("ActivityStarted", **worker)
        return _wait_for_answer(run, callback)

    try:
        return _Events.of_activity(run, activity).around(run, value, call)
    finally:
        callbacks.close(callback)


_CHECK_SECONDS = 0.05
Call = Callable[[StateRun, Json, CancelScope], Json]


def _direct_call(resource: str) -> Call:
    return lambda run, value, cancel_scope: call_function(
        run.frame.settings.services, resource, value
    )


def _integration_call(integration: Integration, callback: Callback | None) -> Call:
    def call(run: StateRun, value: Json, cancel_scope: CancelScope) -> Json:
        services = run.frame.settings.services
        if integration.service == "lambda" and integration.action == "invoke":
            result = invoke(services, value)
        elif (integration.service, integration.action) == ("http", "invoke"):
            result = call_endpoint(run, value)
        else:
            result = call_service(run, integration, value, cancel_scope, callback)
        if callback is None or integration.pattern != ".waitForTaskToken":
            return result
        submitted(run, integration, result)
        return _wait_for_answer(run, callback)

    return call


def _open_callback(run: StateRun, integration: Integration) -> Callback | None:
    if not integration.pattern:  # .sync tasks have a token, too, which nothing waits for
        return None
    callback = run.frame.settings.callbacks.open()
    run.task_token = callback.token
    return callback


def _wait_for_answer(run: StateRun, callback: Callback) -> Json:
    heartbeat = _seconds(run, "HeartbeatSeconds")
    while callback.heard.wait(heartbeat):
        callback.heard.clear()
        run.frame.cancel_scope.check()
        if callback.is_over:
            return callback.result()
    # AWS names the error States.Timeout, observed. Rules may list either name (Developer Guide,
    # "Handling errors in Step Functions workflows").
    raise StateFailure(TIMEOUT, None, alias=HEARTBEAT_TIMEOUT)


def _seconds(run: StateRun, field: str) -> float | None:
    found = given(run, run.state, field, run.input)
    if found is None:
        return None
    if not is_integer(found) or found <= 0:
        message = f"{field} of the state '{run.name}' must be a positive integer, got {found}"
        raise StateFailure(RUNTIME, message)
    return float(found)


@dataclass(frozen=True)
class _Events:
    """The history events of a task.

    Args:
        prefix: The first part of the events' types, such as ``LambdaFunction``.
        known: The details of all events of the task.
        scheduled: A function from the parameters to the details of the first event.
        starts: Whether the task starts at once, and not when a worker receives it.
    """

    prefix: str
    known: Mapping[str, Json]
    scheduled: Callable[[Json], dict[str, Json]]
    starts: bool = True

    @classmethod
    def of_function(cls, run: StateRun, resource: str) -> _Events:
        return cls(
            "LambdaFunction",
            {},
            lambda value: {"resource": resource, "input": run.dump(value), "inputDetails": DETAILS},
        )

    @classmethod
    def of_activity(cls, run: StateRun, activity: str) -> _Events:
        return cls(
            "Activity",
            {},
            lambda value: {"resource": activity, "input": run.dump(value), "inputDetails": DETAILS},
            starts=False,
        )

    @classmethod
    def of_integration(cls, run: StateRun, integration: Integration) -> _Events:
        known = {
            "resourceType": integration.service,
            "resource": integration.action + integration.pattern,
        }
        region = run.frame.settings.services.region
        return cls(
            "Task", known, lambda value: {**known, "region": region, "parameters": run.dump(value)}
        )

    def around(self, run: StateRun, value: Json, call: Call) -> Json:
        """Call the service within the state's timeout, and add events before and after."""
        frame = run.frame
        value = parameters(run, value)
        timeout = _seconds(run, "TimeoutSeconds")
        limits = {
            "timeoutInSeconds": timeout,
            "heartbeatInSeconds": _seconds(run, "HeartbeatSeconds"),
        }
        limit = {key: int(seconds) for key, seconds in limits.items() if seconds is not None}
        frame.event(f"{self.prefix}Scheduled", **self.scheduled(value), **limit)
        if self.starts:
            frame.event(f"{self.prefix}Started", **self.known)
        try:
            result = _within(timeout, run, lambda cancel_scope: call(run, value, cancel_scope))
        except StateFailure as failure:
            ending = "TimedOut" if failure.error == TIMEOUT else "Failed"
            frame.event(f"{self.prefix}{ending}", **self.known, **failure.details)
            raise
        frame.event(
            f"{self.prefix}Succeeded", **self.known, output=run.dump(result), outputDetails=DETAILS
        )
        return result


def _within(timeout: float | None, run: StateRun, call: Callable[[CancelScope], Json]) -> Json:
    cancel_scope = run.frame.cancel_scope.inner()
    try:
        if timeout is None:
            return guarded(call, cancel_scope)
        return _within_seconds(timeout, run, cancel_scope, call)
    finally:
        cancel_scope.close()


def _within_seconds(
    timeout: float, run: StateRun, cancel_scope: CancelScope, call: Callable[[CancelScope], Json]
) -> Json:
    done: SimpleQueue[tuple[Json, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            done.put((guarded(call, cancel_scope), None))
        except (StateFailure, Stopped) as end:
            done.put((None, end))

    Thread(target=work, daemon=True).start()
    try:
        result, end = done.get(timeout=timeout)
    except Empty:
        cancel_scope.revoke()  # stops the job or execution that the task has started
        raise StateFailure(TIMEOUT, None) from None
    if end is not None:
        raise end
    return result
