"""Stacks that the previous version of lokki_tf deployed, under this one: see ``upgrades``."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import AwsError
from lokki_tf.operate import redriving, runs
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.deployed import Deployed
from lokki_tf.operate.stack import Stack
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.append(str(Path(__file__).with_name("upgrades")))
import written

KEPT = ("aws_s3_bucket", "aws_cloudwatch_log_group", "aws_sfn_state_machine")
"""Types of resources that hold data or runs: an upgrade replaces and removes none of them."""
REPLACED_BY = {"name", "name_prefix", "bucket", "bucket_prefix", "function_name", "type"}
"""Arguments whose change makes Terraform replace such a resource (its provider's ``ForceNew``)."""


def resources(folder: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((folder / "cdk.tf.json").read_text())["resource"]
    return found


@pytest.mark.parametrize("name", written.PIPELINES)
def test_nothing_that_holds_data_is_replaced(name: str, tmp_path: Path) -> None:
    """Buckets, log groups and state machines keep their addresses and names; functions as well."""
    old = resources(written.previous_stack(name, tmp_path))
    made = written.PIPELINES[name]({}).synth(tmp_path / "new")
    new = resources(made.folder)
    moved = json.loads((made.folder / "cdk.tf.json").read_text()).get("moved", [])
    places = {one["from"]: one["to"] for one in moved}
    for kind in (*KEPT, "aws_lambda_function"):
        for address, before in old.get(kind, {}).items():
            to = places.get(f"{kind}.{address}", f"{kind}.{address}").partition(".")[2]
            after = new[kind][to]
            for argument in REPLACED_BY & {*before, *after}:
                assert before.get(argument) == after.get(argument), (kind, address, argument)


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """A local AWS with what the stacks expect of the account."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        aws.client("sns").create_topic(Name="failures")
        yield aws


def created(aws: LocalAws, outputs: dict[str, Any], name: str) -> dict[str, Any]:
    """When the state machine and the log groups were made, and what the bucket has of runs."""
    machine = aws.client("stepfunctions").describe_state_machine(
        stateMachineArn=outputs["state_machine_arn"]
    )
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    found = aws.client("s3").list_objects_v2(Bucket=outputs["bucket"], Prefix="runs/")
    return {
        "machine": machine["creationDate"],
        **{
            one["logGroupName"]: one["creationTime"]
            for one in groups
            if name in one["logGroupName"]
        },
        **{one["Key"]: one["ETag"] for one in found.get("Contents", ())},
    }


def ended(aws: LocalAws, arn: str) -> dict[str, Any]:
    """An execution after its redrive has ended."""
    states = aws.client("stepfunctions")
    for _ in range(600):
        found: dict[str, Any] = states.describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            return found
        threading.Event().wait(0.05)
    raise TimeoutError(arn)


@pytest.mark.terraform
def test_a_stack_is_upgraded_in_place(account: LocalAws, tmp_path: Path) -> None:
    """Applied over the earlier stack, the new one keeps bucket, logs and state machine.

    A run of the earlier definition goes on with the new code. The new stack has failure notices as
    well, which the earlier one had not.
    """
    folder = tmp_path / "stack"
    shutil.copytree(written.previous_stack("maps", tmp_path), folder)
    outputs = account.deploy(folder)
    before = account.execute(outputs["state_machine_arn"], {})
    assert before.status == "FAILED"
    known = created(account, outputs, "upgraded-maps")
    made = written.maps({}, on_failure=written.TOPIC).synth(tmp_path / "new")
    shutil.rmtree(folder)
    shutil.copytree(made.folder, folder)
    assert account.deploy(folder)["state_machine_arn"] == outputs["state_machine_arn"]
    assert account.plan_is_empty(folder)
    assert created(account, outputs, "upgraded-maps").items() >= known.items()
    after = account.execute(outputs["state_machine_arn"], {})
    assert account.values(after) == {"join": written.maps({}).local_run({}).result}
    account.client("stepfunctions").redrive_execution(executionArn=before.arn)
    found = ended(account, before.arn)
    assert (found["status"], found["redriveCount"]) == ("SUCCEEDED", 1)
    assert json.loads(found["output"]) == after.output
    refused = account.execute(outputs["state_machine_arn"], {"unknown": 1}, name="refused")
    assert refused.status == "FAILED"
    key = "runs/-notices/refused/0.json"
    notice = account.client("s3").get_object(Bucket=outputs["bucket"], Key=key)["Body"].read()
    assert json.loads(notice)["step"] == "numbers"


def put_previous(aws: LocalAws, name: str, folder: Path) -> str:
    """Create the functions and the state machine of an earlier stack without Terraform."""
    stack = f"upgraded-{name}"
    text = (written.previous_stack(name, folder) / "statemachine.json").read_text()
    bucket = f"{stack}-123456789012-us-east-1"
    values = stored_in(bucket)
    for code in (folder / name / "lambdas").glob("*/code.zip"):
        step = code.parent.name
        function = resources(folder / name)["aws_lambda_function"][step]
        values[f"{step}_arn"] = aws.create_function(
            f"{stack}-{step}",
            code.read_bytes(),
            function["handler"],
            environment=function.get("environment", {}).get("variables"),
        )
    return aws.create_state_machine(stack, filled(text, values))


def stored_in(bucket: str) -> dict[str, str]:
    """The values of a template's variables for a bucket."""
    return {"store": f"s3://{bucket}", "bucket": bucket, "prefix": "", "partition": "aws"}


def filled(text: str, values: dict[str, str]) -> Any:
    """The definition of a template with the values of its variables."""
    for variable, value in values.items():
        text = text.replace(f"${{{variable}}}", value)
    return json.loads(text)


@pytest.mark.parametrize("name", ["steps", "maps", "routed"])
def test_runs_of_earlier_definitions_use_the_new_code(
    account: LocalAws, name: str, tmp_path: Path
) -> None:
    """A run that has begun before an upgrade is redriven, and ends as a new run does.

    Where its definition ended it in a state that only fails, ``redrive`` says so.
    """
    pipeline = written.PIPELINES[name]({})
    new = account.run(pipeline, {}, name="new")
    account.reset()
    account.client("sns").create_topic(Name="failures")
    bucket = f"upgraded-{name}-123456789012-us-east-1"
    account.client("s3").create_bucket(Bucket=bucket)
    before = account.execute(put_previous(account, name, tmp_path), {})
    assert before.error == (
        "States.ExceedToleratedFailureThreshold" if name == "maps" else "ValueError"
    )
    resources = pipeline.resources("123456789012", "us-east-1")
    for function in resources.functions:
        if not function.name.startswith(f"upgraded-{name}--"):
            account.create_function(function.name, function.code, "lambda_function.lambda_handler")
    if name != "maps":
        with pytest.raises(AwsError, match="an earlier version of lokki_tf"):
            redriving.redrive(*deployed(account, pipeline, before.arn))
    account.client("stepfunctions").redrive_execution(executionArn=before.arn)
    found = ended(account, before.arn)
    if name == "maps":
        assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", new.output)
    else:
        assert found["error"] == "ValueError"  # from the state that only fails


def deployed(aws: LocalAws, pipeline: Any, execution: str) -> tuple[Deployed, runs.AwsRun]:
    """A run, as the commands find it."""
    config = Config(aws=AwsConfig(endpoint=aws.endpoint_url, region=aws.region))
    stack = Stack(pipeline.definition, config, Path("nowhere"), "python pipeline.py")
    machine = execution.replace(":execution:", ":stateMachine:").rpartition(":")[0]
    found = Deployed(stack, machine, {}, Aws(config))
    return found, runs.describe(found, execution)


def test_a_job_of_an_earlier_definition_answers_where_that_expects_it(
    account: LocalAws, tmp_path: Path
) -> None:
    """An execution that began before an upgrade submits the new job, whose role may answer it."""
    pipeline = written.jobs({})
    account.reset()
    new = account.run(pipeline, {}, name="new")
    assert new.succeeded, new.cause
    text = (written.previous_stack("jobs", tmp_path) / "statemachine.json").read_text()
    bucket = "upgraded-jobs-123456789012-us-east-1"
    values = stored_in(bucket)
    for name in ("load", "report"):
        found = account.client("lambda").get_function(FunctionName=f"upgraded-jobs-{name}")
        values[f"{name}_arn"] = found["Configuration"]["FunctionArn"]
    (job,) = account.client("batch").describe_job_definitions()["jobDefinitions"]
    (queue,) = account.client("batch").describe_job_queues()["jobQueues"]
    values |= {"train_arn": job["jobDefinitionArn"], "train_queue": queue["jobQueueArn"]}
    old = account.execute(account.create_state_machine("earlier", filled(text, values)), {})
    assert old.succeeded, old.cause
    assert account.values(old) == account.values(new) == {"report": "model 6"}
