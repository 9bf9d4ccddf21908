"""By which right a service acts: a role that is made here, or one of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.terraform.cdk import aws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .construct import PipelineConstruct


@dataclass(frozen=True, slots=True)
class Acting:
    """A role, and what must stand before it is used.

    Args:
        arn: The role's ARN.
        policies: Its policies, as far as they are made here.
        made: The role, if it is made here.
    """

    arn: str
    policies: tuple[aws.iam_role_policy.IamRolePolicy, ...] = ()
    made: aws.iam_role.IamRole | None = None


def acting(
    pipeline: PipelineConstruct,
    name: str,
    trusted: str,
    documents: Sequence[str],
    tags: dict[str, str],
    *,
    given: str | None,
    of: str = ".",
) -> Acting:
    """A role with policies; one of the user's is taken as it is.

    Args:
        pipeline: Where it stands.
        name: Of what it is.
        trusted: Its trust policy.
        documents: Its policies: what is needed, then the user's own.
        tags: Its tags.
        given: ARN of a role of the user's.
        of: As of :meth:`PipelineConstruct.role`.
    """
    if given is not None:
        return Acting(given)
    role = pipeline.role(f"{name}_role", trusted, tags, of=of)
    policies = tuple(
        aws.iam_role_policy.IamRolePolicy(
            pipeline,
            pipeline.resource_id(f"{name}_policy"),
            name="lokki" if number == 0 else f"own-{number}",
            role=role.id,
            policy=policy,
        )
        for number, policy in enumerate(documents)
    )
    return Acting(role.arn, policies, role)
