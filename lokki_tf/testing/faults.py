"""Convert exceptions of the server to AWS error responses, which clients do not retry."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from lokki_tf.testing.iam.access import AccessDenied
from lokki_tf.testing.turns import SCOPE, Wsgi

_XML_SERVICES = {
    *("autoscaling", "cloudformation", "ec2", "elasticloadbalancing", "iam", "monitoring"),
    *("rds", "redshift", "route53", "s3", "sns", "sts"),
}
CODE = "LocalAwsFault"
_DENIALS = {
    "ec2": ("UnauthorizedOperation", "403 Forbidden"),
    "lambda": ("AccessDeniedException", "403 Forbidden"),
    "sns": ("AuthorizationError", "403 Forbidden"),
    "sqs": ("AccessDenied", "403 Forbidden"),
}


def guarded(application: Wsgi) -> Wsgi:
    """Wrap a WSGI application, so that exceptions become responses with status 400 or 403.

    Clients retry requests that fail with status 500. Terraform's AWS provider does so for ten
    minutes, so an operation that moto does not implement would look like a hanging deployment.
    """

    def guard(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except AccessDenied as denied:
            return _deny(environ, start_response, denied.message)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            message = f"the local AWS failed: {type(error).__name__}: {error}"
            return _refuse(environ, start_response, CODE, message, "400 Bad Request")

    return guard


def _deny(
    environ: dict[str, Any], start_response: Callable[..., Any], message: str
) -> Iterable[bytes]:
    """Respond that access is denied, with the error code of the requested service.

    Source: each service's API Reference, "Common Errors", and "Error codes" for EC2.
    """
    service = _service(environ)
    code, status = _DENIALS.get(service, ("AccessDeniedException", "400 Bad Request"))
    if service in _XML_SERVICES and service not in _DENIALS:
        code, status = "AccessDenied", "403 Forbidden"
    return _refuse(environ, start_response, code, message, status)


def _refuse(
    environ: dict[str, Any],
    start_response: Callable[..., Any],
    code: str,
    message: str,
    status: str,
) -> Iterable[bytes]:
    content_type, body = _error_body(_service(environ), code, message)
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("x-amzn-errortype", code),
    ]
    start_response(status, headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


def _service(environ: dict[str, Any]) -> str:
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    return scope["service"] if scope is not None else "s3"


def _error_body(service: str, code: str, message: str) -> tuple[str, bytes]:
    """Return the content type and the body of an error in the protocol of a service."""
    if service in _XML_SERVICES:
        error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        if service == "ec2":
            error = f"<Response><Errors>{error}</Errors><RequestID>local</RequestID></Response>"
        elif service != "s3":
            error = f"<ErrorResponse>{error}<RequestId>local</RequestId></ErrorResponse>"
        return "application/xml", error.encode()
    return "application/json", json.dumps({"__type": code, "message": message}).encode()
