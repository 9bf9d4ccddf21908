"""Run tasks that invoke Lambda functions, by ``lambda:invoke`` or by a function's ARN."""

from __future__ import annotations

import base64
from email.utils import formatdate
from functools import lru_cache
from time import time

from lokki_tf.testing.state_machines import limits
from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.services import Invocation, ServiceError, Services
from lokki_tf.testing.state_machines.values import Json, dump, load, size

_PARAMETERS = {
    "FunctionName",
    "Payload",
    "Qualifier",
    "InvocationType",
    "ClientContext",
    "LogType",
}


def call_function(services: Services, arn: str, value: Json) -> Json:
    """Run a task whose ``Resource`` is a function's ARN.

    Returns:
        The value that the function returned.

    Raises:
        StateFailure: If the function fails.
    """
    return _payload(_invoke(services, arn, dump(value)))


def invoke(services: Services, arguments: Json) -> Json:
    """Run a task of the integration ``lambda:invoke``.

    Returns:
        The value that the function returned, as ``Payload``, and data about the HTTP response.

    Raises:
        StateFailure: If the function fails.
    """
    unknown = set(arguments) - _PARAMETERS
    if unknown:
        message = f"The Parameters of lambda:invoke have unknown fields: {sorted(unknown)}"
        raise StateFailure(RUNTIME, message)
    if "FunctionName" not in arguments:
        raise StateFailure(RUNTIME, "The Parameters of lambda:invoke must have a FunctionName")
    kind = arguments.get("InvocationType", "RequestResponse")
    # Without a Payload, Lambda receives an empty object. A Payload that is text is sent as it is,
    # as AWS answers, observed: the text "0.5" arrives as a number.
    payload = arguments.get("Payload")
    payload = {} if payload is None else payload
    done = _invoke(
        services,
        arguments["FunctionName"],
        payload if isinstance(payload, str) else dump(payload),
        qualifier=arguments.get("Qualifier"),
        kind=kind,
    )
    tail = None
    if arguments.get("LogType") == "Tail":
        tail = base64.b64encode(done.log_tail).decode()
    answer: dict[str, Json] = {
        "ExecutedVersion": done.version,
        "Payload": _payload(done) if kind == "RequestResponse" else None,
        "SdkHttpMetadata": _http(done, tail),
        "SdkResponseMetadata": {"RequestId": done.request_id},
        "StatusCode": done.status,
    }
    return answer if tail is None else {**answer, "LogResult": tail}


def _invoke(
    services: Services,
    function: str,
    value: str,
    *,
    qualifier: str | None = None,
    kind: str = "RequestResponse",
) -> Invocation:
    """Invoke a function, with errors of the service as Step Functions names them."""
    try:
        return services.invoke(function, value.encode(), qualifier=qualifier, kind=kind)
    except ServiceError as error:
        # Source of the name: awslabs/aws-deployment-framework, issue 460.
        denied = error.code == "AccessDeniedException"
        raise StateFailure(
            "Lambda.AWSLambdaException" if denied else f"Lambda.{error.code}",
            f"{error.message} (Service: Lambda, Status Code: {error.status}, "
            f"Request ID: {error.request_id})",
        ) from None


def _payload(done: Invocation) -> Json:
    """Return the value that a function returned.

    Raises:
        StateFailure: If the function failed, or its result is too long or not JSON.
    """
    text = done.payload.decode()
    if done.error is not None:
        raise StateFailure(_error_type(text), text)
    if size(text) > limits.PAYLOAD_BYTES:
        # AWS counts the text from Lambda, in which Python's runtime adds spaces after commas.
        raise StateFailure(
            limits.DATA_LIMIT_EXCEEDED,
            "The Lambda function returned a result with a size exceeding "
            "the maximum number of bytes service limit.",
        )
    try:
        return load(text)
    except ValueError:
        message = f"The Lambda function must return JSON, got: {text[:200]}"
        raise StateFailure(RUNTIME, message) from None


def _error_type(text: str) -> str:
    """Return the name of the error that a function reports, as Lambda's runtimes write it."""
    try:
        return str(load(text)["errorType"])
    except (ValueError, KeyError, TypeError):
        return "Lambda.Unknown"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _http(done: Invocation, tail: str | None) -> Json:
    """Return the data about the HTTP response, which AWS adds to the result."""
    length, hexes = str(len(done.payload)), done.request_id.replace("-", "").ljust(32, "0")
    # As long as the value from AWS, because these headers count towards the size of the result.
    trace = f"Root=1-{hexes[:8]}-{hexes[:24]};Parent={hexes[:16]};Sampled=0;Lineage=1:{hexes[:8]}:0"
    headers = {
        "Connection": "keep-alive",
        "Content-Length": length,
        "Content-Type": "application/json",
        "Date": _date(int(time())),
        "X-Amz-Executed-Version": done.version,
        "x-amzn-Remapped-Content-Length": "0",
        "x-amzn-RequestId": done.request_id,
        "X-Amzn-Trace-Id": trace,
    }
    if tail is not None:
        headers["X-Amz-Log-Result"] = tail
    return {
        "AllHttpHeaders": {name: [value] for name, value in headers.items()},
        "HttpHeaders": headers,
        "HttpStatusCode": done.status,
    }
