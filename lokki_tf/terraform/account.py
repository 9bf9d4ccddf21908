"""The account and region of a pipeline, for ARNs and names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

from lokki_tf.model import TerraformRef, TextOrRef, shortened
from lokki_tf.model.names import digest
from lokki_tf.model.terraform_refs import shown

BUCKET_PREFIX_LENGTH = 34  # of 63: account, region and hyphens have up to 29


@dataclass(frozen=True, slots=True)
class Account:
    """An account in a region: Terraform references, or literal values.

    Args:
        number: The account's number.
        region: The region's name.
        partition: ``aws`` in most regions.
        domain: The suffix of its services' host names.
        refs: Returns the value of a reference to other Terraform resources; by default its
            expression.
        written: Returns the text of an expression of Terraform.
    """

    number: str
    region: str
    partition: str = "aws"
    domain: str = "amazonaws.com"
    refs: Callable[[TerraformRef], str] = shown
    written: Callable[[str], str] = "${{{}}}".format

    @overload
    def text(self, value: TextOrRef) -> str: ...
    @overload
    def text(self, value: TextOrRef | None) -> str | None: ...
    def text(self, value: TextOrRef | None) -> str | None:
        """Return a text, or the value of a reference; ``None`` is returned unchanged.

        Args:
            value: The text or reference.
        """
        return self.refs(value) if isinstance(value, TerraformRef) else value

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the account and region.

        Args:
            service: ``lambda`` for example.
            resource: ``function:daily-load`` for example.
        """
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"

    def bucket_name(self, pipeline: str) -> str:
        """Return the name of a pipeline's bucket: globally unique, 63 characters, in lower case.

        Args:
            pipeline: Its name.
        """
        plain = re.sub(r"[^a-z0-9-]", "-", pipeline.lower()).strip("-") or "pipeline"
        if plain != pipeline:  # names that differ only in case must not share a bucket
            plain = f"{plain[:25]}-{digest(pipeline)}"
        return f"{shortened(plain, BUCKET_PREFIX_LENGTH)}-{self.number}-{self.region}"
