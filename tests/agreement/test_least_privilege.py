"""Every statement of every generated policy is needed, and every right is used.

Each pipeline runs with its own roles on a local AWS that enforces IAM. Then each statement is taken
out of its policy in turn: the run must end in another way, or the record of decisions must show a
denial, as for traces and logs, whose denials AWS does not report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import Pipeline, flow, step
from lokki_tf.testing import LocalAws

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:123456789012:failures"
LARGE = "x" * 300_000

NEEDED_ELSEWHERE: dict[tuple[str, str], str] = {}
"""Statements whose absence no run shows, by kind of role and id, with the reason."""

UNUSED = {
    ("step", "s3:GetObject", "literals/*"): "which readers get a literal is not told apart",
    ("machine", "batch:SubmitJob", "job-definition/P:*"): (
        "machines of earlier deployments, which redrives go on with, may name a revision"
    ),
}
"""Rights that no run uses, by kind of role, action and resource, with the reason."""


@step
def large() -> str:
    return "x" * 300_000


@step
def length(text: str, literal: str = "") -> int:
    return len(text) + len(literal)


@step
def again(text: str) -> str:
    return text


@step
def three() -> list[str]:
    return ["x" * 100_000] * 3


@step
def one_fails(text: str) -> str:
    raise LookupError("on purpose")


@step
def lists() -> list[list[str]]:
    return [["a", "b"], ["c"]]


@step
def itself(items: list[str]) -> list[str]:
    return items


@step
def total(items: list[Any]) -> int:
    return len(items)


@step(job_type="batch")
def counts(text: str, literal: str = "") -> str:
    return text + "y"


@step(job_type="batch")
def waits() -> None:
    import time

    time.sleep(600)


@step(job_type="batch")
def raises(text: str) -> str:
    raise LookupError("on purpose")


@step(env_variables={"MORE": "z"})
def with_variable(text: str) -> str:
    import os

    return text + os.environ["MORE"]


@step
def tell(failure: dict[str, Any]) -> None:
    print("TOLD", failure["error"])


@flow
def maps():
    return three().map(again).agg(total)


@flow
def nested():
    return lists().map(itself).map(again).agg(total).agg(total)


@flow
def redriven():
    return three().map(one_fails).agg(total)


@flow(on_failure=TOPIC)
def locked():
    return three().map(with_variable).agg(counts)


@dataclass(frozen=True)
class Case:
    """A pipeline and how it is tried.

    Args:
        pipeline: The pipeline.
        settings: What ``lokki.toml`` contains.
        stopped: Whether its execution is stopped while a job runs.
        redriven: Whether its execution is redriven.
    """

    pipeline: Pipeline
    settings: str = ""
    stopped: bool = False
    redriven: bool = False


CASES = {
    case.pipeline.name: case
    for case in (
        Case(Pipeline("plain", steps=[length(large(), LARGE), again(large())])),
        Case(Pipeline("vpc", steps=[length(large())]), '[aws.vpc]\nid = "vpc-1"\n'),
        Case(maps),
        Case(nested),
        Case(redriven, redriven=True),
        Case(Pipeline("jobs", steps=[counts(large(), LARGE)])),
        Case(Pipeline("stopped", steps=[waits()]), stopped=True),
        Case(Pipeline("told", steps=[one_fails(large())], on_failure=tell)),
        Case(Pipeline("published", steps=[raises(large())], on_failure=TOPIC)),
        Case(locked, f'[aws]\nkms_key = "{KEY}"\n'),
        Case(
            Pipeline("locked-notice", steps=[one_fails(large())], on_failure=TOPIC),
            f'[aws]\nkms_key = "{KEY}"\n',
        ),
    )
}


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account with a topic, in which all of these pipelines run."""
    with LocalAws(retry_delay_scale=0.0, containers=False) as account:
        account.client("sns").create_topic(
            Name="failures", Attributes={"KmsMasterKeyId": KEY}
        )
        yield account


class Trial:
    """A pipeline that is registered, and can be created and run again and again."""

    def __init__(self, aws: LocalAws, case: Case, folder: Path) -> None:
        (folder / "lokki.toml").write_text(case.settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            self.machine = aws.register(case.pipeline)
        self.aws, self.case, self.name = aws, case, case.pipeline.name

    def outcome(self) -> Any:
        """Create the state machine and functions again as they are, execute, and say how it ends."""
        states, functions = self.aws.client("stepfunctions"), self.aws.client("lambda")
        known = states.describe_state_machine(stateMachineArn=self.machine)
        try:
            states.update_state_machine(
                stateMachineArn=self.machine,
                definition=known["definition"],
                loggingConfiguration=known["loggingConfiguration"],
            )
            if "vpc" in self.case.settings:
                function = functions.get_function_configuration(FunctionName=f"{self.name}-large")
                network = function["VpcConfig"]
                functions.update_function_configuration(
                    FunctionName=f"{self.name}-large",
                    VpcConfig={key: network[key] for key in ("SubnetIds", "SecurityGroupIds")},
                )
            return self._executed()
        except states.exceptions.ClientError as error:
            return error.response["Error"]["Message"]

    def _executed(self) -> Any:
        states = self.aws.client("stepfunctions")
        if self.case.stopped:
            arn = states.start_execution(stateMachineArn=self.machine)["executionArn"]
            _until(lambda: self._job_status() == "RUNNING" or _ended(states, arn))
            states.stop_execution(executionArn=arn)
            _until(lambda: self._job_status() == "FAILED")
            return states.describe_execution(executionArn=arn)["status"]
        execution = self.aws.execute(self.machine)
        found = [(execution.status, execution.error)]
        if self.case.redriven:
            states.redrive_execution(executionArn=execution.arn)
            _until(lambda: _ended(states, execution.arn))
            again = states.describe_execution(executionArn=execution.arn)
            found.append((again["status"], again.get("error")))
        return found

    def _job_status(self) -> str:
        batch = self.aws.client("batch")
        everything = [{"name": "JOB_NAME", "values": ["*"]}]
        listed = batch.list_jobs(jobQueue=f"{self.name}-fargate", filters=everything)
        jobs = listed["jobSummaryList"]
        return str(jobs[-1]["status"]) if jobs else ""

    def roles(self) -> list[str]:
        """The names of the pipeline's roles."""
        pages = self.aws.client("iam").get_paginator("list_roles").paginate()
        names = [one["RoleName"] for page in pages for one in page["Roles"]]
        return [name for name in names if re.match(rf"{self.name}[.-][^-]*-us-east-1$", name)]


def _ended(states: Any, arn: str) -> bool:
    return bool(states.describe_execution(executionArn=arn)["status"] != "RUNNING")


def _until(holds: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kind_of(role: str) -> str:
    """Whose role it is, from its name."""
    if "." not in role:
        return "step"
    name = role.partition(".")[2].removesuffix("-us-east-1").removesuffix("_role")
    return {"state_machine": "machine"}.get(name, name)


@pytest.mark.parametrize("name", CASES)
def test_no_statement_can_be_taken_out(name: str, aws: LocalAws, tmp_path: Path) -> None:
    """Without any one statement a run ends in another way, or a denial is in the record."""
    trial = Trial(aws, CASES[name], tmp_path)
    before = len(aws.iam_decisions)
    usual = trial.outcome()
    made = aws.iam_decisions[before:]
    assert [one for one in made if not one.allowed] == []
    iam = aws.client("iam")
    survived, mutated = [], 0
    for role in trial.roles():
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            for statement in document["Statement"]:
                left = [one for one in document["Statement"] if one != statement]
                _put(iam, role, policy, left)
                before, mutated = len(aws.iam_decisions), mutated + 1
                if trial.outcome() == usual:
                    denied = [one for one in aws.iam_decisions[before:] if not one.allowed]
                    if not denied:
                        survived.append((kind_of(role), statement["Sid"]))
            _put(iam, role, policy, document["Statement"])
    print(f"{name}: {len(made)} decisions, {mutated} statements taken out")
    assert mutated > 5
    assert [one for one in survived if one not in NEEDED_ELSEWHERE] == []


def _put(iam: Any, role: str, policy: str, statements: list[Any]) -> None:
    # A policy has a statement at least: this one allows nothing.
    empty = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": statements or [empty]}
    iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def test_every_right_is_used_by_some_pipeline(tmp_path: Path) -> None:
    """Each pair of action and resource that is granted is needed somewhere, or has a reason."""
    granted: set[tuple[str, str, str]] = set()
    used: set[tuple[str, str, str]] = set()
    with LocalAws(retry_delay_scale=0.0, containers=False) as aws:
        aws.client("sns").create_topic(Name="failures", Attributes={"KmsMasterKeyId": KEY})
        for number, case in enumerate(CASES.values()):
            folder = tmp_path / str(number)
            folder.mkdir()
            trial = Trial(aws, case, folder)
            trial.outcome()
            left = {(one.role, one.action, one.resource) for one in aws.unused_rights()}
            for role in trial.roles():
                arn = f"arn:aws:iam::123456789012:role/{role}"
                document = aws.client("iam").get_role_policy(RoleName=role, PolicyName="lokki")
                for statement in document["PolicyDocument"]["Statement"]:
                    for action in statement["Action"]:
                        for resource in statement["Resource"]:
                            right = (kind_of(role), action, _general(resource, trial.name))
                            granted.add(right)
                            if (arn, action, resource) not in left:
                                used.add(right)
    never = granted - used
    assert never - UNUSED.keys() == set()
    assert UNUSED.keys() - never == set()  # a reason that is no longer needed goes


def _general(resource: str, pipeline: str) -> str:
    """A resource without account, region and the names that pipelines and steps have."""
    short = resource.split(":", 5)[-1] if resource.startswith("arn:") else resource
    short = re.sub(rf"^{pipeline}-123456789012-us-east-1/?", "", short)
    short = re.sub(rf"\b{pipeline}(-[a-z_]+)?", "P", short)
    return re.sub(r"P/[A-Za-z0-9_-]+", "P/L", short)
