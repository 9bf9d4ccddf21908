"""Deployments while executions run: which would fail, which go on with new code."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from lokki_tf import Pipeline, step
from lokki_tf.cli import deploying
from lokki_tf.config import AwsConfig, Config
from lokki_tf.errors import UnconfirmedError
from lokki_tf.operate.affected import affected, wait_for
from lokki_tf.operate.clients import Aws
from lokki_tf.operate.plans import Change
from lokki_tf.operate.stack import Stack
from lokki_tf.pipeline import deployments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.testing import LocalAws

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:affected-{}"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:affected"
JOB = "arn:aws:batch:us-east-1:123456789012:job-definition/affected-train"


@step
def one() -> None: ...


PIPELINE = Pipeline("affected", steps=[one()])


def change(action: str, name: str, *fields: str) -> Change:
    before = {"arn": FUNCTION.format(name), "tags": {"lokki:step": name}}
    return Change(action, "aws_lambda_function", f"affected-{name}", fields, before)


def definition(*functions: str) -> dict[str, Any]:
    """A state machine that waits, and then calls functions and a job."""
    states: dict[str, Any] = {"rest": {"Type": "Wait", "Seconds": 600, "Next": "job"}}
    states["job"] = {
        "Type": "Task",
        "Resource": "arn:aws:states:::batch:submitJob.sync",
        "Parameters": {"JobName": "a", "JobQueue": "q", "JobDefinition": JOB},
        "End": True,
    }
    for name in functions:
        states[name] = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": FUNCTION.format(name)},
            "Next": "job",
        }
    choices = [{"Variable": "$.to", "StringEquals": name, "Next": name} for name in functions]
    states["choose"] = {"Type": "Choice", "Choices": choices, "Default": "job"}
    states["rest"]["Next"] = "choose"
    return {"StartAt": "rest", "States": states}


@pytest.fixture
def states(local_aws: LocalAws) -> Iterator[Any]:
    """A run ``monday`` of a definition with ``load`` and ``score``, then a newer definition."""
    client = local_aws.client("stepfunctions")
    local_aws.create_state_machine("affected", definition("load", "score"))
    client.start_execution(stateMachineArn=MACHINE, name="monday")
    local_aws.create_state_machine("affected", definition("load"))
    yield client
    client.delete_state_machine(stateMachineArn=MACHINE)


def account(aws: LocalAws) -> Config:
    return Config(aws=AwsConfig(endpoint=aws.endpoint_url, region=aws.region))


@pytest.mark.parametrize(
    ("changes", "removed", "changed"),
    [
        ([change("delete", "score")], ("step 'score'",), ()),
        ([change("replace", "score")], ("step 'score'",), ()),
        (
            [change("update", "load", "code"), change("delete", "score")],
            ("step 'score'",),
            ("step 'load'",),
        ),
        ([change("update", "load", "code")], (), ("step 'load'",)),
        (
            [Change("delete", "aws_batch_job_definition", "train", (), {"arn": f"{JOB}:3"})],
            ("batch job definition train",),
            (),
        ),
        (
            [Change("replace", "aws_sfn_state_machine", "affected", (), {"arn": MACHINE})],
            ("state machine affected",),
            (),
        ),
    ],
    ids=["removed", "replaced", "both", "new code", "job", "state machine"],
)  # fmt: skip
def test_a_run_is_affected_by_its_own_definition(
    local_aws: LocalAws,
    states: Any,
    changes: list[Change],
    removed: tuple[str, ...],
    changed: tuple[str, ...],
) -> None:
    """What counts is the definition that a run began with, also after the state machine changed."""
    (found,) = affected(Aws(account(local_aws)), MACHINE, changes)
    assert (found.run.name, found.removed, found.changed) == ("monday", removed, changed)


def test_other_changes_and_other_runs_are_left_alone(local_aws: LocalAws, states: Any) -> None:
    """New functions, those that no run calls, tags, and runs that have ended, affect none."""
    aws = Aws(account(local_aws))
    for harmless in (
        change("create", "score"),
        change("delete", "scor"),
        change("update", "load", "tags"),
        Change("update", "aws_sfn_state_machine", "affected", ("states",), {"arn": MACHINE}),
    ):
        assert affected(aws, MACHINE, [harmless]) == []
    assert affected(aws, f"{MACHINE}-none", [change("delete", "score")]) == []
    states.stop_execution(executionArn=f"{MACHINE.replace(':stateMachine:', ':execution:')}:monday")
    assert affected(aws, MACHINE, [change("delete", "score")]) == []


@pytest.fixture
def deploy(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs ``deploy`` with a plan that has these changes, instead of one of Terraform's."""
    stack = Stack(PIPELINE.definition, account(local_aws), Path("nowhere"), "python pipeline.py")
    outputs = {"state_machine_arn": MACHINE, "function_arns": {}}

    def run(changes: list[Change], *options: str, answer: str = "") -> tuple[Any, list[str]]:
        applied: list[str] = []

        def apply() -> dict[str, Any]:
            applied.append("applied")
            return outputs

        program = SimpleNamespace(stack=stack, outputs=lambda: outputs)
        plan = SimpleNamespace(changes=changes, is_empty=False, program=program, apply=apply)

        @contextmanager
        def shown(*_: Any, **__: Any) -> Iterator[Any]:
            yield deployments.Shown(stack, [plan], "account 123456789012 in us-east-1", None)

        monkeypatch.setattr(deployments, "_shown_plan", shown)
        monkeypatch.setattr(deployments, "_require_terminal", lambda *_: None)
        command = deploying.deploy_command(PIPELINE)
        return CliRunner().invoke(command, [*options], input=answer), applied

    return run


def test_deploy_names_the_runs_and_asks(states: Any, deploy: Any) -> None:
    """The question says how many runs are going; a no changes nothing."""
    changes = [change("update", "load", "code"), change("delete", "score")]
    done, applied = deploy(changes, answer="n\n")
    assert "1 run is running that this would change:" in done.output
    assert "monday, since " in done.output
    assert "will fail where it uses step 'score'" in done.output
    assert "in us-east-1 while 1 run is running? [y/N]" in done.output
    assert isinstance(done.exception, UnconfirmedError)
    assert not applied


def test_auto_approve_fails_no_run(states: Any, deploy: Any) -> None:
    """Unasked it refuses what would fail a run, and applies what only changes its code."""
    done, applied = deploy([change("delete", "score")], "--auto-approve")
    assert isinstance(done.exception, UnconfirmedError)
    assert "1 run that is running would fail: monday" in str(done.exception)
    assert "--wait-for-runs" in str(done.exception.remedy)
    assert not applied
    done, applied = deploy([change("delete", "score")], "--auto-approve", "--despite-runs")
    assert (done.exception, applied) == (None, ["applied"])
    done, applied = deploy([change("update", "load", "code")], "--auto-approve")
    assert (done.exception, applied) == (None, ["applied"])
    assert "will continue with the new step 'load'" in done.output
    for options in (["--despite-runs"], ["--despite-runs", "--auto-approve", "--wait-for-runs"]):
        assert deploy([change("delete", "score")], *options)[0].exit_code == 2


def test_runs_are_waited_for(
    local_aws: LocalAws, states: Any, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--wait-for-runs applies when the last run has ended, also of those that start meanwhile."""
    prefix = MACHINE.replace(":stateMachine:", ":execution:")
    local_aws.create_state_machine("affected", definition("load", "score"))
    looks = []

    def wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            states.start_execution(stateMachineArn=MACHINE, name="tuesday")
            states.stop_execution(executionArn=f"{prefix}:monday")
        else:
            states.stop_execution(executionArn=f"{prefix}:tuesday")

    monkeypatch.setattr(wait_for, "__defaults__", (wait,))
    done, applied = deploy([change("delete", "score")], "--auto-approve", "--wait-for-runs")
    assert (done.exception, applied) == (None, ["applied"])
    assert "waiting for monday …" in done.output
    assert "waiting for tuesday …" in done.output
    assert len(looks) == 2
