"""Where a pipeline stands, as ARNs name it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account in a region: references of Terraform's, or what a person writes there.

    Args:
        number: The account's.
        region: The region's name.
        partition: ``aws`` nearly everywhere.
        domain: What the names of its services end with.
    """

    number: str
    region: str
    partition: str = "aws"
    domain: str = "amazonaws.com"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in the account and region.

        Args:
            service: As in ``lambda``.
            resource: As in ``function:daily-load``.
        """
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"
