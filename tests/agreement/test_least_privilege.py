"""Every statement of every generated policy is needed, and every right is used.

Each pipeline runs with its own roles on a local AWS that enforces IAM, all statements of schedules,
buckets and repositories apart: ``tests/testing/test_access.py`` and ``tests/terraform`` have those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lokki_tf import (
    Parameter,
    Pipeline,
    S3Csv,
    S3Inventory,
    S3Objects,
    flow,
    start_pipeline,
    step,
)
from lokki_tf.testing import LocalAws, LocalAwsError, Right

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:123456789012:failures"
LOCKED_TOPIC = "arn:aws:sns:us-east-1:123456789012:locked"
ROLES = "arn:aws:iam::123456789012:role"
LARGE = "x" * 300_000

UNUSED = {
    ("machine", "SubmitJobs", "batch:SubmitJob", "job-definition/P:*"): (
        "AWS documents SubmitJob's resource with and without a revision; the local AWS has it as "
        "the request names it"
    ),
    **{
        ("step", "WriteEarlier", "s3:PutObject", f"runs/*/NODE{end}"): (
            "only executions that began before an upgrade use it: tests/terraform/test_upgrades.py"
        )
        for end in (".answer.json", ".error.json", "/items.json")
    },
}
"""Rights that no run uses, by kind of role, statement, action and resource, with the reason."""


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


@step(job_type="batch", when=lambda text: len(text) > 1)
def decided(text: str) -> str:
    return text


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


@step(
    job_type="batch",
    secrets={"PASSWORD": "least/db#password", "TOKEN": "ssm:/least/token"},
)
def reads_secrets() -> int:
    import os

    return len(os.environ["PASSWORD"] + os.environ["TOKEN"])


@step
def tell(failure: dict[str, Any]) -> None:
    print("TOLD", failure["error"])


@step
def dozes(text: str) -> None:
    import time

    time.sleep(60)


@step
def tidies(text: str | None, literal: str) -> None:
    print("TIDY", text and len(text), len(literal))


@flow
def maps():
    return three().map(again).agg(total)


@flow
def nested():
    return lists().map(itself).map(again).agg(total).agg(total)


@flow
def redriven():
    return three().map(one_fails).agg(total)


@flow
def begun_anew():
    return three().map(one_fails, execution_type="express").agg(total)


@flow
def failing_deep():
    return lists().map(itself).map(one_fails).agg(total).agg(total)


@flow(on_failure=LOCKED_TOPIC)
def locked():
    return three().map(with_variable).agg(counts)


def tidied() -> Pipeline:
    """A pipeline that fails, whose cleanup step reads an object."""
    text = large()
    return Pipeline("tidied", steps=[one_fails(text)], cleanup=tidies(text, LARGE))


def late() -> Pipeline:
    """A pipeline that exceeds its time limit, so that the function of notices cleans up."""
    text = large()
    cleanup = tidies(text, LARGE)
    return Pipeline("late", steps=[dozes(text)], cleanup=cleanup, timeout_seconds=1)


@flow
def other(text: str = "", seconds: int = 0, more: Any = None):
    return sized_after(text, seconds)


@step
def heavy() -> bytes:
    """So large that it is sent in several parts."""
    import random

    return random.Random(0).randbytes(12_000_000)


@step
def weight(value: bytes) -> int:
    return len(value)


@step
def sized_after(text: str, seconds: int) -> str:
    import time

    time.sleep(seconds)
    return text * 5


OTHER = ("starting", "unending")
"""Pipelines that start ``other``."""


def starting() -> Pipeline:
    """A pipeline with parameters in its bucket, and a result in the other one's."""
    parameters = {"text": texts()["large"][0], "more": ["x" * 1000] * 50}
    return Pipeline(OTHER[0], steps=[length(start_pipeline("other", parameters, trust=True))])


def starting_long() -> Pipeline:
    """A pipeline that is stopped while the other one runs."""
    started = start_pipeline("other", {"seconds": 20})
    return Pipeline(OTHER[1], steps=[again(started)])


def datasets() -> Pipeline:
    """A pipeline that reads objects, files and an inventory, with and without parameters."""
    prefix, key = (Parameter(name, str, default="least/x.csv") for name in ("prefix", "key"))
    read = [
        S3Objects("least", "least/"),
        S3Objects("least", "least/x"),
        S3Objects("least-other", prefix),
        S3Csv("least", "least/x.csv"),
        S3Csv("least-other", key),
        S3Inventory("least", "least/time/manifest.json"),
    ]
    return Pipeline("datasets", steps=[total(one.map(described)) for one in read])


@step
def described(item: Any) -> str:
    return str(item)


@step
def texts() -> dict[str, list[str]]:
    return {"large": ["x" * 60_000] * 6}


@dataclass(frozen=True)
class Case:
    """A pipeline and how it is tried.

    Args:
        pipeline: The pipeline.
        settings: What ``lokki.toml`` contains.
        stopped: Whether its execution is stopped while a job or another pipeline runs.
        redriven: Whether its execution is redriven.
        twice: Whether it is executed twice.
    """

    pipeline: Pipeline
    settings: str = ""
    stopped: bool = False
    redriven: bool = False
    twice: bool = False


CASES = (
    Case(Pipeline("plain", steps=[length(large(), LARGE), again(large())])),
    Case(Pipeline("vpc", steps=[length(large())]), '[aws.vpc]\nid = "vpc-1"\n'),
    Case(maps),
    Case(nested),
    Case(redriven, redriven=True),
    Case(begun_anew, redriven=True),
    Case(failing_deep, redriven=True),
    Case(Pipeline("jobs", steps=[counts(large(), LARGE)])),
    Case(Pipeline("decided", steps=[decided(large())])),
    Case(Pipeline("stopped", steps=[waits()]), stopped=True),
    Case(Pipeline("told", steps=[one_fails(large())], on_failure=tell)),
    Case(
        Pipeline("gone", steps=[raises(large())], on_failure=f"{LOCKED_TOPIC}-not"),
        f'[aws]\nkms_key = "{KEY}"\n',
    ),
    Case(Pipeline("published", steps=[raises(large())], on_failure=TOPIC)),
    Case(starting()),
    Case(starting_long(), stopped=True),
    Case(tidied()),
    Case(late()),
    Case(locked, f'[aws]\nkms_key = "{KEY}"\n'),
    Case(
        Pipeline("limited", steps=[length(large())], max_concurrent_runs=1, when_busy="fail"),
        f'[aws]\nkms_key = "{KEY}"\n',
        twice=True,
    ),
    Case(datasets()),
    Case(Pipeline("heavy", steps=[weight(heavy())]), f'[aws]\nkms_key = "{KEY}"\n'),
    Case(Pipeline("secrets", steps=[reads_secrets()]), f'[aws]\nkms_key = "{KEY}"\n'),
    Case(
        Pipeline("notice", steps=[raises(large())], on_failure=LOCKED_TOPIC),
        f'[aws]\nkms_key = "{KEY}"\n',
    ),
)


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """An account with a topic, in which all of these pipelines run."""
    with LocalAws(retry_delay_scale=0.0, containers=False) as account:
        account.client("sns").create_topic(Name="failures")
        account.client("sns").create_topic(Name="locked", Attributes={"KmsMasterKeyId": KEY})
        manager, ssm = account.client("secretsmanager"), account.client("ssm")
        manager.create_secret(Name="least/db", SecretString='{"password": "p"}', KmsKeyId=KEY)
        ssm.put_parameter(Name="/least/token", Value="t", Type="SecureString", KeyId=KEY)
        s3 = account.client("s3")
        for bucket in ("least", "least-other"):
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="least/x.csv", Body=b"a\n1\n")
        manifest = {
            "destinationBucket": "arn:aws:s3:::least",
            "fileFormat": "CSV",
            "fileSchema": "Bucket, Key",
            "files": [{"key": "least/data/1.csv"}],
        }
        s3.put_object(Bucket="least", Key="least/data/1.csv", Body=b"b,k\n")
        body = json.dumps(manifest).encode()
        s3.put_object(Bucket="least", Key="least/time/manifest.json", Body=body)
        yield account


class Trial:
    """A pipeline that is registered, and can be created and run again and again."""

    def __init__(self, aws: LocalAws, case: Case, folder: Path) -> None:
        (folder / "lokki.toml").write_text(case.settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            self.machine = aws.register(case.pipeline)
        self.aws, self.case, self.name = aws, case, case.pipeline.name
        self.usual: Any = None

    def outcome(self) -> Any:
        """Create the machine and functions again as they are, execute, and say how it ends."""
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
        except (ClientError, LocalAwsError) as error:
            return str(error)

    def _executed(self) -> Any:
        states = self.aws.client("stepfunctions")
        if self.case.stopped:
            arn = states.start_execution(stateMachineArn=self.machine)["executionArn"]
            _until(lambda: self._is_waiting() or _ended(states, arn))
            if self.name == "stopped" or not _ended(states, arn):
                states.stop_execution(executionArn=arn)
                _until(self._terminated)
            self._stop_others()
            return states.describe_execution(executionArn=arn)["status"]
        for _ in range(self.case.twice):
            self.aws.execute(self.machine)
        execution = self.aws.execute(self.machine)
        found = [(execution.status, execution.error)]
        if self.case.redriven:
            states.redrive_execution(executionArn=execution.arn)
            _until(lambda: _ended(states, execution.arn))
            again = states.describe_execution(executionArn=execution.arn)
            found.append((again["status"], again.get("error")))
        return found

    def _is_waiting(self) -> bool:
        """Whether the job, or the other pipeline, runs."""
        return self._job_status() == "RUNNING" if self.name == "stopped" else bool(self._others())

    def _others(self) -> list[str]:
        """The ARNs of the other pipeline's executions that run."""
        listed = self.aws.client("stepfunctions").list_executions(
            stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:other",
            statusFilter="RUNNING",
        )
        return [one["executionArn"] for one in listed["executions"]]

    def _stop_others(self) -> None:
        for arn in self._others() if self.name in OTHER else ():
            self.aws.client("stepfunctions").stop_execution(executionArn=arn)

    def _terminated(self) -> bool:
        """Whether the job or other pipeline has been stopped; the operator stops it if need be."""
        if self.name != "stopped":
            return not self._others() or any(
                one.action == "states:StopExecution" and not one.allowed
                for one in self.aws.iam_decisions[-20:]
            )
        last = [one for one in self.aws.iam_decisions[-20:] if one.action == "batch:TerminateJob"]
        if last and not last[-1].allowed:
            batch = self.aws.client("batch")
            batch.terminate_job(jobId=self._jobs()[-1]["jobId"], reason="end")
        return bool(last) and self._job_status() == "FAILED"

    def _job_status(self) -> str:
        jobs = self._jobs()
        return str(jobs[-1]["status"]) if jobs else ""

    def _jobs(self) -> list[dict[str, Any]]:
        everything = [{"name": "JOB_NAME", "values": ["*"]}]
        found: list[dict[str, Any]] = self.aws.client("batch").list_jobs(
            jobQueue=f"{self.name}-fargate", filters=everything
        )["jobSummaryList"]
        return found

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


def _policy(iam: Any, role: str) -> list[dict[str, Any]]:
    document = iam.get_role_policy(RoleName=role, PolicyName="lokki")["PolicyDocument"]
    found: list[dict[str, Any]] = document["Statement"]
    return found


def _put(iam: Any, role: str, statements: list[Any]) -> None:
    # A policy has one statement at least: this one allows nothing.
    nothing = {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": statements or [nothing]}
    iam.put_role_policy(RoleName=role, PolicyName="lokki", PolicyDocument=json.dumps(document))


@pytest.fixture(scope="module")
def trials(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """All pipelines, each run once: nothing is denied."""
    made = []
    for case in CASES:
        trial = Trial(aws, case, tmp_path_factory.mktemp("settings"))
        trial.usual = trial.outcome()
        made.append(trial)
    assert [one for one in aws.iam_decisions if not one.allowed] == []
    return made


@pytest.fixture(scope="module")
def unused(aws: LocalAws, trials: list[Trial]) -> set[Right]:
    """The rights of all roles that no pipeline has used."""
    return set(aws.unused_rights())


def test_every_right_is_used_by_some_pipeline(
    aws: LocalAws, trials: list[Trial], unused: set[Right]
) -> None:
    """Each pair of action and resource that is granted is needed somewhere, or has a reason."""
    granted: set[tuple[str, ...]] = set()
    used: set[tuple[str, ...]] = set()
    for trial in trials:
        for role in trial.roles():
            for one in _policy(aws.client("iam"), role):
                for action, resource in product(one["Action"], one["Resource"]):
                    right = Right(f"{ROLES}/{role}", "lokki", one["Sid"], action, resource)
                    general = (kind_of(role), one["Sid"], action, _general(resource, trial.name))
                    granted.add(general)
                    if right not in unused:
                        used.add(general)
    print(f"{len(granted)} kinds of rights, {len(aws.iam_decisions)} decisions")
    assert granted - used == UNUSED.keys()  # a reason that is no longer needed goes


def test_no_statement_can_be_taken_out(
    aws: LocalAws, trials: list[Trial], unused: set[Right]
) -> None:
    """Without any one statement a run ends in another way, or a denial is in the record.

    Once a pipeline has shown that of a kind of role and statement, others need not.
    """
    iam = aws.client("iam")
    needed: set[tuple[str, str]] = set()
    survived: set[tuple[str, str]] = set()
    mutated = 0
    for trial in trials:
        for role in trial.roles():
            statements = _policy(iam, role)
            for statement in statements:
                one = (kind_of(role), statement["Sid"])
                if one in needed or _is_unused(statement, role, unused):
                    survived.add(one)
                    continue
                _put(iam, role, [other for other in statements if other != statement])
                mutated += 1
                before = len(aws.iam_decisions)
                ended_otherwise = trial.outcome() != trial.usual
                denied = [each for each in aws.iam_decisions[before:] if not each.allowed]
                (needed if ended_otherwise or denied else survived).add(one)
            _put(iam, role, statements)
    print(f"{mutated} statements taken out, {len(needed)} kinds of them")
    assert survived - needed == {one[:2] for one in UNUSED if one[1] == "WriteEarlier"}


def test_no_statement_of_a_resources_policy_can_be_taken_out(
    aws: LocalAws, trials: list[Trial]
) -> None:
    """EventBridge calls the function of notices, and keeps in the queue what it cannot deliver."""
    (trial,) = (one for one in trials if one.name == "told")
    functions, sqs = aws.client("lambda"), aws.client("sqs")
    url = sqs.get_queue_url(QueueName="told-failures")["QueueUrl"]

    def decided() -> list[tuple[str, bool]]:
        before = len(aws.iam_decisions)
        trial.outcome()
        services = [one for one in aws.iam_decisions[before:] if "events" in one.principal]
        return [(one.action, one.allowed) for one in services]

    called, kept = "lambda:InvokeFunction", "sqs:SendMessage"
    assert decided() == [(called, True)]
    functions.remove_permission(FunctionName="told--notices", StatementId="notices")
    assert decided() == [(called, False), (kept, True)]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert decided() == [(called, False), (kept, False)]


def _is_unused(statement: dict[str, Any], role: str, unused: set[Right]) -> bool:
    pairs = product(statement["Action"], statement["Resource"])
    return all(
        Right(f"{ROLES}/{role}", "lokki", statement["Sid"], *pair) in unused for pair in pairs
    )


def _general(resource: str, pipeline: str) -> str:
    """A resource without account, region and the names that pipelines and steps have."""
    short = resource.split(":", 5)[-1] if resource.startswith("arn:") else resource
    short = re.sub(rf"^{pipeline}-123456789012-us-east-1/?", "", short)
    short = re.sub(r"^runs/\w+/\*$", "runs/S/*", short)
    short = re.sub(r"^runs/\*/[\w-]+", "runs/*/NODE", short)
    short = re.sub(rf"\b{pipeline}(-[a-z_]+)?", "P", short)
    return re.sub(r"P/[A-Za-z0-9_-]+", "P/L", short)
