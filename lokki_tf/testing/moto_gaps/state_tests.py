"""``TestState``: run one state, without its transitions and retries.

Source: Step Functions API Reference, ``TestState``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from lokki_tf.testing.account import Account
from lokki_tf.testing.moto_gaps.state_machine_revisions import ValidationException
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.interpreter import run_state
from lokki_tf.testing.state_machines.mocks import Mocks
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
    settings = account.execution_settings(region, role or None, None)
    mocks = _mocks(state, request.get("mock"))
    arn = f"arn:aws:states:{region}:{ACCOUNT_ID}"
    execution = Execution(
        arn=f"{arn}:express:test:{uuid4()}:{uuid4()}",
        name=str(uuid4()),
        state_machine_arn=f"{arn}:stateMachine:test",
        state_machine_name="test",
        definition=definition,
        input_text=dump(value),
        role_arn=role,
        settings=settings if mocks is None else replace(settings, mocks=mocks),
        is_express=True,
    )
    frame = execution.frame(value)
    variables = load(request.get("variables") or "{}")
    frame.variables.assign(variables)
    once = {key: item for key, item in state.items() if key not in ("Retry", "Catch")}
    run = StateRun(name, once, value, dump(value), frame)
    run.stages = {"input": value}
    try:
        transition = run_state(run)
    except StateFailure as failure:
        found = _failed(StateRun(name, state, value, dump(value), frame), failure)
    else:
        following = {} if transition.following is None else {"nextState": transition.following}
        found = {"status": "SUCCEEDED", "output": dump(transition.output), **following}
    if request.get("inspectionLevel") in ("DEBUG", "TRACE"):
        found["inspectionData"] = {key: dump(item) for key, item in run.stages.items()}
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


def _mocks(state: Mapping[str, Json], mock: Mapping[str, Any] | None) -> Mocks | None:
    """Return the response of the request's field ``mock``, or None."""
    if mock is None or "Resource" not in state:
        return None
    error = mock.get("errorOutput")
    response = {"result": load(mock["result"])} if error is None else dict(error)
    mocks = Mocks()
    mocks.add(str(state["Resource"]).removeprefix("arn:aws:states:::"), [response], None)
    return mocks


def _failed(run: StateRun, failure: StateFailure) -> dict[str, Json]:
    """Return the response for a state whose attempt has failed."""
    details: dict[str, Json] = {**failure.details}
    if Retriers(run.state.get("Retry", ())).delay(failure) is not None:
        return {"status": "RETRIABLE", **details}
    if any(matches(catcher, failure) for catcher in run.state.get("Catch", ())):
        transition = caught(run, failure)
        output = {"output": dump(transition.output), "nextState": transition.following}
        return {"status": "CAUGHT_ERROR", **output, **details}
    return {"status": "FAILED", **details}
