"""Functions in a VPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.terraform.cdk import aws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .construct import PipelineConstruct


def subnets_named(ids: Sequence[str]) -> list[aws.data_aws_subnets.DataAwsSubnetsFilter] | None:
    """Return a filter for subnets by their ids, ``None`` if there are no ids."""
    return (
        [aws.data_aws_subnets.DataAwsSubnetsFilter(name="subnet-id", values=list(ids))]
        if ids
        else None
    )


@dataclass(frozen=True, slots=True)
class Network:
    """Return the network arguments of functions.

    Args:
        config: ``vpc_config`` of a function.
    """

    config: dict[str, Any]

    @classmethod
    def of(
        cls,
        scope: PipelineConstruct,
        vpc_id: str | None,
        subnet_filter: Any,
        outbound_cidr: list[str] | None,
    ) -> Network | None:
        """Return the VPC settings of functions: a security group for outbound traffic, and subnets.

        Args:
            scope: The construct that contains the security group.
            vpc_id: The VPC, or ``None`` for functions without a VPC.
            subnet_filter: Filters of ``aws_subnets``; by default all subnets of the VPC.
            outbound_cidr: Addresses to which functions may connect; by default all.
        """
        if vpc_id is None:
            return None
        chosen = subnet_filter or [
            aws.data_aws_subnets.DataAwsSubnetsFilter(name="vpc-id", values=[vpc_id])
        ]
        subnets = aws.data_aws_subnets.DataAwsSubnets(
            scope, scope.resource_id("subnets"), filter=chosen
        )
        group = aws.security_group.SecurityGroup(
            scope,
            scope.resource_id("functions_security_group"),
            description="Lambda functions of a pipeline: out, never in",
            vpc_id=vpc_id,
            egress=[
                aws.security_group.SecurityGroupEgress(
                    description="what the steps connect to",
                    from_port=0,
                    to_port=0,
                    protocol="-1",
                    cidr_blocks=outbound_cidr or ["0.0.0.0/0"],
                )
            ],
            tags=scope.tags(),
        )
        return cls({"subnet_ids": subnets.ids, "security_group_ids": [group.id]})
