"""Pipelines brought to the local AWS by their own commands, changed, and taken down."""

from __future__ import annotations

import fcntl
import json
import re
from typing import TYPE_CHECKING

import pytest
from operate_folder import SQUARES, Folder

from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import TerraformError
from lokki_tf.model import Definition, Graph
from lokki_tf.operate.deploying import planned
from lokki_tf.operate.program import Program
from lokki_tf.operate.stack import Stack

if TYPE_CHECKING:
    from lokki_tf.testing import LocalAws


def test_an_interrupted_deployment_goes_on(squares: Folder) -> None:
    """The plan is shown in words and the question asked; Ctrl-C ends what Terraform has begun."""
    code, before, rest = squares.interrupted
    assert code == 130, rest
    assert "+ state machine other-prod" in before
    assert "+ 4 Lambda functions: other-prod-archive, other-prod-load" in before
    assert "Apply this to account 123456789012 in us-east-1? [y/N]" in before
    assert "terraform apply was interrupted" in rest
    assert "run the same command again" in rest


def test_deploy_says_what_exists(squares: Folder) -> None:
    """The command again does the rest; the outputs are one line of JSON.

    What an earlier interrupt has left outside the state is imported with --import-existing.
    """
    done = squares.deployment
    assert done.returncode == 0, done.stderr
    assert ":stateMachine:other-prod) …" in done.stderr
    assert "other-prod is deployed: state machine other-prod, 4 functions" in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["state_machine_arn"].endswith(":stateMachine:other-prod")


def test_a_stage_under_another_name_is_another_stack(squares: Folder, local_aws: LocalAws) -> None:
    """Names and settings are those that --stage and --stack-name say."""
    functions = local_aws.client("lambda").list_functions()["Functions"]
    sizes = {
        one["FunctionName"]: one["MemorySize"]
        for one in functions
        if one["FunctionName"].startswith(("squares", "other"))
    }
    names = ("archive", "load", "square", "total")
    assert sizes == {f"other-prod-{name}": 1024 for name in names}


def test_a_change_touches_what_it_concerns(squares: Folder) -> None:
    """The plan names the functions whose code or options change; a no leaves everything as it is.

    --verbose adds Terraform's own words.
    """
    changed = SQUARES.replace("number ** 2", "number * number")
    changed = changed.replace("@step(retry=1)", "@step(retry=1, memory_size=2048)")
    squares.script.write_text(changed)
    try:
        done = squares.answer("n", "deploy", "--verbose")
        assert done.returncode == 2
        assert "~ Lambda function other-prod-square: code" in done.stderr
        assert "~ Lambda function other-prod-total: memory" in done.stderr
        assert "3 to change" in done.stderr  # the zip of other-prod-square in the bucket as well
        assert "memory_size" in done.stderr
        assert "nothing was changed" in done.stderr
    finally:
        squares.script.write_text(SQUARES)
    unchanged = squares.run("deploy", "--auto-approve")
    assert "nothing to change" in unchanged.stderr
    assert json.loads(unchanged.stdout)["bucket"]


def test_a_plan_of_what_is_not_there_any_more_is_not_applied(
    squares: Folder, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changed since the plan, or since synth, is not applied."""
    assert squares.provider is not None
    for name, value in squares.provider.environment.items():
        monkeypatch.setenv(name, value)
    config = Config(aws=AwsConfig(endpoint=local_aws.endpoint_url, region=local_aws.region))
    folder = squares.stack("other-prod")
    definition = Definition("other-prod", Graph(()))
    stack = Stack(definition, config, folder, "python pipeline.py", "--stage prod")
    code = folder / "lambdas" / "total" / "code.zip"
    kept = code.read_bytes()
    try:
        with planned(Program.find(stack)) as plan:
            code.write_bytes(b"of somebody else")
            with pytest.raises(TerraformError, match="written again since the plan") as caught:
                plan.apply()
        with (
            pytest.raises(TerraformError, match=r"code\.zip is not the file that synth wrote"),
            planned(Program.find(stack)),
        ):
            pass
    finally:
        code.write_bytes(kept)
    assert str(caught.value.remedy).endswith("python pipeline.py deploy --stage prod")


def test_terraform_itself_runs_in_the_folder(squares: Folder) -> None:
    """What stands after -- is Terraform's, and so is the exit code."""
    listed = squares.run("terraform", "--", "state", "list")
    assert "aws_lambda_function.square" in listed.stdout
    assert squares.run("terraform", "nonsense").returncode == 1


def test_the_holder_of_the_lock_is_reported(squares: Folder) -> None:
    """While another Terraform is at it, nothing is done, and the message names it."""
    stack = squares.stack("other-prod")
    held = {
        "ID": "0123-4567",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "somebody@elsewhere",
        "Version": "1.11.4",
        "Created": "2024-01-15T10:00:00.0Z",
        "Path": "terraform.tfstate",
    }
    (stack / ".terraform.tfstate.lock.info").write_text(json.dumps(held))
    with (stack / "terraform.tfstate").open("r+") as state:
        fcntl.lockf(state, fcntl.LOCK_EX)
        done = squares.run("plan")
    (stack / ".terraform.tfstate.lock.info").unlink()
    assert done.returncode == 1
    assert "somebody@elsewhere has held the lock since 2024-01-15 10:00:00" in done.stderr
    assert "terraform --stack-name other --stage prod -- force-unlock 0123-4567" in done.stderr


def test_a_bucket_with_data_is_not_destroyed_unasked(squares: Folder) -> None:
    """Without --force nothing at all is destroyed, and the message counts what is there."""
    started = squares.run("start", "--wait")
    assert json.loads(started.stdout)["total"]["sum"] == 5, started.stderr
    done = squares.run("destroy", "--auto-approve")
    assert done.returncode == 2
    assert re.search(r"contains \d+ objects of runs", done.stderr)
    assert "destroy --stack-name other --stage prod --force" in done.stderr
    assert squares.run("start", "--wait").returncode == 0


def leave_running(aws: LocalAws, machine: str) -> None:
    """Starts an execution that is still running when the test ends."""
    states = aws.client("stepfunctions")
    pages = states.get_paginator("list_state_machines").paginate()
    (arn,) = [
        one["stateMachineArn"]
        for page in pages
        for one in page["stateMachines"]
        if one["name"] == machine
    ]
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 900, "End": True}}}
    states.update_state_machine(stateMachineArn=arn, definition=json.dumps(waiting))
    states.start_execution(stateMachineArn=arn)


def test_destroy_takes_everything_along(squares: Folder, local_aws: LocalAws) -> None:
    """--force deletes all versions of the data, then the stack; the next time nothing stands.

    What is still running is counted before the question.
    """
    leave_running(local_aws, "other-prod")
    done = squares.run("destroy", "--force", "--auto-approve")
    assert done.returncode == 0, done.stderr
    assert "- state machine other-prod" in done.stderr
    assert "- 1 run still running, which AWS ends at the next step" in done.stderr
    buckets = [one["Name"] for one in local_aws.client("s3").list_buckets()["Buckets"]]
    assert not any(name.startswith("other-prod-") for name in buckets)
    again = squares.run("destroy", "--auto-approve")
    assert again.returncode == 0
    assert "nothing is deployed" in again.stderr
    gone = squares.run("show")
    assert gone.returncode == 2
    assert "other-prod is not deployed in us-east-1 of account 123456789012" in gone.stderr
    assert "Traceback" not in gone.stderr


@pytest.mark.terraform
def test_functions_that_exist_are_reported_before_anything_is_applied(standing: Folder) -> None:
    """The provider would repeat their creation for ten minutes; the error says how to import."""
    standing.keep_provider("squares")
    done = standing.run("deploy", "--auto-approve")
    standing.close()
    assert done.returncode == 1
    assert "nothing was applied: to be created, but in AWS already: squares-" in done.stderr
    assert "terraform -- import aws_lambda_function.load squares-load" in done.stderr
    assert "deploy --import-existing" in done.stderr
    assert not (standing.stack("squares") / "terraform.tfstate").exists()
