"""Errors of AWS and of Terraform, each as one message with a remedy."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lokki_tf import terraform_cli
from lokki_tf.config import Config
from lokki_tf.errors import (
    AwsError,
    CredentialsError,
    ResourceExistsError,
    StateLockedError,
    TerraformError,
)
from lokki_tf.model import Definition, Graph
from lokki_tf.operate.complaints import complaint
from lokki_tf.operate.refusals import translated
from lokki_tf.operate.stack import Stack
from lokki_tf.pipeline.deployments import _applied

STACK = Stack(Definition("daily", Graph(())), Config(), Path("/stack"), "python daily.py")


def refused(code: str, message: str = "why") -> AwsError:
    """Return the error that a response of AWS is converted to."""
    told = {"Error": {"Code": code, "Message": message}}
    with pytest.raises(AwsError) as caught, translated("stepfunctions", "start_execution"):
        raise ClientError(told, "StartExecution")
    return caught.value


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials(code: str) -> None:
    """The message for expired credentials says so, and how to get new ones."""
    error = refused(code)
    assert isinstance(error, CredentialsError)
    assert "have expired" in str(error)
    assert "aws sso login" in str(error)


def test_credentials_that_aws_does_not_know() -> None:
    """Wrong credentials are not reported as missing."""
    error = refused("UnrecognizedClientException")
    assert isinstance(error, CredentialsError)
    assert "rejects your credentials" in str(error)


def test_what_may_not_be_called() -> None:
    """What a policy refuses is named as IAM writes it."""
    assert "states:StartExecution" in str(refused("AccessDeniedException", "no"))
    assert refused("StateMachineDoesNotExist").code == "StateMachineDoesNotExist"


def test_errors_of_others_stay() -> None:
    """Only boto3's errors are AWS's."""
    with pytest.raises(ZeroDivisionError), translated("s3", "get_object"):
        _ = 1 / 0


LOCKED = """
╷
│ Error: Error acquiring the state lock
│
│ Error message: resource temporarily unavailable
│ Lock Info:
│   ID:        7e0bbf20
│   Path:      terraform.tfstate
│   Operation: OperationTypeApply
│   Who:       ada@laptop
│   Version:   1.11.4
│   Created:   2024-01-15 10:00:00.123 +0000 UTC
│   Info:
╵
"""


def test_a_lock_is_reported_with_its_holder() -> None:
    """Who holds the lock, since when, and how to break it."""
    error = complaint(STACK, "plan", LOCKED)
    assert isinstance(error, StateLockedError)
    assert "ada@laptop has held the lock since 2024-01-15 10:00:00 (terraform apply)" in str(error)
    assert "python daily.py terraform -- force-unlock 7e0bbf20" in str(error)


def test_what_a_reference_names_must_be_declared() -> None:
    """Where a TerraformRef names nothing, the remedy is a .tf file in the stack's folder."""
    said = 'Error: Reference to undeclared resource\n\nA managed resource "aws_kms_key" "k" has not'
    error = complaint(STACK, "plan", said)
    assert "undeclared resource" in str(error)
    assert f"in a .tf file of yours in {STACK.folder}" in str(error.remedy)


def test_a_registry_out_of_reach_is_not_aws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where init finds no provider, the remedies are the network and a mirror on this computer."""
    monkeypatch.setattr(terraform_cli, "_SYSTEM_FOLDERS", (str(tmp_path),))
    said = "Error: Failed to query available provider packages\ncould not connect to "
    said += "registry.terraform.io: dial tcp: lookup registry.terraform.io: no such host"
    error = complaint(STACK, "init", said)
    assert "cannot get its AWS provider" in str(error)
    assert "HTTPS_PROXY" in str(error.remedy)
    assert "mirror on this computer" not in str(error.remedy)
    name = f"registry.terraform.io/hashicorp/aws/6.1.0/{terraform_cli._platform()}"
    (tmp_path / "plugins" / name).mkdir(parents=True)
    error = complaint(STACK, "init", said)
    assert f'path = "{tmp_path / "plugins"}"' in str(error.remedy)


EXISTS = """
╷
│ Error: creating CloudWatch Logs Log Group (/aws/lambda/daily-load): operation error: \
CreateLogGroup, ResourceAlreadyExistsException: The specified log group already exists
│
│   with aws_cloudwatch_log_group.load_logs,
│   on cdk.tf.json line 20, in resource.aws_cloudwatch_log_group.load_logs:
│   20:       },
╵
╷
│ Error: creating Step Functions: AccessDenied
╵
"""


def test_what_is_there_already_can_be_taken_over() -> None:
    """What the state does not know of is named with the command that tells it."""
    error = complaint(STACK, "apply", EXISTS)
    assert "ResourceAlreadyExistsException" in str(error)
    assert isinstance(error, ResourceExistsError)
    assert "python daily.py deploy --import-existing" in str(error.remedy)
    command = "terraform -- import aws_cloudwatch_log_group.load_logs /aws/lambda/daily-load"
    assert str(error.remedy).endswith(f"  python daily.py {command}")


MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:daily"


@pytest.mark.parametrize(
    ("address", "said", "id_"),
    [
        ("aws_iam_role.load", "IAM Role (daily-load): EntityAlreadyExists: it is", "daily-load"),
        ("aws_s3_bucket.bucket", "S3 Bucket (daily-1): BucketAlreadyOwnedByYou: yes", "daily-1"),
        (
            "aws_scheduler_schedule.schedule",
            "EventBridge Scheduler Schedule (daily): ConflictException: Schedule already exists",
            "daily/daily",
        ),
        (
            "aws_sfn_state_machine.machine",
            f"State Machine (daily): StateMachineAlreadyExists: '{MACHINE}'",
            MACHINE,
        ),
    ],
)
def test_resources_are_imported_by_what_identifies_them(address: str, said: str, id_: str) -> None:
    """By their name, a schedule by its group as well, a state machine by its ARN."""
    error = complaint(STACK, "apply", f"Error: creating {said}\n  with {address},\n")
    assert isinstance(error, ResourceExistsError)
    assert error.existing == ((address, id_),)


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("Error: api error ExpiredToken: The security token", CredentialsError, "have expired"),
        ("Error: No valid credential sources found", CredentialsError, "no valid AWS credentials"),
        ("Error: dial tcp 127.0.0.1:1: connect: connection refused", AwsError, "be reached"),
        ("Error: deleting S3 Bucket: BucketNotEmpty", TerraformError, "destroy --force"),
        ("Error: Backend configuration changed", TerraformError, "init -migrate-state"),
        ("\x1b[31m│\x1b[0m Error: strange", TerraformError, "    Error: strange"),
    ],
)
def test_what_terraform_complains_of(said: str, kind: type[Exception], words: str) -> None:
    """Known failures have messages of lokki_tf, others those of Terraform without its frame."""
    error = complaint(STACK, "apply", said)
    assert isinstance(error, kind)
    assert words in str(error)
    assert "│" not in str(error)


def test_a_resource_is_imported_once() -> None:
    """If it is said to exist although it was imported, the deployment fails and does not go on."""
    error = ResourceExistsError("exists", existing=(("aws_iam_role.load", "daily-load"),))
    taken: list[str] = []

    def apply() -> None:
        raise error

    program = SimpleNamespace(
        stack=SimpleNamespace(name="daily"), take_over=lambda *names: taken.extend(names)
    )
    plan: Any = SimpleNamespace(apply=apply, program=program)
    imported: set[str] = set()
    assert _applied(plan, imported) is None
    for known in (imported, None):
        with pytest.raises(ResourceExistsError):
            _applied(plan, known)
    assert taken == ["aws_iam_role.load", "daily-load"]
