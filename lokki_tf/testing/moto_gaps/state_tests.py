"""``TestState``: run one state, without its transitions and retries.

Source: Step Functions API Reference, ``TestState``, ``MockInput``, ``TestStateConfiguration`` and
``InspectionData``; the wording of errors as AWS answers, observed. ``errorCausedByState`` changes
nothing in the answer. The local AWS sends no credentials of connections, so ``revealSecrets`` finds
nothing to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from uuid import uuid4

from botocore.response import StreamingBody
from moto.core.exceptions import AWSError

from lokki_tf.datasets import items_of as items_of_dataset
from lokki_tf.testing.account import Account
from lokki_tf.testing.moto_gaps.state_machine_revisions import ValidationException
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.batches import batches_of
from lokki_tf.testing.state_machines.distributed import THRESHOLD, THRESHOLD_CAUSE
from lokki_tf.testing.state_machines.execution import Execution
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.interpreter import run_state
from lokki_tf.testing.state_machines.map_fields import items_of, number, selected
from lokki_tf.testing.state_machines.map_run import Tolerance
from lokki_tf.testing.state_machines.mock_shapes import problem
from lokki_tf.testing.state_machines.resources import ACTIVITY_ARN, parse_resource
from lokki_tf.testing.state_machines.retries import Retriers, matching
from lokki_tf.testing.state_machines.state_rules import examine_state
from lokki_tf.testing.state_machines.values import Json, dump, is_integer, load
from lokki_tf.testing.state_machines.work import caught, parameters

_STATE_NAME = "StateName"
"""The name of each tested state in its context object, observed."""
_HIDDEN = {
    "Map": ("result", "afterParameters", "afterArguments"),
    "Parallel": ("result", "afterInputPath", "afterParameters", "afterArguments"),
}
"""By type of the state: stages that AWS does not return, observed."""
_NOT_JSON = (
    "errorDetails",
    "request",
    "response",
    "maxConcurrency",
    "toleratedFailureCount",
    "toleratedFailurePercentage",
)
_CONTEXT: dict[str, tuple[str, ...]] = {
    "Execution": ("Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"),
    "State": ("EnteredTime", "Name", "RetryCount"),
    "StateMachine": ("Id", "Name"),
    "Task": ("Token",),
}
_NUMBERS = ("RedriveCount", "RetryCount")


class InvalidDefinition(AWSError):
    """The definition cannot be tested."""

    TYPE = "InvalidDefinition"
    STATUS = 400


def run_test(account: Account, region: str, request: Mapping[str, Any]) -> dict[str, Json]:
    """Run a state, and return the response of ``TestState``.

    Args:
        account: The account.
        region: The region's name.
        request: The parameters of the request.

    Raises:
        ValidationException: If the request contradicts itself or the state.
        InvalidDefinition: If the definition is not valid, or its state cannot be tested.
    """
    definition = _json(request["definition"], "Definition")
    name, state = _state(definition, request.get("stateName"))
    _require_valid(name, state, definition)
    configuration = request.get("stateConfiguration") or {}
    mock = request.get("mock")
    _require_testable(state, mock, configuration, request)
    value = _json(request.get("input") or "{}", "Input")
    execution = _execution(account, region, definition, value, request.get("roleArn"))
    frame = execution.frame(value)
    frame.context = {
        **frame.context,
        "Execution": {**frame.context["Execution"], "RoleArn": request.get("roleArn")},
    }
    frame.variables.assign(_json(request.get("variables") or "{}", "Variables"))
    once = {key: item for key, item in state.items() if key not in ("Retry", "Catch")}
    run = StateRun(_STATE_NAME, once, value, dump(value), frame)
    visit = StateRun(_STATE_NAME, state, value, dump(value), frame)
    for one in (run, visit):
        one.given_context = _context(state, request.get("context"))
        one.retry_count = configuration.get("retrierRetryCount") or 0
    run.stages = {"input": value}
    if mock is not None:
        run.mocked = _mocked(run, mock, configuration)
    try:
        transition = run_state(run)
    except StateFailure as failure:
        found, details = _failed(visit, failure)
        if details:
            run.stages["errorDetails"] = details
    else:
        following = {} if transition.following is None else {"nextState": transition.following}
        found = {"status": "SUCCEEDED", "output": dump(transition.output), **following}
    level = request.get("inspectionLevel")
    if level in ("DEBUG", "TRACE"):
        found["inspectionData"] = _inspection(run, state, level)
    return found


def _inspection(run: StateRun, state: Mapping[str, Json], level: str) -> dict[str, Json]:
    hidden = _HIDDEN.get(state["Type"], ())
    if "Result" in state:
        hidden += ("afterInputPath",)
    if level != "TRACE":
        hidden += ("request", "response")
    stages = {key: item for key, item in (run.stages or {}).items() if key not in hidden}
    if run.frame.variables.values:
        stages["variables"] = run.frame.variables.values
    return {key: item if key in _NOT_JSON else dump(item) for key, item in stages.items()}


def _execution(
    account: Account, region: str, definition: Json, value: Json, role: str | None
) -> Execution:
    arn, machine, name = f"arn:aws:states:{region}:{ACCOUNT_ID}", str(uuid4()), str(uuid4())
    return Execution(
        arn=f"{arn}:express:{machine}:{name}",
        name=name,
        state_machine_arn=f"{arn}:stateMachine:{machine}",
        state_machine_name=machine,
        definition=definition,
        input_text=dump(value),
        role_arn=role or "",
        settings=account.execution_settings(region, role, None),
        is_express=True,
    )


def _json(text: str, what: str) -> Json:
    try:
        return load(text)
    except ValueError as error:
        if what == "Definition":
            message = f"Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {error}'"
            raise InvalidDefinition(message) from None
        raise ValidationException(f"{what} must be valid JSON") from None


def _state(definition: Json, name: str | None) -> tuple[str, Mapping[str, Json]]:
    """Return a state of a state machine, or the state that the definition consists of."""
    if not isinstance(definition, dict):
        raise InvalidDefinition("Invalid State Machine Definition: it must be a JSON object")
    if "States" not in definition:
        return name or _STATE_NAME, definition
    for scope in _scopes(definition):
        if name in scope["States"]:
            return str(name), scope["States"][name]
    raise ValidationException("State not found in definition")


def _scopes(scope: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    found = [scope]
    for state in scope["States"].values():
        inner = [*state.get("Branches", ()), state.get("ItemProcessor"), state.get("Iterator")]
        found += [one for each in inner if each for one in _scopes(each)]
    return found


def _require_valid(name: str, state: Json, definition: Mapping[str, Json]) -> None:
    language = str(definition.get("QueryLanguage", "JSONPath"))
    place = f"/States/{name}"
    findings = (
        list(examine_state(state, place, language))
        if isinstance(state, dict)
        else [f"SCHEMA_VALIDATION_FAILED: A state must be a JSON object at {place}"]
    )
    if findings:
        texts = ", ".join(map(str, findings))
        raise InvalidDefinition(f"Invalid State Machine Definition: '{texts}'")


def _require_testable(
    state: Mapping[str, Json], mock: Json, configuration: Json, request: Mapping[str, Any]
) -> None:
    kind = state["Type"]
    if mock is None:
        if configuration.get("mapIterationFailureCount") is not None:
            message = "TestState does not support MapIterationFailureCount when a mock is not "
            raise ValidationException(f"{message}specified.")
        if kind in ("Map", "Parallel"):
            raise InvalidDefinition(
                "TestState API does not support Map or Parallel states. Supported state types "
                "include: [Task, Wait, Pass, Succeed, Fail, Choice]"
            )
        if kind == "Task":
            _require_callable(state["Resource"], request.get("roleArn"))
        return
    if kind not in ("Task", "Map", "Parallel"):
        message = f"State type '{kind}' is not supported when a mock is specified"
        raise ValidationException(message)
    if request.get("revealSecrets"):
        message = "TestState does not support RevealSecrets when a mock is specified."
        raise ValidationException(message)


def _require_callable(resource: str, role: str | None) -> None:
    integration = parse_resource(resource)
    if ACTIVITY_ARN.match(resource) or (integration is not None and integration.pattern):
        raise ValidationException(
            "TestState requires a mock for activities and for the service integration patterns "
            ".sync and .waitForTaskToken"
        )
    if not role:
        raise ValidationException("RoleArn must be specified when testing a Task state")


def _context(state: Mapping[str, Json], text: str | None) -> Mapping[str, Json] | None:
    """Return the context object of a request; None if it has none.

    Raises:
        ValidationException: If the context object has other fields than AWS allows.
    """
    if text is None:
        return None
    context = _json(text, "Context")

    def refused(message: str) -> ValidationException:
        return ValidationException(f"Invalid Context object provided: {message}")

    if not isinstance(context, dict):
        raise refused("it must be a JSON object")
    if "Map" in context:
        raise refused("'Map' field is not supported when mocking a Context object")
    for group, fields in context.items():
        if group not in _CONTEXT:
            raise refused(f"Field '{group}' is not allowed")
        if not isinstance(fields, dict):
            raise refused(f"{group} must be an object")
        for field, value in fields.items():
            if field not in _CONTEXT[group]:
                raise refused(f"Field '{field}' is not allowed")
            if field in _NUMBERS and not is_integer(value):
                raise refused(f"{group}.{field} must be a number")
            if field not in (*_NUMBERS, "Input") and not isinstance(value, str):
                raise refused(f"{group}.{field} must be a string")
    integration = parse_resource(state.get("Resource", ""))
    if "Task" in context and (integration is None or not integration.pattern):
        raise refused(
            "Context object contains 'Task' when state is not a Task state with a '.sync' or "
            "'.waitForTaskToken' service integration pattern"
        )
    found: Mapping[str, Json] = context
    return found


def _mocked(
    run: StateRun, mock: Mapping[str, Any], configuration: Mapping[str, Any]
) -> Callable[[Json], Json]:
    """Return the attempt that the request's field ``mock`` describes.

    Raises:
        ValidationException: If the mock is ambiguous, or its result does not fit the state.
    """
    error, text = mock.get("errorOutput"), mock.get("result")
    if (error is None) == (text is None):
        message = "A test mock should have only one of the following fields: [result, errorOutput]."
        raise ValidationException(message)
    result = None
    if error is None:
        result = _json(str(text), "Mocked result")
        _require_fitting(run.state, result, mock.get("fieldValidationMode") or "STRICT")
    failed = configuration.get("mapIterationFailureCount") or 0

    def attempt(value: Json) -> Json:
        if run.state["Type"] == "Map":
            tolerance, items = _mapped(run, value, configuration.get("mapItemReaderData"))
            if error is None and tolerance.exceeded_if_set(failed, items):
                raise StateFailure(THRESHOLD, THRESHOLD_CAUSE)
        else:
            parameters(run, value)
        if error is not None:
            raise StateFailure(error.get("error"), error.get("cause"))
        return result

    if isinstance(result, list) and failed > len(result):
        raise ValidationException(
            "Map iteration failure count must be less than or equal to the number of Map iterations"
        )
    return attempt


def _require_fitting(state: Mapping[str, Json], result: Json, mode: str) -> None:
    kind = state["Type"]
    if kind == "Map" and "ResultWriter" in state:
        if not isinstance(result, dict):
            raise ValidationException("Mocked result must be a JSON object.")
    elif kind in ("Map", "Parallel"):
        if not isinstance(result, list):
            raise ValidationException("Mocked result must be an array.")
        if kind == "Parallel" and len(result) != len(state["Branches"]):
            raise ValidationException(
                "Mocked result must contain the same number of items as number of Parallel "
                "branches."
            )
    else:
        found = problem(state["Resource"], result, mode)
        if found is not None:
            raise ValidationException(f"Mock result schema validation error: {found}")


def _mapped(run: StateRun, value: Json, data: str | None) -> tuple[Tolerance, int]:
    """Apply the fields of a Map state to its input, and return its tolerance and its length.

    Args:
        run: The visit of the Map state.
        value: The effective input.
        data: What ``ItemReader`` reads.
    """
    state = run.state
    if data is not None and "ItemReader" in state:
        items = _read(state["ItemReader"].get("ReaderConfig", {}), data)
    elif "ItemReader" in state:
        items = []
    else:
        items = items_of(run, value)
        if not run.is_jsonata:
            run.note("afterItemsPath", items)
    if "ItemSelector" in state or "Parameters" in state:
        items = [selected(run, value, *one) for one in enumerate(items)]
        run.note("afterItemSelector", items)
    if "ItemBatcher" in state:
        items = [batch.input for batch in batches_of(run, value, items)]
        run.note("afterItemBatcher", items)
    run.note("maxConcurrency", int(number(run, value, "MaxConcurrency", 0)))
    count = number(run, value, "ToleratedFailureCount", -1.0)
    percentage = number(run, value, "ToleratedFailurePercentage", -1.0)
    if count >= 0:
        run.note("toleratedFailureCount", int(count))
    if percentage >= 0:
        run.note("toleratedFailurePercentage", percentage)
    return Tolerance(count, percentage), len(items)


class _Object:
    """An S3 client with one object, from which ``ItemReader`` reads.

    Args:
        text: The object's text.
    """

    def __init__(self, text: str) -> None:
        self._data = text.encode()

    def get_object(self, **request: Any) -> dict[str, Any]:
        """Return the object."""
        body = StreamingBody(BytesIO(self._data), len(self._data))
        return {"Body": body, "ContentLength": len(self._data), "ETag": '"0"'}


def _read(config: Mapping[str, Json], data: str) -> list[Json]:
    given = {"InputType": "JSON", **config}
    try:
        return list(items_of_dataset(_Object(data), given, {"Bucket": "bucket", "Key": "key"}))
    except Exception as error:
        raise StateFailure("States.ItemReaderFailed", str(error)) from None


def _failed(run: StateRun, failure: StateFailure) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the response for a state whose attempt has failed, and which rules match."""
    details: dict[str, Json] = {**failure.details}
    known: dict[str, Json] = {}
    index = matching(run.state.get("Retry", ()), failure)
    if index is not None:
        known["retryIndex"] = index
        delay = Retriers(run.state["Retry"], {index: run.retry_count}).delay(failure)
        if delay is not None:
            known["retryBackoffIntervalSeconds"] = int(delay)
            return {"status": "RETRIABLE", **details}, known
    index = matching(run.state.get("Catch", ()), failure)
    if index is None:
        return {"status": "FAILED", **details}, known
    transition = caught(run, failure)
    output = {"output": dump(transition.output), "nextState": transition.following}
    return {"status": "CAUGHT_ERROR", **output, **details}, {**known, "catchIndex": index}
