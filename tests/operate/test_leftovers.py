"""What ``destroy`` finds in a pipeline's bucket: data, and what deployments left there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import UnconfirmedError
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deploying import Leftovers
from lokki_tf.operate.plans import Change
from lokki_tf.operate.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.testing import LocalAws

BUCKET = "leftovers-123456789012"


@step
def one() -> None: ...


def going(type_: str, **before: Any) -> Change:
    return Change("delete", type_, "any", (), before)


PLAN = [going("aws_s3_bucket", bucket=BUCKET), going("aws_s3_object", key="code/one.zip")]


@pytest.fixture
def s3(local_aws: LocalAws) -> Iterator[Any]:
    """A bucket with versions of the code of a step that is there, and of one that was removed."""
    client = local_aws.client("s3")
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in ("code/one.zip", "code/removed.zip", "literals/0123.json.gz", "layers/a.zip"):
        for _ in range(2):
            client.put_object(Bucket=BUCKET, Key=key, Body=b"old")
    client.delete_object(Bucket=BUCKET, Key="code/removed.zip")
    yield client
    for page in client.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for found in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            client.delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket=BUCKET)


def leftovers(local_aws: LocalAws) -> tuple[Leftovers, Stack]:
    config = Config(aws=AwsConfig(endpoint=local_aws.endpoint_url, region=local_aws.region))
    definition = Pipeline("leftovers", steps=[one()]).definition
    stack = Stack(definition, config, Path("nowhere"), "python pipeline.py")
    return Leftovers.of(Aws(config), PLAN), stack


def test_versions_of_code_are_no_data_of_runs(local_aws: LocalAws, s3: Any) -> None:
    """They are deleted with the bucket, without --force, and are not counted."""
    left, stack = leftovers(local_aws)
    left.refuse(stack)
    assert not left.data
    left.delete()
    kept = s3.list_object_versions(Bucket=BUCKET)
    assert {found["Key"] for found in kept["Versions"]} == {"code/one.zip"}  # Terraform's to delete
    assert "DeleteMarkers" not in kept


def test_data_is_counted_alone(local_aws: LocalAws, s3: Any) -> None:
    """Results of runs, and other objects that users have put there, need --force."""
    for key in ("runs/monday/total.json.gz", "runs/monday/total.json.gz", "inputs/mine.csv"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"12345")
    left, stack = leftovers(local_aws)
    assert str(left) == "2 objects of runs (15 bytes)"
    with pytest.raises(UnconfirmedError, match="contains 2 objects of runs"):
        left.refuse(stack)
