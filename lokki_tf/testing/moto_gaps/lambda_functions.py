"""Invoke Lambda functions with ``functions.runner``. moto requires Docker for this.

The stages of an invocation: find moto's function, check the size and JSON of the payload, assume
the function's role, run the function, return the outcome.
"""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from lokki_tf.testing.account import Account
from lokki_tf.testing.functions.deployed import Function, Image, Outcome
from lokki_tf.testing.functions.runner import REQUEST_BYTES
from lokki_tf.testing.images.programs import CannotStart
from lokki_tf.testing.moto_gaps.lambda_roles import take_role
from lokki_tf.testing.settings import ACCOUNT_ID
from lokki_tf.testing.state_machines.services import Invocation, ServiceError

_EVENT_BYTES = 1_048_576
_LOG_TAIL_BYTES = 4096
_COLONS = 6
"""The number of colons in the ARN of a function without a version."""


def run_functions(account: Account) -> None:
    """Replace moto's methods that invoke functions, for ``Invoke`` and for other services."""
    from moto.awslambda.models import LambdaFunction
    from moto.awslambda.responses import LambdaResponse

    def invoke_lambda(self: Any, event: Any = None) -> tuple[str, bool, str]:
        # Called by other services of moto, for example by SNS for a subscription.
        text = event if isinstance(event, str) else json.dumps(event)
        take_role(account, self)
        outcome = _run(account, _function(account, self, self.function_arn), text.encode())
        return outcome.payload.decode(), outcome.error is not None, outcome.log

    def respond(self: Any) -> tuple[int, dict[str, str], bytes]:
        return _respond(account, self)

    account.invoke = partial(invoke, account)
    # The method in which moto starts a container; it has no public one to replace.
    setattr(LambdaFunction, "_invoke_lambda", invoke_lambda)  # noqa: B010
    setattr(LambdaResponse, "invoke", respond)  # noqa: B010


def invoke(
    account: Account,
    region: str,
    name: str,
    payload: bytes,
    qualifier: str | None,
    kind: str,
) -> Invocation:
    """Invoke a function by name or ARN.

    Raises:
        ServiceError: If Lambda responds with an error.
    """
    function, outcome = _invoke(account, region, name, payload, qualifier, kind)
    if outcome is None:
        return Invocation(b"", status=202 if kind == "Event" else 204)
    return Invocation(
        outcome.payload,
        outcome.error,
        function.version,
        outcome.request_id,
        log_tail=_log_tail(outcome),
    )


def _invoke(
    account: Account, region: str, name: str, payload: bytes, qualifier: str | None, kind: str
) -> tuple[Function, Outcome | None]:
    found = _find(region, name, qualifier)
    _check_size(payload, kind)
    _check_json(payload)
    take_role(account, found)
    function = _function(account, found, found.function_arn)
    if kind == "DryRun":
        return function, None
    if kind == "Event":
        work = (account, region, name, payload)
        Thread(target=run_event, args=work, daemon=True).start()
        return function, None
    return function, _run(account, function, payload)


def _check_size(payload: bytes, kind: str) -> None:
    limit = _EVENT_BYTES if kind == "Event" else REQUEST_BYTES
    if len(payload) > limit:
        raise ServiceError(
            "RequestTooLargeException",
            f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
            status=413,
        )


def _check_json(payload: bytes) -> None:
    try:
        json.loads(payload)
    except ValueError as error:
        raise ServiceError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from None


def _find(region: str, name: str, qualifier: str | None) -> Any:
    from moto.awslambda.models import lambda_backends
    from moto.core.exceptions import ServiceException

    if name.startswith("arn:"):
        _, _, _, region, owner, _, name, *rest = name.split(":")
        qualifier = rest[0] if rest else qualifier
    else:
        owner = ACCOUNT_ID
    try:
        return lambda_backends[owner][region].get_function(name, qualifier)
    except Exception as error:
        if not isinstance(error, ServiceException) and not hasattr(error, "error_type"):
            raise
        message = getattr(error, "message", str(error))
        raise ServiceError("ResourceNotFoundException", message, status=404) from None


def _function(account: Account, found: Any, arn: str) -> Function:
    is_image = found.package_type == "Image"
    return Function(
        name=found.function_name,
        arn=arn,
        version=str(found.version) if arn.count(":") > _COLONS else "$LATEST",
        handler=found.handler or "",
        runtime=found.run_time or "",
        timeout=float(found.timeout),
        memory_size=int(found.memory_size),
        environment=dict(found.environment_vars),
        code=b"" if is_image else found.code_bytes,
        layers=_layers(found),
        log_group=found.logs_group_name,
        image=_image(found) if is_image else None,
        role=found.role,
        credentials=account.credentials(found.role, found.function_name),
    )


def _image(found: Any) -> Image:
    config = found.image_config
    return Image(
        found.code["ImageUri"],
        tuple(config.cmd) or None,
        tuple(config.entry_point) or None,
        config.working_directory or None,
    )


def _run(account: Account, function: Function, payload: bytes) -> Outcome:
    try:
        return account.runner.invoke(function, payload)
    except CannotStart as error:
        message = f"The function {function.name} cannot be run: {error.reason}"
        raise ServiceError("InvalidRuntimeException", message, status=502) from None


def run_event(account: Account, region: str, name: str, payload: bytes) -> tuple[str, str | None]:
    """Invoke a function asynchronously. If it fails, send a record to its destination.

    Args:
        account: The account.
        region: The function's region.
        name: The function's name or ARN.
        payload: The JSON of the event.

    Returns:
        The JSON of the function's result or error, and the kind of error; AWS returns neither.

    Raises:
        ServiceError: If the function does not exist.
    """
    found = _find(region, name, None)
    try:
        take_role(account, found)
        outcome = _run(account, _function(account, found, found.function_arn), payload)
        error, answer = outcome.error, outcome.payload.decode()
    except ServiceError as refused:
        error, answer = refused.code, json.dumps({"errorMessage": refused.message})
    destination = _destination(found)
    if error is None or destination is None:
        return answer, error
    # Source: Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations".
    record = {
        "version": "1.0",
        "requestContext": {"functionArn": found.function_arn, "condition": "RetriesExhausted"},
        "requestPayload": json.loads(payload),
        "responseContext": {"statusCode": 200, "functionError": error},
        "responsePayload": json.loads(answer),
    }
    with suppress(ClientError):  # AWS does not report that the role may not write to it
        send(account, destination, json.dumps(record), role=found.role)
    return answer, error


def _destination(found: Any) -> str | None:
    """Return the ARN of the queue for events that a function failed to process, or None."""
    for one in found.event_invoke_config:
        destination: str | None = (
            one.config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        )
        return destination
    return None


def send(account: Account, queue: str, text: str, role: str | None = None) -> None:
    """Send a message to a queue of the account.

    Args:
        account: The account.
        queue: The queue's ARN.
        text: The message.
        role: The ARN of the role that sends the message; None for all permissions.
    """
    region, name = queue.split(":")[3], queue.split(":")[5]
    operator = account.region(region, None).client("sqs")
    url = operator.get_queue_url(QueueName=name)["QueueUrl"]
    sqs = account.region(region, role).client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody=text)


def _layers(found: Any) -> tuple[bytes, ...]:
    from moto.awslambda.models import lambda_backends

    backend = lambda_backends[found.account_id][found.region]
    # The ARN of another account's layer may lack the version. Such layers are empty.
    arns = [layer["Arn"] for layer in found.layers if layer["Arn"].rpartition(":")[2].isdigit()]
    versions = [backend.layers_versions_by_arn(arn) for arn in arns]
    # moto finds layers by name only, so the result may be the layer of another account.
    return tuple(
        version.code_bytes
        for arn, version in zip(arns, versions, strict=True)
        if version is not None and version.arn == arn
    )


def _respond(account: Account, response: Any) -> tuple[int, dict[str, str], bytes]:
    name = unquote(response.path.rsplit("/", 2)[-2])
    kind = response.headers.get("X-Amz-Invocation-Type") or "RequestResponse"
    # moto reads the parameter "qualifier", but its name in requests is "Qualifier".
    qualifier = response.querystring.get("Qualifier", [None])[0]
    body = response.body or b"{}"
    payload = body.encode() if isinstance(body, str) else body
    try:
        function, outcome = _invoke(account, response.region, name, payload, qualifier, kind)
    except ServiceError as error:
        return _refusal(error)
    headers = {"content-type": "application/json", "x-amz-executed-version": function.version}
    if outcome is None:
        status = 202 if kind == "Event" else 204
        return status, {**headers, "status": str(status)}, b""
    headers["x-amzn-RequestId"] = outcome.request_id
    if outcome.error is not None:
        headers["x-amz-function-error"] = outcome.error
    if response.headers.get("X-Amz-Log-Type") == "Tail":
        headers["x-amz-log-result"] = base64.b64encode(_log_tail(outcome)).decode()
    return 200, headers, outcome.payload


def _log_tail(outcome: Outcome) -> bytes:
    return outcome.log[-_LOG_TAIL_BYTES:].encode()[-_LOG_TAIL_BYTES:]


def _refusal(error: ServiceError) -> tuple[int, dict[str, str], bytes]:
    headers = {"x-amzn-errortype": error.code, "status": str(error.status)}
    return error.status, headers, json.dumps({"Type": "User", "Message": error.message}).encode()
