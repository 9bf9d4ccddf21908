"""Roles of services: created here, or provided by the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.terraform.cdk import aws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import TextOrRef

    from .base import Base


@dataclass(frozen=True, slots=True)
class ServiceRole:
    """The role of a function, a job, the state machine or a schedule.

    Args:
        arn: The role's ARN.
        policies: Its policies; none if the user provides the role.
        made: The role; ``None`` if the user provides it.
    """

    arn: str
    policies: tuple[aws.iam_role_policy.IamRolePolicy, ...] = ()
    made: aws.iam_role.IamRole | None = None


def add_role(
    base: Base,
    name: str,
    trusted: str,
    documents: Sequence[str],
    tags: dict[str, str],
    *,
    given: TextOrRef | None,
    separator: str = ".",
) -> ServiceRole:
    """Add a role with policies; if the user provides a role, return that one unchanged.

    Args:
        base: What all resources share.
        name: What has the role: the name of a step, for example.
        trusted: Its trust policy.
        documents: Its policies: one with what lokki_tf requires, then those of ``policies=``.
        tags: Its tags.
        given: ARN of the user's role, or a reference to it, if any.
        separator: As for :meth:`Base.role`.
    """
    if given is not None:
        return ServiceRole(base.account.text(given))
    role = base.role(f"{name}_role", trusted, tags, separator=separator)
    policies = tuple(
        aws.iam_role_policy.IamRolePolicy(
            base.scope,
            base.scope.resource_id(f"{name}_policy"),
            name="lokki" if number == 0 else f"own-{number}",
            role=role.id,
            policy=policy,
        )
        for number, policy in enumerate(documents)
    )
    return ServiceRole(role.arn, policies, role)
