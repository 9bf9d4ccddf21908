"""Faults of the server, told to the client as errors that it does not try again."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from xml.sax.saxutils import escape

from lokki_tf.testing.turns import SCOPE, Wsgi

_XML_SERVICES = {
    *("autoscaling", "cloudformation", "ec2", "elasticloadbalancing", "iam", "monitoring"),
    *("rds", "redshift", "route53", "s3", "sns", "sts"),
}
CODE = "LocalAwsFault"


def guarded(application: Wsgi) -> Wsgi:
    """Answer with an error where an application raises.

    A status of 500 would be tried again: by Terraform's provider for ten minutes, so that what moto
    lacks looks like a deployment that hangs.
    """

    def guard(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            kind, body = _told(environ, f"the local AWS failed: {type(error).__name__}: {error}")
            headers = [
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                ("x-amzn-errortype", CODE),
            ]
            start_response("400 Bad Request", headers)
            return [body]

    return guard


def _told(environ: dict[str, Any], message: str) -> tuple[str, bytes]:
    scope = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if scope is not None and scope["service"] in _XML_SERVICES:
        error = f"<Error><Code>{CODE}</Code><Message>{escape(message)}</Message></Error>"
        if scope["service"] != "s3":
            error = f"<ErrorResponse>{error}<RequestId>local</RequestId></ErrorResponse>"
        return "application/xml", error.encode()
    return "application/json", json.dumps({"__type": CODE, "message": message}).encode()
