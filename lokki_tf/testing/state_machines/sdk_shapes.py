"""Make requests to services, with the names of ASL for fields and errors.

In ASL the name of each field begins with a capital letter. *Optimized* integrations, such as
``sqs:sendMessage``, use version 1 of the AWS SDK for Java, those of ``aws-sdk`` use version 2. They
name errors differently, and only the former add data about the HTTP response to the result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.values import Json, dump, moment_text

_GENERAL = {
    "Batch": "AWSBatchException",
    "DynamoDB": "AmazonDynamoDBException",
    "ECS": "AmazonECSException",
    "EventBridge": "AmazonEventBridgeException",
    "Glue": "AWSGlueException",
    "SNS": "AmazonSNSException",
    "SQS": "AmazonSQSException",
    "StepFunctions": "AWSStepFunctionsException",
}
"""By service: the exception of the AWS SDK for Java 1 for errors without a class of their own."""
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_NO_METADATA = {"EventBridge"}


def call(client: Any, action: str, arguments: Json, *, optimized: bool = False) -> Json:
    """Make a request to a service.

    Args:
        client: A boto3 client.
        action: The name of the action in ASL, such as ``submitJob``.
        arguments: The parameters with the names of ASL.
        optimized: Whether the integration is an optimized one, and not one of ``aws-sdk``.

    Returns:
        The response with the names of ASL.

    Raises:
        StateFailure: If the action or a parameter does not exist, or the service returns an error.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    name = action[0].upper() + action[1:]
    model = client.meta.service_model
    if name not in model.operation_names:
        message = f"The service {model.service_name} has no action named {action}"
        raise StateFailure(RUNTIME, message)
    operation = model.operation_model(name)
    request = to_request(arguments, operation.input_shape, action)
    if (model.service_name, name) == ("s3", "PutObject") and "Body" in request:
        request.setdefault("ContentType", "text/plain; charset=UTF-8")  # as SDK for Java does
    try:
        # The public methods of a client have other names; this one takes the operation's.
        answer = client._make_api_call(name, request)
    except ClientError as error:
        raise _refused(model, error, optimized) from None
    except ParamValidationError as error:
        missing = re.search(r"Missing required parameter in \w+: \"(\w+)\"", str(error))
        if missing is None:
            raise StateFailure(RUNTIME, f"{action}: {error}") from None
        raise _without(model, missing[1], optimized) from None
    except BotoCoreError as error:
        name = error_prefix(model.service_id, optimized=optimized)
        raise StateFailure(f"{name}.SdkClientException", str(error)) from None
    metadata = answer.pop("ResponseMetadata", {})
    if "ReturnConsumedCapacity" not in request:
        answer.pop("ConsumedCapacity", None)
    if name == "GetObject" and "ChecksumMode" not in arguments:  # boto3 adds it to the request
        answer = {key: item for key, item in answer.items() if not key.startswith("Checksum")}
    result = from_answer(answer, operation.output_shape)
    if optimized and error_prefix(model.service_id, optimized=True) not in _NO_METADATA:
        result |= _http(metadata, error_prefix(model.service_id, optimized=True))
    return result


def error_prefix(service_id: str, *, optimized: bool) -> str:
    """Return the service's name at the beginning of names of errors.

    ``aws-sdk`` uses the names of the AWS SDK for Java 2, such as ``DynamoDb`` and ``Sfn``.

    Args:
        service_id: The service's id in its SDK, such as ``DynamoDB``.
        optimized: Whether the integration is an optimized one.
    """
    if optimized:
        return {"SFN": "StepFunctions"}.get(service_id, service_id.replace(" ", ""))
    return "".join(word[0].upper() + word[1:].lower() for word in _WORD.findall(service_id))


def _without(model: Any, field: str, optimized: bool) -> StateFailure:
    """Return the failure for a required field that is missing or null, as AWS answers, observed."""
    name = error_prefix(model.service_id, optimized=optimized)
    cause = f"The request must contain the parameter {field}."
    if "json" in model.metadata.get("protocol", "") and name != "SQS":
        field = field[0].lower() + field[1:]
        cause = (
            f"1 validation error detected: Value null at '{field}' failed to satisfy constraint: "
            "Member must not be null"
        )
    return StateFailure(f"{name}.{_general(name, optimized)}", cause)


def _general(name: str, optimized: bool) -> str:
    """Return the exception of a service for errors that have no class of their own."""
    return _GENERAL.get(name, f"{name}Exception") if optimized else f"{name}Exception"


def _http(metadata: Mapping[str, Any], service: str) -> dict[str, Json]:
    """Return the data about the HTTP response that optimized integrations add to the result."""
    found = metadata.get("HTTPHeaders", {})
    request_id = metadata.get("RequestId", "")
    headers = {
        "x-amzn-RequestId": request_id,
        "connection": "keep-alive",
        "Content-Length": found.get("content-length", "0"),
        "Date": found.get("date", ""),
        "Content-Type": found.get("content-type", ""),
    }
    if service == "DynamoDB":
        headers["Connection"] = headers.pop("connection")
        headers |= {"Server": "Server", "x-amz-crc32": found.get("x-amz-crc32", "0")}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": metadata.get("HTTPStatusCode", 200),
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


def _refused(model: Any, error: Any, optimized: bool) -> StateFailure:
    """Return the failure that Step Functions reports for an error of a service.

    The error name is that of the exception in the AWS SDK for Java, which has a class for each
    error in the service's model, and one for all others, such as ``AccessDenied`` of S3.
    """
    details = error.response["Error"]
    name = error_prefix(model.service_id, optimized=optimized)
    # The model has AccessDenied for one operation of S3 only; others raise S3Exception.
    code = None if name == "S3" and details["Code"] == "AccessDenied" else details["Code"]
    code = _modelled(model, code) or _general(name, optimized)
    metadata = error.response.get("ResponseMetadata", {})
    status, request_id = metadata.get("HTTPStatusCode", 400), metadata.get("RequestId", "")
    if optimized:
        where = (
            f"Service: {name}; Status Code: {status}; Error Code: {details['Code']}; "
            f"Request ID: {request_id}; Proxy: null"
        )
    else:
        where = f"Service: {name}, Status Code: {status}, Request ID: {request_id}"
    return StateFailure(f"{name}.{code}", f"{details['Message']} ({where})")


def _modelled(model: Any, code: str | None) -> str | None:
    """Return the name of the exception for an error code in a service's model, or None."""
    if code is None:
        return None
    for shape in model.error_shapes:
        if code in (shape.name, shape.error_code):
            name = str(shape.name)
            return name if name.endswith("Exception") else f"{name}Exception"
    return None


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
        # A field that is null is left out, as AWS answers, observed.
        value = {key: item for key, item in value.items() if item is not None}
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
    if shape.type_name == "blob" or (
        shape.type_name == "string" and isinstance(value, list | dict)
    ):
        # A field of type string accepts a JSON value, for example the Input of an execution. Bytes,
        # such as the Body of an object, are the JSON of any value: text has quotes in them.
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
