"""Convert field names between ASL, where each begins with a capital letter, and boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.values import Json, dump, moment_text


def call(client: Any, action: str, arguments: Json, name_in_errors: str | None = None) -> Json:
    """Make a request to a service.

    Args:
        client: A boto3 client.
        action: The name of the action in ASL, such as ``submitJob``.
        arguments: The parameters with the names of ASL.
        name_in_errors: The service's name in names of errors; by default that of its SDK.

    Returns:
        The response with the names of ASL.

    Raises:
        StateFailure: If the action or a parameter does not exist, or the service returns an error.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    name = action[0].upper() + action[1:]
    model = client.meta.service_model
    if name not in model.operation_names:
        message = f"The service {model.service_name} has no action named {action}"
        raise StateFailure(RUNTIME, message)
    operation = model.operation_model(name)
    request = to_request(arguments, operation.input_shape, action)
    try:
        # The public methods of a client have other names; this one takes the operation's.
        answer = client._make_api_call(name, request)
    except ClientError as error:
        raise _refused(name_in_errors or model.service_id, error) from None
    except BotoCoreError as error:
        raise StateFailure(RUNTIME, f"{action}: {error}") from None
    answer.pop("ResponseMetadata", None)
    return from_answer(answer, operation.output_shape)


def _refused(service: str, error: Any) -> StateFailure:
    """Return the failure that Step Functions reports for an error of a service.

    The error name is that of the exception in the AWS SDK for Java. This SDK has no class for
    ``AccessDenied`` of S3 and raises ``S3Exception``.
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
    """Convert the parameters of a task to those of boto3.

    Args:
        value: The parameters, or a part of them.
        shape: The botocore shape of the value.
        field: The name of the action or field that contains the value, for messages.

    Raises:
        StateFailure: If a field does not exist.
    """
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {member.lower(): member for member in shape.members}
        # In ASL each field begins with a capital letter; the case of other letters is ignored.
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
        # A field of type string accepts a JSON value, for example the Input of an execution.
        return dump(value)
    return value


def from_answer(value: Any, shape: Any) -> Json:
    """Convert a response of boto3 to a JSON value with the field names of ASL."""
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
