"""What the ``Resource`` of a Task names."""

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
        service: ``lambda``, ``batch``, ``aws-sdk:s3`` and the like.
        action: what of the service.
        pattern: empty, ``.sync``, ``.sync:2`` or ``.waitForTaskToken``.
    """

    service: str
    action: str
    pattern: str


def parse_resource(resource: str) -> Integration | None:
    """Parse the ARN of a service integration; None if it is none."""
    match = INTEGRATION.match(resource)
    if match is None:
        return None
    return Integration(match["service"], match["action"], match["pattern"] or "")
