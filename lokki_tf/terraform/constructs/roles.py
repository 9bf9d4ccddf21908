"""Roles of services: created here, or provided by the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.terraform.cdk import aws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Base


@dataclass(frozen=True, slots=True)
class Acting:
    """A role and its dependencies.

    Args:
        arn: The role's ARN.
        policies: Its policies that are created here.
        made: The role, if it is created here.
    """

    arn: str
    policies: tuple[aws.iam_role_policy.IamRolePolicy, ...] = ()
    made: aws.iam_role.IamRole | None = None


def acting(
    base: Base,
    name: str,
    trusted: str,
    documents: Sequence[str],
    tags: dict[str, str],
    *,
    given: str | None,
    of: str = ".",
) -> Acting:
    """Return a role with policies, or the user's role unchanged.

    Args:
        base: What all resources share.
        name: The name of its user, a step for example.
        trusted: Its trust policy.
        documents: Its policies: the required ones, then the user's own.
        tags: Its tags.
        given: ARN of the user's role.
        of: As for :meth:`Base.role`.
    """
    if given is not None:
        return Acting(given)
    role = base.role(f"{name}_role", trusted, tags, of=of)
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
    return Acting(role.arn, policies, role)
