"""Where a pipeline stands, as ARNs name it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lokki_tf.model import shortened
from lokki_tf.model.names import digest

BUCKET_PREFIX_LENGTH = 34  # of 63: account and region take 12 and up to 15, hyphens 2


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

    def bucket_name(self, pipeline: str) -> str:
        """A pipeline's bucket: unique in all of AWS, 63 characters, in lower case.

        Args:
            pipeline: Its name.
        """
        plain = re.sub(r"[^a-z0-9-]", "-", pipeline.lower()).strip("-") or "pipeline"
        if plain != pipeline:  # two names that differ in case alone must not share a bucket
            plain = f"{plain[:25]}-{digest(pipeline)}"
        return f"{shortened(plain, BUCKET_PREFIX_LENGTH)}-{self.number}-{self.region}"
