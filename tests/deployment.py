"""A pipeline's compiled machine and zips on the local AWS, without Terraform; empty buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf import Pipeline
from lokki_tf.testing import Execution, LocalAws

if TYPE_CHECKING:
    from collections.abc import Mapping


class Deployment:
    """Pipelines on a local AWS to which no test applies Terraform.

    Args:
        aws: The local AWS.
    """

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws

    def run(
        self, pipeline: Pipeline, given: Any = None, answers: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Terminal outputs by name; an execution that fails is an error."""
        return self.aws.values(self.execute(pipeline, given, answers))

    def execute(
        self, pipeline: Pipeline, payload: Any = None, answers: Mapping[str, Any] | None = None
    ) -> Execution:
        """Execute a pipeline; its parameters are checked there alone."""
        return self.aws.execute(self.aws.register(pipeline), payload, answers=answers)


def empty(aws: LocalAws, bucket: str) -> None:
    """Takes the runs' data out of a bucket, as its owner would before destroying it."""
    s3 = aws.client("s3")
    for prefix in ("runs/", "locks/"):
        listed = s3.list_object_versions(Bucket=bucket, Prefix=prefix)
        for found in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=found["Key"], VersionId=found["VersionId"])
