"""Pipelines brought to the local AWS by their own commands, changed, and taken down."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from operate_folder import SQUARES, Folder, settings_for

from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import TerraformError
from lokki_tf.model import Definition, Graph
from lokki_tf.operate.deploying import planned
from lokki_tf.operate.program import Program
from lokki_tf.operate.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws

SMALL = """
from lokki_tf import Pipeline, main, step

@step
def hello() -> str:
    return "x" * 300_000

main(Pipeline("small", steps=[hello()]))
"""


def test_deploy_asks_and_tells_what_stands(squares: Folder) -> None:
    """The plan is shown in words, the question is asked, the outputs are one line of JSON."""
    done = squares.deployment
    assert done.returncode == 0, done.stderr
    assert "+ state machine squares" in done.stderr
    assert "+ 4 Lambda functions: squares-archive, squares-load" in done.stderr
    assert "Apply this to account 123456789012 in us-east-1? [y/N]" in done.stderr
    assert "squares stands: state machine squares, 4 functions" in done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["state_machine_arn"].endswith(":stateMachine:squares")


def test_a_change_touches_what_it_concerns(squares: Folder) -> None:
    """The plan names the functions whose code or options change; a no leaves everything as it is.

    --verbose adds Terraform's own words.
    """
    changed = SQUARES.replace("number ** 2", "number * number")
    changed = changed.replace("@step(retry=1)", "@step(retry=1, memory_size=1024)")
    squares.script.write_text(changed)
    try:
        done = squares.answer("n", "deploy", "--verbose")
        assert done.returncode == 2
        assert "~ Lambda function squares-square: code" in done.stderr
        assert "~ Lambda function squares-total: memory" in done.stderr
        assert "3 to change" in done.stderr  # the zip of squares-square in the bucket as well
        assert "memory_size" in done.stderr
        assert "nothing was changed" in done.stderr
    finally:
        squares.script.write_text(SQUARES)
    unchanged = squares.run("deploy", "--auto-approve")
    assert "nothing to change" in unchanged.stderr
    assert json.loads(unchanged.stdout)["bucket"]


def test_a_plan_of_what_is_not_there_any_more_is_not_applied(
    squares: Folder, local_aws: LocalAws
) -> None:
    """A file that changed since the plan, or since synth, is not applied."""
    config = Config(aws=AwsConfig(endpoint=local_aws.endpoint_url, region=local_aws.region))
    folder = squares.stack("squares")
    definition = Definition("squares", Graph(()))
    stack = Stack(definition, config, folder, "python pipeline.py", "--stage prod")
    code = folder / "lambdas" / "total" / "code.zip"
    kept = code.read_bytes()
    try:
        with planned(Program.find(stack)) as plan:
            code.write_bytes(b"of somebody else")
            with pytest.raises(TerraformError, match="written anew since the plan") as caught:
                plan.apply()
        with (
            pytest.raises(
                TerraformError, match=r"code\.zip is not the file that synth has written"
            ),
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


def test_who_holds_the_lock_is_told(squares: Folder) -> None:
    """While another Terraform is at it, nothing is done, and the message names it."""
    stack = squares.stack("squares")
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
    assert "somebody@elsewhere has been at it since 2024-01-15 10:00:00" in done.stderr
    assert "terraform -- force-unlock 0123-4567" in done.stderr


@pytest.fixture(scope="module")
def small(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A pipeline that was deployed under another name, interrupted, and deployed again."""
    folder = Folder(tmp_path_factory.mktemp("small"), SMALL, settings_for(local_aws))
    folder.stack("other")
    return folder


def wait_for_function(aws: LocalAws, name: str) -> None:
    """Returns when a function is there."""
    functions = aws.client("lambda")
    for _ in range(600):
        if any(one["FunctionName"] == name for one in functions.list_functions()["Functions"]):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{name} was not made")


@pytest.mark.terraform
def test_an_interrupted_deployment_goes_on(small: Folder, local_aws: LocalAws) -> None:
    """Ctrl-C lets Terraform end what it has begun; the same command then does the rest.

    What an earlier interrupt has left outside the state is imported with --import-existing.
    """
    command = [sys.executable, str(small.script), "deploy", "--auto-approve"]
    running = subprocess.Popen(
        [*command, "--stack-name", "other"],
        cwd=small.path,
        env=small.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    seen = next(line for line in running.stderr if "lambda_function.hello: Creating..." in line)
    # The function is there and the provider waits for it to get active. Earlier, a request that
    # the provider gives up on the way may be carried out without Terraform's knowledge.
    wait_for_function(local_aws, "other-hello")
    running.send_signal(signal.SIGINT)
    _, rest = running.communicate(timeout=120)
    assert seen
    assert running.returncode == 130, rest
    assert "terraform apply was interrupted" in rest
    assert "run the same again" in rest
    local_aws.client("stepfunctions").create_state_machine(
        name="other",
        roleArn=local_aws.admin_role,
        definition='{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}',
    )
    again = small.run("deploy", "--confirm", "--import-existing", "--stack-name", "other")
    assert again.returncode == 0, again.stderr
    assert ":stateMachine:other) …" in again.stderr
    names = [
        one["FunctionName"] for one in local_aws.client("lambda").list_functions()["Functions"]
    ]
    assert "other-hello" in names
    assert "small-hello" not in names


@pytest.mark.terraform
def test_a_bucket_with_data_is_not_destroyed_unasked(small: Folder) -> None:
    """Without --force nothing at all is destroyed, and the message counts what is there."""
    started = small.run("start", "--wait", "--stack-name", "other")
    assert started.stdout.strip() == "x" * 300_000, started.stderr
    done = small.run("destroy", "--auto-approve", "--stack-name", "other")
    assert done.returncode == 2
    assert "holds 1 object of runs" in done.stderr
    assert "destroy --stack-name other --force" in done.stderr
    assert small.run("start", "--wait", "--stack-name", "other").returncode == 0


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


@pytest.mark.terraform
def test_destroy_takes_everything_along(small: Folder, local_aws: LocalAws) -> None:
    """--force deletes all versions of the data, then the stack; the next time nothing stands.

    What is still running is counted before the question.
    """
    leave_running(local_aws, "other")
    done = small.run("destroy", "--force", "--auto-approve", "--stack-name", "other")
    assert done.returncode == 0, done.stderr
    assert "- state machine other" in done.stderr
    assert "- 1 run still going, which AWS ends at the next step" in done.stderr
    buckets = [one["Name"] for one in local_aws.client("s3").list_buckets()["Buckets"]]
    assert not any(name.startswith("other-") for name in buckets)
    again = small.run("destroy", "--auto-approve", "--stack-name", "other")
    assert again.returncode == 0
    assert "nothing of it stands" in again.stderr
    gone = small.run("show", "--stack-name", "other")
    assert gone.returncode == 2
    assert "other is not deployed in us-east-1 of account 123456789012" in gone.stderr
    assert "Traceback" not in gone.stderr


@pytest.mark.terraform
def test_a_stage_is_another_stack(local_aws: LocalAws, tmp_path: Path) -> None:
    """Every command means the stage that --stage names, in names and settings."""
    settings = f"{settings_for(local_aws)}[stage.prod.lambda]\nmemory = 1024\n"
    folder = Folder(tmp_path, SQUARES, settings)
    folder.stack("squares-prod")
    refused = folder.run("show", "--stage", "prod")
    assert "squares-prod is not deployed in us-east-1" in refused.stderr
    planned = folder.run("plan", "--stage", "prod")
    assert planned.returncode == 0, planned.stderr
    assert "+ state machine squares-prod" in planned.stdout
    assert "squares-prod-123456789012-us-east-1" in planned.stdout
    written = json.loads((folder.stack("squares-prod") / "cdk.tf.json").read_text())
    functions = written["resource"]["aws_lambda_function"].values()
    assert {one["memory_size"] for one in functions} == {1024}
    assert folder.run("show", "--stage", "prd").returncode == 2
