"""Versions of functions: running executions keep the code with which they began."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from applied import as_module
from click.testing import CliRunner

from lokki_tf import Pipeline, run_context, step
from lokki_tf.cli.running import redrive_command
from lokki_tf.config import AwsConfig, Config, LambdaConfig
from lokki_tf.operate.affected import affected
from lokki_tf.operate.deployed import deployed_from
from lokki_tf.operate.failures import failure
from lokki_tf.operate.plans import Change
from lokki_tf.operate.redriving import versions_of
from lokki_tf.operate.runs import describe
from lokki_tf.operate.stack import Stack
from lokki_tf.testing.terraform import SLOW

if TYPE_CHECKING:
    from pathlib import Path

    from lokki_tf.testing import LocalAws


@step(callback=True, timeout_seconds=3600)
def ask() -> str:
    assert run_context().task_token
    return ""


@step(name="said")
def old(answer: str) -> str:
    if answer == "wrong":
        raise ValueError("the old code refuses this")
    return f"old {answer}"


@step(name="said", memory_size=256)
def new(answer: str) -> str:
    return f"new {answer}"


@step(job_type="batch")
def job(text: str) -> str:
    return text


VERSIONS = Config(lambda_=LambdaConfig(versions=True))


def pipeline(name: str, code: Any) -> Pipeline:
    return Pipeline(name, steps=[code(ask())])


def written(folder: Path, config: Config, made: Pipeline | None = None) -> dict[str, Any]:
    made = made or pipeline("kept", old)
    found: dict[str, Any] = json.loads(
        (made.synth(folder, config=config).folder / "cdk.tf.json").read_text()
    )
    return found["resource"]


def statement(resources: dict[str, Any], role: str, sid: str) -> list[str]:
    policy = json.loads(resources["aws_iam_role_policy"][f"{role}_policy"]["policy"])
    found: list[str] = next(one["Resource"] for one in policy["Statement"] if one["Sid"] == sid)
    return found


def test_functions_publish_versions_and_the_state_machine_calls_them(tmp_path: Path) -> None:
    """The definition has qualified ARNs, and the role may call every version."""
    made = Pipeline("kept", steps=[job(old(ask()))], cleanup=close)
    found = written(tmp_path, VERSIONS, made)
    functions = found["aws_lambda_function"]
    published = {name for name, one in functions.items() if one.get("publish")}
    assert published == {"ask", "said", "close", "job_errors"}
    assert "notices" in functions  # no state machine calls it
    definition = found["aws_sfn_state_machine"]["state_machine"]["definition"]
    for name in published:
        assert f'"${{aws_lambda_function.{name}.qualified_arn}}"' in definition
        assert f"aws_lambda_function.{name}.arn" not in definition
    arns = [
        f"${{aws_lambda_function.{name}.arn}}" for name in ("ask", "said", "close", "job_errors")
    ]
    assert sorted(statement(found, "state_machine", "Invoke")) == sorted(
        [*arns, *(f"{arn}:*" for arn in arns)]
    )
    close_arn = "${aws_lambda_function.close.arn}"
    assert statement(found, "notices", "Invoke") == [close_arn, f"{close_arn}:*"]


@step
def close(said: str) -> None: ...


def test_without_the_setting_nothing_has_a_version(tmp_path: Path) -> None:
    """The setting is off by default."""
    text = json.dumps(written(tmp_path, Config()))
    assert "publish" not in text
    assert "qualified" not in text


def test_rights_to_many_versions_are_a_pattern(tmp_path: Path) -> None:
    """More ARNs than a policy should have are a pattern; versions have no tags to select them."""

    @step
    def one(number: int) -> int:
        return number

    result: Any = 1
    steps = [step(name=f"step_{number}")(one.step.function) for number in range(13)]
    for each in steps:
        result = each(result)
    found = written(tmp_path, VERSIONS, Pipeline("many", steps=[result]))
    arn = (
        "arn:${data.aws_partition.partition.partition}:lambda:${data.aws_region.region.id}:"
        "${data.aws_caller_identity.account.account_id}:function:many-*"
    )
    assert statement(found, "state_machine", "Invoke") == [arn]
    assert statement(found, "state_machine", "InvokeVersions") == [f"{arn}:*"]


@pytest.mark.terraform
def test_a_running_execution_keeps_its_code(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With versions, an execution that waits during a deployment runs the old code, and so does a
    redrive; without versions both run the new code. A second plan is empty each time. Executions
    from before the setting run the new code.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOKKI_AWS_ENDPOINT", local_aws.endpoint_url)
    monkeypatch.setenv("LOKKI_REGION", local_aws.region)
    root = tmp_path / "root"
    root.mkdir()
    outputs = deploy(local_aws, root, old, kept=Config())
    early, early_token = start(local_aws, outputs["kept"]["state_machine_arn"])
    assert deploy(local_aws, root, old) == outputs
    begun = {
        name: [start(local_aws, one["state_machine_arn"]) for _ in range(2)]
        for name, one in outputs.items()
    }
    assert deploy(local_aws, root, new) == outputs
    answer(local_aws, early_token, "early")  # from before the setting
    assert ended(local_aws, early) == {"said": {"value": "new early"}}
    for name, ((first, one), (second, two)) in begun.items():
        code = "old" if name == "kept" else "new"
        answer(local_aws, one, "right")
        assert ended(local_aws, first) == {"said": {"value": f"{code} right"}}
        answer(local_aws, two, "wrong")
        if name == "newest":
            assert ended(local_aws, second) == {"said": {"value": "new wrong"}}
            continue
        assert ended(local_aws, second) is None
        config = replace(settings(local_aws), lambda_=VERSIONS.lambda_)
        stack = Stack(pipeline(name, new).definition, config, tmp_path, "", "")
        deployed = deployed_from(stack, outputs[name])
        run = describe(deployed, second)
        assert versions_of(deployed, run) == {"ask": 1, "said": 1}
        command = redrive_command(pipeline(name, new))
        said = CliRunner().invoke(command, ["--run", run.name], catch_exceptions=False).stderr
        assert "with which it began: ask version 1, said version 1" in said
        assert f"with the same code: redrive --run {run.name}" in str(failure(deployed, run))
        assert ended(local_aws, second) is None
        assert describe(deployed, second).redrives == 1
        later, token = start(local_aws, outputs[name]["state_machine_arn"])
        assert versions_of(deployed, describe(deployed, later)) == {"ask": 1, "said": 2}
        function = local_aws.client("lambda").get_function(FunctionName="kept-said")
        before = {
            "arn": function["Configuration"]["FunctionArn"].partition(":$")[0],
            "tags": {"lokki:step": "said"},
        }
        kind = "aws_lambda_function"
        change = Change("update", kind, "kept-said", ("source_code_hash",), before)
        machine = outputs[name]["state_machine_arn"]
        assert affected(deployed.aws, machine, [change]) == []
        (found,) = affected(deployed.aws, machine, [replace(change, action="delete")])
        assert found.removed == ("step 'said'",)
        answer(local_aws, token, "wrong")
        assert ended(local_aws, later) == {"said": {"value": "new wrong"}}
        assert_rights_are_needed(local_aws, machine)
    local_aws.destroy(root)


def assert_rights_are_needed(aws: LocalAws, machine: str) -> None:
    """Without the right to call versions, an execution fails at its first step."""
    iam, role = aws.client("iam"), f"kept.state_machine_role-{aws.region}"
    document = iam.get_role_policy(RoleName=role, PolicyName="lokki")["PolicyDocument"]
    (invoke,) = (one for one in document["Statement"] if one["Sid"] == "Invoke")
    invoke["Resource"] = [one for one in invoke["Resource"] if not one.endswith(":*")]
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=json.dumps(document))
    execution = aws.execute(machine)
    assert execution.status == "FAILED"
    assert "not authorized to perform: lambda:InvokeFunction" in str(execution.cause)


def settings(aws: LocalAws) -> Config:
    return Config(aws=AwsConfig(endpoint=aws.endpoint_url, region=aws.region))


def deploy(aws: LocalAws, root: Path, code: Any, kept: Config = VERSIONS) -> dict[str, Any]:
    """Apply both pipelines with some code, and return the outputs of each."""
    main: dict[str, Any] = {"module": {}, "output": {}, "provider": {"aws": [{}]}}
    for name, config in {"kept": kept, "newest": Config()}.items():
        folder = pipeline(name, code).synth(root / name, config=config).folder
        as_module(folder, without=SLOW)
        main["module"][name] = {"source": f"./{folder.relative_to(root)}"}
        main["output"][name] = {"value": f"${{module.{name}}}"}
    (root / "main.tf.json").write_text(json.dumps(main))
    outputs = aws.deploy(root)
    assert aws.plan_is_empty(root)
    return outputs


def start(aws: LocalAws, machine: str) -> tuple[str, str]:
    """Start an execution, and return its ARN and the token of the step that waits."""
    states = aws.client("stepfunctions")
    arn = str(states.start_execution(stateMachineArn=machine)["executionArn"])
    for _ in range(600):
        for event in states.get_execution_history(executionArn=arn)["events"]:
            given = event.get("taskScheduledEventDetails", {}).get("parameters", "{}")
            token = json.loads(given).get("Payload", {}).get("context", {}).get("token")
            if token and aws.logs(json.loads(given)["FunctionName"]):
                return arn, str(token)
        time.sleep(0.05)
    raise TimeoutError(arn)


def answer(aws: LocalAws, token: str, text: str) -> None:
    aws.client("stepfunctions").send_task_success(taskToken=token, output=json.dumps(text))


def ended(aws: LocalAws, execution: str) -> Any:
    """Return the output of an execution when it has ended; ``None`` if it has failed."""
    for _ in range(600):
        found = aws.client("stepfunctions").describe_execution(executionArn=execution)
        if found["status"] != "RUNNING":
            return json.loads(found["output"]) if found["status"] == "SUCCEEDED" else None
        time.sleep(0.05)
    raise TimeoutError(execution)
