"""Rights of pipelines that start others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lokki_tf import Parameter, Pipeline, start_pipeline, step
from lokki_tf.config import AwsConfig, Config

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from lokki_tf.testing import LocalAws


@step
def double(number: int) -> int:
    return 2 * number


@step
def text(number: int) -> str:
    return str(number)


def test_executions_that_a_key_encrypts_are_read(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the user's key, the parent may decrypt the output of the pipeline that it starts."""
    key = local_aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    (tmp_path / "lokki.toml").write_text(f'[aws]\nkms_key = "{key}"\n')
    monkeypatch.chdir(tmp_path)
    child = Pipeline("encrypted-child", steps=[double(Parameter("number", int))])
    parent = Pipeline(
        "encrypted-parent", steps=[text(start_pipeline("encrypted-child", {"number": 3}))]
    )
    assert parent.started_pipelines == [child]
    execution = local_aws.run(parent)
    assert local_aws.values(execution) == {"text": "6"}


def test_trusted_results_of_a_shared_bucket_are_readable(tmp_path: Path) -> None:
    """With artifact_bucket the other pipeline's results are in the same bucket, whose ARN is known
    only to Terraform.
    """
    config = Config(aws=AwsConfig(artifact_bucket="shared"))
    parent = Pipeline("parent", steps=[start_pipeline("apart", {"number": 3}, trust=True)])
    made = parent.synth(tmp_path, config=config).folder / "cdk.tf.json"
    policies = json.loads(made.read_text())["resource"]["aws_iam_role_policy"]
    statements = json.loads(policies["starts_policy"]["policy"])["Statement"]
    (read,) = (one["Resource"] for one in statements if one["Sid"] == "Read")
    bucket = "${data.aws_s3_bucket.bucket.arn}"
    assert read == [f"{bucket}/parent/runs/*", f"{bucket}/apart/runs/*"]
