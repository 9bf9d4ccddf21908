"""Parse the ``Resource`` of a Task state: a function's ARN or a service integration."""

from __future__ import annotations

import re
from dataclasses import dataclass

FUNCTION_ARN = re.compile(r"arn:[\w-]+:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$")
INTEGRATION = re.compile(
    r"arn:[\w-]+:states:[\w-]*:\d*:(?P<service>(?:aws-sdk:)?[\w-]+):(?P<action>\w+)"
    r"(?P<pattern>\.sync(?::2)?|\.waitForTaskToken)?$"
)


@dataclass(frozen=True)
class Integration:
    """A parsed ``Resource``.

    Args:
        service: The service, such as ``lambda``, ``batch`` or ``aws-sdk:s3``.
        action: The action of the service, such as ``submitJob``.
        pattern: The integration pattern: empty, ``.sync``, ``.sync:2`` or ``.waitForTaskToken``.
    """

    service: str
    action: str
    pattern: str


def parse_resource(resource: str) -> Integration | None:
    """Parse the ARN of a service integration; return None if it is another ARN."""
    match = INTEGRATION.match(resource)
    if match is None:
        return None
    return Integration(match["service"], match["action"], match["pattern"] or "")
