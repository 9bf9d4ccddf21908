"""Sources of secrets.

A *source* is the name or ARN of a secret in Secrets Manager, or ``ssm:`` and the name of a
parameter in Parameter Store. ``#key`` after it selects one value of a JSON object.
"""

from __future__ import annotations

MANAGER, PARAMETERS = "secretsmanager", "ssm"
"""The services' names in boto3."""
_PREFIX = f"{PARAMETERS}:"


def parts(source: str) -> tuple[str, str, str | None]:
    """Split a source into the service, the name there, and the key, if there is one."""
    name, mark, key = source.partition("#")
    service = PARAMETERS if name.startswith(_PREFIX) else MANAGER
    return service, name[len(_PREFIX) :] if service == PARAMETERS else name, key if mark else None
