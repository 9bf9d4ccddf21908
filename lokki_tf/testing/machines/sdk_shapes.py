"""Requests to boto3 and its answers, in the spelling of ASL: every field begins with a capital."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.values import Json, dump, moment_text


def call(client: Any, action: str, arguments: Json) -> Json:
    """Make one request.

    Args:
        client: a boto3 client.
        action: the action as ASL writes it, such as ``submitJob``.
        arguments: the parameters as ASL writes them.

    Raises:
        StateFailure: if there is no such action or parameter, or the service refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    name = action[0].upper() + action[1:]
    model = client.meta.service_model
    if name not in model.operation_names:
        raise StateFailure(RUNTIME, f"There is no action {action} of {model.service_name}")
    operation = model.operation_model(name)
    request = to_request(arguments, operation.input_shape, action)
    try:
        answer = client._make_api_call(name, request)
    except ClientError as error:
        raise _refused(model.service_id, error) from None
    except BotoCoreError as error:
        raise StateFailure(RUNTIME, f"{action}: {error}") from None
    answer.pop("ResponseMetadata", None)
    return from_answer(answer, operation.output_shape)


def _refused(service: str, error: Any) -> StateFailure:
    """The failure that Step Functions reports, under the name of the Java SDK's exception.

    That SDK has no class for S3's ``AccessDenied``: it is ``S3.S3Exception``.
    """
    details = error.response["Error"]
    name = service.replace(" ", "")
    code = details["Code"]
    if (name, code) == ("S3", "AccessDenied"):
        code = "S3Exception"
    code = code if code.endswith(("Exception", "Error", "Fault")) else f"{code}Exception"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    cause = f"{details['Message']} (Service: {name}, Status Code: {status})"
    return StateFailure(f"{name}.{code}", cause)


def to_request(value: Json, shape: Any, field: str) -> Any:
    """Spell a value as boto3 wants it.

    Raises:
        StateFailure: if the service knows no such field.
    """
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {member.lower(): member for member in shape.members}
        # ASL begins every field with a capital; further capitals may differ from boto3's.
        unknown = [key for key in value if key.lower() not in names or not key[:1].isupper()]
        if unknown:
            raise StateFailure(RUNTIME, f"The field '{unknown[0]}' is not supported by {field}")
        return {
            names[key.lower()]: to_request(item, shape.members[names[key.lower()]], key)
            for key, item in value.items()
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [to_request(item, shape.member, field) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: to_request(item, shape.value, field) for key, item in value.items()}
    if shape.type_name in ("string", "blob") and isinstance(value, list | dict):
        # A field of text takes JSON as well, such as the Input of an execution.
        return dump(value)
    return value


def from_answer(value: Any, shape: Any) -> Json:
    """Spell boto3's answer as ASL has it."""
    if shape is not None and shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            key[0].upper() + key[1:]: from_answer(item, shape.members.get(key))
            for key, item in sorted(value.items())
        }
    if isinstance(value, Mapping):
        inner = getattr(shape, "value", None)
        return {str(key): from_answer(item, inner) for key, item in value.items()}
    if isinstance(value, list):
        inner = getattr(shape, "member", None)
        return [from_answer(item, inner) for item in value]
    if isinstance(value, datetime):
        return moment_text(value)
    if hasattr(value, "read"):
        value = value.read()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
