"""The record of IAM decisions, as :attr:`lokki_tf.testing.LocalAws.iam_decisions` returns it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """One decision about a request that a role, or a service for itself, made.

    Args:
        principal: ARN of the role, or the name of the service that assumes a role.
        action: Such as ``s3:GetObject``.
        resource: ARN of the resource; ``*`` for actions without resources; ``None`` where the local
            AWS compares no resource.
        allowed: Whether it was allowed.
        statements: The statements that decided, as ``policy.Sid`` or ``policy.position``.
        message: Why it was denied, with the statement that is missing; empty if it was allowed.
    """

    principal: str
    action: str
    resource: str | None
    allowed: bool
    statements: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Right:
    """One pair of action and resource that a role's own policy allows.

    Args:
        role: ARN of the role.
        policy: Name of the policy.
        statement: The statement's ``Sid``, or its position in the policy, from 0.
        action: As the statement has it, such as ``s3:Get*``.
        resource: As the statement has it.
    """

    role: str
    policy: str
    statement: str
    action: str
    resource: str
