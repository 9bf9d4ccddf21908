"""The account: another AWS, a key of the user's, the state in a bucket."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack
from operate_folder import NO_LIFECYCLE

from lokki_tf import Pipeline, step
from lokki_tf.checks.policies import patterns_compared_literally
from lokki_tf.config import load_config
from lokki_tf.terraform.permissions import MOST_ARNS
from lokki_tf.testing.provider import ProviderProcess, program_in

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.terraform.synth import Synthesized
    from lokki_tf.testing import LocalAws

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@step
def rows() -> list[str]:
    return ["x" * 100_000] * 3


@step(env_variables={"MORE": "y"})
def longer(row: str) -> str:
    import os

    return row + os.environ["MORE"]


@step
def total(rows: list[str]) -> int:
    return sum(map(len, rows))


def synthesized(tmp_path: Path, toml: str, name: str = "account") -> Synthesized:
    (tmp_path / "lokki.toml").write_text(toml)
    pipeline = Pipeline(name, steps=[rows().map(longer).agg(total)], schedule="cron(0 9 * * ? *)")
    return pipeline.synth(tmp_path / "out", config=load_config(tmp_path, environ={}))


def written(made: Synthesized) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())
    return found


def statements(made: Synthesized, policy: str) -> dict[str, Any]:
    """The statements of a role's policy, by their ids."""
    text = written(made)["resource"]["aws_iam_role_policy"][policy]["policy"]
    return {one["Sid"]: one for one in json.loads(text)["Statement"]}


@pytest.mark.parametrize(
    ("endpoint", "local"),
    [
        ("http://localhost:4566", True),
        ("http://127.0.0.1:5000/", True),
        ("http://[::1]:5000", True),
        ("http://s3.localhost:4566", True),
        ("https://aws.test", False),
        ("http://localhost.evil.test", False),
        ("http://10.0.0.1:4566", False),
    ],
)
def test_only_what_listens_here_gets_keys_that_are_none(
    tmp_path: Path, endpoint: str, local: bool
) -> None:
    """On loopback the provider has keys and a region of its own, elsewhere the user's profile."""
    made = synthesized(tmp_path, f'[aws]\nendpoint = "{endpoint}"\nprofile = "work"\n')
    (provider,) = written(made)["provider"]["aws"]
    (endpoints,) = provider["endpoints"]
    kinds = {"lambda", "sfn", "s3", "sts", "iam", "logs", "scheduler", "ec2"}
    assert kinds <= set(endpoints)
    assert set(endpoints.values()) == {endpoint}
    assert provider["skip_credentials_validation"] is True
    assert "skip_requesting_account_id" not in provider
    assert ("access_key" in provider) is local
    assert provider.get("profile") == (None if local else "work")
    assert provider.get("region") == ("us-east-1" if local else None)


def plain(folder: Path) -> dict[str, str]:
    """An environment of which no variable is about an account."""
    others = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    return {**others, "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}


def terraform(folder: Path, *arguments: str, **variables: str) -> str:
    """Runs Terraform in such an environment."""
    done = subprocess.run(
        ["terraform", *arguments, "-no-color"],
        cwd=folder,
        env={**plain(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_key_encrypts_all_that_can_be_encrypted(tmp_path: Path) -> None:
    """Bucket, logs, executions, variables and schedule have the key."""
    resources = written(synthesized(tmp_path, f'[aws]\nkms_key = "{KEY}"\n'))["resource"]
    (rule,) = resources["aws_s3_bucket_server_side_encryption_configuration"]["bucket_encryption"][
        "rule"
    ]
    assert rule == {
        "apply_server_side_encryption_by_default": {
            "kms_master_key_id": KEY,
            "sse_algorithm": "aws:kms",
        },
        "bucket_key_enabled": True,
    }
    groups = resources["aws_cloudwatch_log_group"].values()
    assert {one["kms_key_id"] for one in groups} == {KEY}
    machine = resources["aws_sfn_state_machine"]["state_machine"]
    assert machine["encryption_configuration"]["kms_key_id"] == KEY
    assert machine["encryption_configuration"]["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert resources["aws_scheduler_schedule"]["schedule"]["kms_key_arn"] == KEY
    functions = resources["aws_lambda_function"]
    assert {one["kms_key_arn"] for one in functions.values()} == {KEY}


OBJECTS_AND_VARIABLES = {
    "ObjectKey": ["kms:Decrypt", "kms:GenerateDataKey"],
    "VariablesKey": ["kms:Decrypt"],
}


def test_each_role_may_use_the_key_for_its_own_alone(tmp_path: Path) -> None:
    """Every statement names the key, and the context that it may be used in."""
    made = synthesized(tmp_path, f'[aws]\nkms_key = "{KEY}"\n')
    found = {
        name: {sid: one for sid, one in statements(made, f"{name}_policy").items() if "Key" in sid}
        for name in ("rows", "longer", "total", "state_machine", "schedule")
    }
    assert {
        name: {sid: one["Action"] for sid, one in of.items()} for name, of in found.items()
    } == {
        "rows": OBJECTS_AND_VARIABLES,
        "longer": OBJECTS_AND_VARIABLES,
        "total": OBJECTS_AND_VARIABLES,
        "state_machine": {
            "ExecutionsKey": ["kms:Decrypt", "kms:GenerateDataKey"],
            "LogDeliveryKey": ["kms:GenerateDataKey"],
            "ObjectKey": ["kms:Decrypt", "kms:GenerateDataKey"],
        },
        "schedule": {"ScheduleKey": ["kms:Decrypt"]},
    }
    for of in found.values():
        for one in of.values():
            assert one["Resource"] == [KEY]
            contexts = [
                key
                for conditions in one["Condition"].values()
                for key in conditions
                if key.startswith("kms:EncryptionContext:")
            ]
            assert len(contexts) == 1


def test_no_policy_has_a_pattern_under_an_operator_that_compares_exactly(tmp_path: Path) -> None:
    """With more maps than a policy names one by one, the pattern is under StringLike."""
    items = rows()
    maps = [items.map(longer).agg(total) for _ in range(MOST_ARNS + 1)]
    (tmp_path / "lokki.toml").write_text(f'[aws]\nkms_key = "{KEY}"\n')
    config = load_config(tmp_path, environ={})
    made = Pipeline("many", steps=maps, schedule="rate(1 day)").synth(tmp_path, config=config)
    machine = statements(made, "state_machine_policy")["ExecutionsKey"]
    (machines,) = machine["Condition"]["StringLike"].values()
    assert machines[1].endswith(":stateMachine:many/*")
    assert list(patterns_compared_literally(written(made))) == []


@stack
def under_a_key(aws: LocalAws, folder: Path) -> Path:
    """A stack with a key of the user's everywhere."""
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    return synthesized(folder, f'[aws]\nkms_key = "{key}"\n', "encrypted").folder


def test_a_pipeline_under_a_key_of_the_users_deploys_and_runs(applied: Applied) -> None:
    """Real Terraform takes the key everywhere, and the pipeline runs."""
    assert applied.values("under_a_key") == {"total": 300_003}


@pytest.mark.terraform
def test_plain_terraform_needs_no_credentials_and_keeps_its_state_in_a_bucket(
    local_aws: LocalAws, tmp_path: Path
) -> None:
    """An endpoint on loopback is all that `terraform apply` needs, without keys or region.

    State and both kinds of lock are in the account, nothing is beside the configuration.
    """
    s3, locks = local_aws.client("s3"), local_aws.client("dynamodb")
    s3.create_bucket(Bucket="states")
    locks.create_table(
        TableName="locks",
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    made = synthesized(
        tmp_path,
        f'[aws]\nendpoint = "{local_aws.endpoint_url}"\n[terraform]\nbackend = "s3"\n'
        'bucket = "states"\nuse_lockfile = true\ndynamodb_table = "locks"\n',
        "stated",
    )
    assert str(tmp_path) not in (made.folder / "cdk.tf.json").read_text()
    (made.folder / "test_override.tf.json").write_text(json.dumps(NO_LIFECYCLE))
    terraform(made.folder, "init", "-input=false")
    installed = program_in(made.folder / ".terraform")
    assert installed is not None
    provider = ProviderProcess(installed, made.folder, plain(made.folder))
    try:
        options = ("-auto-approve", "-input=false", "-parallelism=30")
        terraform(made.folder, "apply", *options, **provider.environment)
    finally:
        provider.close()
    outputs = json.loads(terraform(made.folder, "output", "-json"))
    execution = local_aws.execute(outputs["state_machine_arn"]["value"])
    assert local_aws.values(execution) == {"total": 300_003}
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="states")["Contents"]]
    assert keys == ["stated/terraform.tfstate"]
    assert not (made.folder / "terraform.tfstate").exists()
    assert locks.scan(TableName="locks")["Count"] == 1


def test_the_state_is_reached_as_the_account_is(tmp_path: Path) -> None:
    """Region and profile of [aws] hold for the state too, unless [terraform] says a region."""
    aws = '[aws]\nregion = "eu-west-1"\nprofile = "work"\n'
    state = '[terraform]\nbackend = "s3"\nbucket = "states"\n'
    found = [
        written(synthesized(tmp_path, aws + state + more))["terraform"]["backend"]["s3"]
        for more in ("", 'region = "eu-north-1"\nkey = "here"\n')
    ]
    assert [one["region"] for one in found] == ["eu-west-1", "eu-north-1"]
    assert [one["key"] for one in found] == ["account/terraform.tfstate", "here"]
    assert found[0]["profile"] == "work"
