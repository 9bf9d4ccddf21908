"""Settings of lokki.toml, as they arrive in Terraform."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from applied import Applied, stack

from lokki_tf import Pipeline, step
from lokki_tf.config import load_config
from lokki_tf.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws


@step
def plain() -> str:
    import os

    return os.environ.get("LOG_LEVEL", "") + "x" * 300_000


@step(memory_size=256, timeout_seconds=10, env_variables={"LOG_LEVEL": "DEBUG"})
def special(text: str) -> int:
    return len(text)


def synthesized(tmp_path: Path, toml: str) -> dict[str, Any]:
    """The Terraform of a pipeline with these settings."""
    (tmp_path / "lokki.toml").write_text(toml)
    config = load_config(tmp_path, environ={})
    pipeline = Pipeline("settings", steps=[special(plain())], schedule="rate(1 day)")
    made = pipeline.synth(tmp_path / config.build_dir, config=config)
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())
    return found


def test_what_a_step_says_stands_above_the_settings(tmp_path: Path) -> None:
    """[lambda] gives what a step leaves open, and env is put together."""
    written = synthesized(
        tmp_path,
        'build_dir = "out"\n[lambda]\ntimeout_seconds = 60\nmemory_size = 2048\n'
        'python_runtime = "python3.12"\n'
        'architecture = "arm64"\nenv = { LOG_LEVEL = "INFO", MORE = "${x}" }\n',
    )
    functions = written["resource"]["aws_lambda_function"]
    assert (functions["plain"]["timeout"], functions["plain"]["memory_size"]) == (60, 2048)
    assert (functions["special"]["timeout"], functions["special"]["memory_size"]) == (10, 256)
    assert functions["plain"]["runtime"] == functions["special"]["runtime"] == "python3.12"
    assert functions["plain"]["architectures"] == ["arm64"]
    assert functions["plain"]["environment"]["variables"] == {
        "LOG_LEVEL": "INFO",
        "MORE": "$${x}",
        "LOKKI_STEP": "plain",
        "LOKKI_STORE": "s3://${aws_s3_bucket.bucket.bucket}",
    }
    assert functions["special"]["environment"]["variables"]["LOG_LEVEL"] == "DEBUG"
    assert (tmp_path / "out" / "stacks" / "settings" / "cdk.tf.json").exists()


def test_account_state_and_schedule_are_the_settings(tmp_path: Path) -> None:
    """[aws], [terraform] and [schedule] reach provider, backend, roles and schedule."""
    written = synthesized(
        tmp_path,
        '[aws]\nregion = "eu-west-1"\nprofile = "work"\nendpoint = "https://aws.test"\n'
        'permissions_boundary = "arn:aws:iam::123456789012:policy/edge"\ntags = { team = "data" }\n'
        '[aws.vpc]\nid = "vpc-1"\nsubnets = ["subnet-1"]\noutbound_cidr = ["10.0.0.0/8"]\n'
        '[terraform]\nbackend = "s3"\nbucket = "states"\nuse_lockfile = true\n'
        '[schedule]\ntimezone = "Europe/Helsinki"\nflexible_window_minutes = 5\n'
        'state = "DISABLED"\n',
    )
    (provider,) = written["provider"]["aws"]
    assert (provider["region"], provider["profile"]) == ("eu-west-1", "work")
    assert provider["s3_use_path_style"] is True
    assert provider["endpoints"][0]["sfn"] == "https://aws.test"
    assert "access_key" not in provider
    backend = written["terraform"]["backend"]["s3"]
    assert backend["bucket"] == "states"
    assert backend["key"] == "settings/terraform.tfstate"
    assert (backend["use_lockfile"], backend["encrypt"]) == (True, True)
    assert "dynamodb_table" not in backend
    roles = written["resource"]["aws_iam_role"].values()
    assert all(role["permissions_boundary"].endswith("policy/edge") for role in roles)
    schedule = written["resource"]["aws_scheduler_schedule"]["schedule"]
    assert schedule["schedule_expression_timezone"] == "Europe/Helsinki"
    assert schedule["flexible_time_window"] == {"maximum_window_in_minutes": 5, "mode": "FLEXIBLE"}
    assert schedule["state"] == "DISABLED"
    function = written["resource"]["aws_lambda_function"]["plain"]
    assert function["tags"]["team"] == "data"
    assert "vpc_config" in function


def test_settings_decide_what_is_kept_of_runs_and_for_how_long(tmp_path: Path) -> None:
    """Retention of logs and of the data of runs, and whether data is in the machine's log."""
    for toml, logs, runs, data in (
        ("", 365, 90, True),
        (
            "[aws]\nlog_retention_days = 7\nrun_data_days = 30\n"
            "[state_machine]\ninclude_execution_data = false\n",
            *(7, 30, False),
        ),
    ):
        written = synthesized(tmp_path, toml)["resource"]
        groups = written["aws_cloudwatch_log_group"].values()
        assert {group["retention_in_days"] for group in groups} == {logs}
        (lifecycle,) = written["aws_s3_bucket_lifecycle_configuration"].values()
        assert lifecycle["rule"][0]["expiration"] == [{"days": runs}]
        (machine,) = written["aws_sfn_state_machine"].values()
        assert machine["logging_configuration"]["include_execution_data"] is data


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[terraform]\nbackend = "s3"\n', "needs a bucket"),
        ('[aws]\nregion = "mars${x}"\n', r"an AWS region such as(.|\n)*lokki.toml:2"),
        ("[aws]\nlog_retention_days = 100\n", r"one of 1, 3, 5,(.|\n)*lokki.toml:2"),
        ("[aws]\nrun_data_days = 0\n", r"a whole number from 1 to(.|\n)*lokki.toml:2"),
        (
            '[aws]\nartifact_bucket = "shared"\nrun_data_days = 7\n',
            r"an existing one: shared(.|\n)*lokki.toml:3",
        ),
        (
            '[aws]\nartifact_bucket_kms_key = "arn:aws:kms:eu-west-1:123456789012:key/1"\n',
            r"no artifact_bucket is set(.|\n)*lokki.toml:2",
        ),
        ('[aws]\nkms_key = "arn:aws:kms:x"\n', r"expected an ARN(.|\n)*lokki.toml:2"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(tmp_path: Path, toml: str, says: str) -> None:
    """A setting is followed or refused, never passed over; nothing is written then."""
    with pytest.raises(ConfigError, match=says):
        synthesized(tmp_path, toml)
    assert not (tmp_path / "terraform-out").exists()


@stack
def in_a_shared_bucket(aws: LocalAws, folder: Path) -> Path:
    """A stack whose objects are in a bucket that others use too."""
    aws.client("s3").create_bucket(Bucket="shared-artifacts")
    written = synthesized(folder, '[aws]\nartifact_bucket = "shared-artifacts"\n')
    assert "aws_s3_bucket" not in written["resource"]
    return folder / "terraform-out" / "stacks" / "settings"


def test_a_pipeline_runs_on_a_bucket_that_others_use_too(applied: Applied) -> None:
    """With artifact_bucket, all objects of a pipeline have its own prefix."""
    assert applied.values("in_a_shared_bucket") == {"special": 300_000}
    s3 = applied.aws.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="shared-artifacts")["Contents"]]
    assert all(key.startswith("settings/") for key in keys)
    assert any("/runs/" in key for key in keys)


OWN = """
resource "aws_sns_topic" "done" {
  name = "own-done"
}

output "own" {
  value = "${aws_sns_topic.done.name} of ${aws_sfn_state_machine.state_machine.name}"
}
"""


@stack
def with_own_file(aws: LocalAws, folder: Path) -> Path:
    """A stack with a file of the user's, written again after the file was added."""
    pipeline = Pipeline("own", steps=[special(plain())])
    made = pipeline.synth(folder / "out").folder
    (made / "own.tf").write_text(OWN)
    return pipeline.synth(folder / "out").folder


def test_a_file_of_the_user_beside_the_generated_one_is_applied(applied: Applied) -> None:
    """synth keeps it, and it refers to the pipeline's resources by their addresses."""
    assert applied.outputs["with_own_file"]["own"] == "own-done of own"
