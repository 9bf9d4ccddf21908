"""``TestState``: run one state, without its transitions and retries.

Source: Step Functions API Reference, ``TestState``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from lokki_tf.testing.account import Account
from lokki_tf.testing.moto_gaps.state_machine_revisions import ValidationException
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.interpreter import run_state
from lokki_tf.testing.state_machines.retries import Retriers, matches
from lokki_tf.testing.state_machines.values import Json, dump, load
from lokki_tf.testing.state_machines.work import caught


def run_test(account: Account, region: str, request: Mapping[str, Any]) -> dict[str, Json]:
    """Run a state, and return the response of ``TestState``.

    Args:
        account: The account.
        region: The region's name.
        request: The parameters of the request.

    Raises:
        ValidationException: If the definition has no such state.
    """
    definition = load(request["definition"])
    name, state = _state(definition, request.get("stateName"))
    value = load(request.get("input") or "{}")
    role = request.get("roleArn") or ""
    arn = f"arn:aws:states:{region}:{ACCOUNT_ID}"
    execution = Execution(
        arn=f"{arn}:express:test:{uuid4()}:{uuid4()}",
        name=str(uuid4()),
        state_machine_arn=f"{arn}:stateMachine:test",
        state_machine_name="test",
        definition=definition,
        input_text=dump(value),
        role_arn=role,
        settings=account.execution_settings(region, role or None, None),
        is_express=True,
    )
    frame = execution.frame(value)
    variables = load(request.get("variables") or "{}")
    frame.variables.assign(variables)
    once = {key: item for key, item in state.items() if key not in ("Retry", "Catch")}
    run = StateRun(name, once, value, dump(value), frame)
    run.stages, run.mocked = {"input": value}, _mocked(state, request.get("mock"))
    try:
        transition = run_state(run)
    except StateFailure as failure:
        visit = StateRun(name, state, value, dump(value), frame)
        found, details = _failed(visit, failure)
        run.stages["errorDetails"] = details
    else:
        following = {} if transition.following is None else {"nextState": transition.following}
        found = {"status": "SUCCEEDED", "output": dump(transition.output), **following}
    if request.get("inspectionLevel") in ("DEBUG", "TRACE"):
        found["inspectionData"] = {
            key: item if key == "errorDetails" else dump(item) for key, item in run.stages.items()
        }
        if variables:
            found["inspectionData"]["variables"] = dump(variables)
    return found


def _state(definition: Mapping[str, Json], name: str | None) -> tuple[str, Mapping[str, Json]]:
    """Return a state of a state machine, or the state that the definition consists of."""
    if "States" not in definition:
        return name or "TestState", definition
    for scope in _scopes(definition):
        if name in scope["States"]:
            return str(name), scope["States"][name]
    raise ValidationException(f"The definition has no state with the name '{name}'")


def _scopes(scope: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    found = [scope]
    for state in scope["States"].values():
        inner = [*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")]
        found += [one for each in inner if each for one in _scopes(each)]
    return found


def _mocked(state: Mapping[str, Json], mock: Mapping[str, Any] | None) -> Callable[[], Json] | None:
    """Return the attempt that the request's field ``mock`` describes, or None.

    Raises:
        ValidationException: If the state has no attempts, or the mock is ambiguous.
    """
    if mock is None:
        if state["Type"] in ("Map", "Parallel"):
            raise ValidationException(f"State type '{state['Type']}' requires a mock")
        return None
    if state["Type"] not in ("Task", "Map", "Parallel"):
        message = f"State type '{state['Type']}' is not supported when a mock is specified"
        raise ValidationException(message)
    error = mock.get("errorOutput")
    if error is not None and mock.get("result") is not None:
        message = "A test mock should have only one of the following fields: [result, errorOutput]."
        raise ValidationException(message)
    result = None if error is not None else load(mock["result"])
    if (
        state["Type"] != "Task"
        and "ResultWriter" not in state
        and not (error is not None or isinstance(result, list))
    ):
        raise ValidationException("Mocked result must be an array.")

    def attempt() -> Json:
        if error is not None:
            raise StateFailure(error.get("error"), error.get("cause"))
        return result

    return attempt


def _failed(run: StateRun, failure: StateFailure) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the response for a state whose attempt has failed, and which rule matches."""
    details: dict[str, Json] = {**failure.details}
    retriers = run.state.get("Retry", ())
    delay = Retriers(retriers).delay(failure)
    if delay is not None:
        index = next(n for n, rule in enumerate(retriers) if matches(rule, failure))
        known = {"retryIndex": index, "retryBackoffIntervalSeconds": int(delay)}
        return {"status": "RETRIABLE", **details}, known
    for index, catcher in enumerate(run.state.get("Catch", ())):
        if matches(catcher, failure):
            transition = caught(run, failure)
            output = {"output": dump(transition.output), "nextState": transition.following}
            return {"status": "CAUGHT_ERROR", **output, **details}, {"catchIndex": index}
    return {"status": "FAILED", **details}, {}
