"""Functions and jobs in a VPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.terraform.cdk import aws, core, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lokki_tf.model import TextOrRef
    from lokki_tf.terraform.account import Account

    from .scope import PipelineScope


def subnets_named(
    ids: Sequence[TextOrRef],
) -> list[aws.data_aws_subnets.DataAwsSubnetsFilter] | None:
    """Return a filter for subnets by their ids, ``None`` if there are no ids."""
    values = [one if isinstance(one, str) else value_of(one) for one in ids]
    return (
        [aws.data_aws_subnets.DataAwsSubnetsFilter(name="subnet-id", values=values)]
        if ids
        else None
    )


@dataclass(frozen=True, slots=True)
class Vpc:
    """A VPC for the functions and jobs.

    Args:
        id: Its id.
        subnet_filter: Filters of ``aws_subnets``; by default all subnets of the VPC.
        outbound_cidr: Addresses to which functions may connect; by default all.
    """

    id: TextOrRef
    subnet_filter: Any = None
    outbound_cidr: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """The network arguments of functions.

    Args:
        config: ``vpc_config`` of a function.
    """

    config: dict[str, Any]

    @classmethod
    def of(cls, scope: PipelineScope, vpc: Vpc, account: Account, of: str) -> Network:
        """Add a security group for outbound traffic, and find the subnets.

        Args:
            scope: The construct that contains the security group.
            vpc: The VPC.
            account: Has the values of references.
            of: What is in the network, for people: ``Lambda functions``.
        """
        vpc_id = account.text(vpc.id)
        chosen = vpc.subnet_filter or [
            aws.data_aws_subnets.DataAwsSubnetsFilter(name="vpc-id", values=[vpc_id])
        ]
        subnets = aws.data_aws_subnets.DataAwsSubnets(
            scope, scope.resource_id("subnets"), filter=chosen
        )
        group = aws.security_group.SecurityGroup(
            scope,
            scope.resource_id("functions_security_group"),
            description=f"{of} of a pipeline: out, never in",
            vpc_id=vpc_id,
            # AWS replaces a group whose description changes, which jobs and functions use.
            lifecycle=core.TerraformResourceLifecycle(ignore_changes=["description"]),
            egress=[
                aws.security_group.SecurityGroupEgress(
                    description="what the steps connect to",
                    from_port=0,
                    to_port=0,
                    protocol="-1",
                    cidr_blocks=vpc.outbound_cidr or ["0.0.0.0/0"],
                )
            ],
            tags=scope.tags(),
        )
        return cls({"subnet_ids": subnets.ids, "security_group_ids": [group.id]})
