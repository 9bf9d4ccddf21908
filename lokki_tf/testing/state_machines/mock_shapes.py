"""Compare the mocked result of a tested task with the API model of its service.

Source: Step Functions API Reference, ``MockInput``. The wording is that of AWS, observed.
"""

from __future__ import annotations

from typing import Any

from lokki_tf.testing.state_machines.resources import parse_resource
from lokki_tf.testing.state_machines.sdk_tasks import CLIENTS
from lokki_tf.testing.state_machines.values import Json, is_integer, is_number

_NUMBERS = ("integer", "long", "float", "double")
_TEXTS = ("string", "blob", "timestamp", "character")
_OPEN = {("lambda", "Invoke"): ("Payload",)}
"""By service and operation: fields that contain any JSON value in an optimized integration."""


def problem(resource: str, result: Json, mode: str) -> str | None:
    """Return why a result does not fit the response of a service; None if it fits.

    Results of ``.sync`` and ``.waitForTaskToken`` are not responses of an API, and are not checked.

    Args:
        resource: The ``Resource`` of the task.
        result: The mocked result.
        mode: ``STRICT``, ``PRESENT`` for results that may lack required fields, or ``NONE``.
    """
    integration = parse_resource(resource)
    if mode == "NONE" or integration is None or integration.pattern:
        return None
    shape = _output_shape(integration.service, integration.action)
    if shape is None:
        return None
    service = integration.service
    operation = integration.action[:1].upper() + integration.action[1:]
    left_out = _OPEN.get((service, operation), ())
    return _structure(result, shape, mode == "STRICT", left_out, top=True)


def _output_shape(service: str, action: str) -> Any:
    import botocore.session
    from botocore.exceptions import UnknownServiceError

    name = service.removeprefix("aws-sdk:")
    try:
        model = botocore.session.get_session().get_service_model(CLIENTS.get(name, name))
    except UnknownServiceError:
        return None
    operation = action[:1].upper() + action[1:]
    if operation not in model.operation_names:
        return None
    return model.operation_model(operation).output_shape


def _structure(
    value: Json, shape: Any, strict: bool, left_out: tuple[str, ...] = (), *, top: bool = False
) -> str | None:
    if not isinstance(value, dict):
        return "Mocked result must be a JSON object" if top else "must be an object"
    members = {name[:1].upper() + name[1:]: name for name in shape.members}
    for name in shape.required_members if strict else ():
        field = name[:1].upper() + name[1:]
        if field not in value:
            return f"Required field '{field}' is missing"
    for field, item in value.items():
        if field in members and field not in left_out:
            found = _value(item, shape.members[members[field]], field, strict)
            if found is not None:
                return found
    return None


def _value(value: Json, shape: Any, field: str, strict: bool) -> str | None:
    kind = shape.type_name
    wanted = _mismatch(value, kind)
    if wanted is not None:
        return f"Field '{field}' must be {wanted}"
    if kind == "structure":
        return _structure(value, shape, strict)
    if kind == "list":
        inner = [(item, shape.member) for item in value]
    elif kind == "map":
        inner = [(item, shape.value) for item in value.values()]
    else:
        limit = _limit(value, shape)
        return None if limit is None else f"Field '{field}' {limit}"
    found = (_value(item, member, field, strict) for item, member in inner)
    return next((each for each in found if each is not None), None)


def _mismatch(value: Json, kind: str) -> str | None:
    """Return the name of the required type, if the value has another one."""
    if kind in _TEXTS:
        return None if isinstance(value, str) else "a string"
    if kind in _NUMBERS:
        fits = is_number(value) if kind in ("float", "double") else is_integer(value)
        return None if fits else "a number"
    if kind == "boolean":
        return None if isinstance(value, bool) else "a boolean"
    if kind == "list":
        return None if isinstance(value, list) else "an array"
    return None if isinstance(value, dict) else "an object"


def _limit(value: Json, shape: Any) -> str | None:
    """Return which limit of its shape a value violates."""
    if isinstance(value, str):
        if getattr(shape, "enum", None) and value not in shape.enum:
            return "is not an expected value"
        if len(value) < shape.metadata.get("min", 0):
            return "is smaller than the minimum length"
        if len(value) > shape.metadata.get("max", len(value)):
            return "exceeds the maximum length"
    elif is_number(value):
        if value < shape.metadata.get("min", value):
            return "is less than the minimum value"
        if value > shape.metadata.get("max", value):
            return "exceeds the maximum value"
    return None
