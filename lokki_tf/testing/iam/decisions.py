"""The types of decisions and permissions that ``LocalAws`` returns to tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """A decision on a request of a role or of an AWS service.

    Args:
        principal: The ARN of the role, or the service principal if a service makes the request.
        action: The action, such as ``s3:GetObject``.
        resource: The ARN of the resource; ``*`` for actions without resources; ``None`` if the
            local AWS cannot derive the resource from the request.
        allowed: Whether the request was allowed.
        statements: The statements that decided, as ``policy.Sid`` or ``policy.position``.
        message: The reason of a denial, with the missing statement; empty if allowed.
    """

    principal: str
    action: str
    resource: str | None
    allowed: bool
    statements: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Right:
    """A permission: a pair of action and resource that a statement of a role's policy allows.

    Args:
        role: The ARN of the role.
        policy: The name of the policy.
        statement: The statement's ``Sid``, or its position in the policy, from 0.
        action: The action in the statement, such as ``s3:Get*``.
        resource: The resource in the statement.
    """

    role: str
    policy: str
    statement: str
    action: str
    resource: str
