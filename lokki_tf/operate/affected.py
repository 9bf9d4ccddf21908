"""Running executions that a deployment would change.

An execution keeps the definition of the state machine that it began with, and calls functions as
they are deployed at that time (Step Functions Developer Guide, "State machine versions": updates
hold for executions that start afterwards). So a function that is removed fails the executions
that still call it, with ``Lambda.ResourceNotFoundException``, and one whose code changes may read
results that the earlier code has written, unless the definition names versions of functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError

from .plans import Change
from .runs import RUNNING, AwsRun

if TYPE_CHECKING:
    from .clients import Aws

_PARTS = (
    "aws_lambda_function",
    "aws_batch_job_definition",
    "aws_batch_job_queue",
    "aws_s3_bucket",
    "aws_sfn_state_machine",
)
"""Types of resources that executions use."""
_AT_ONCE = 8  # executions that are described at the same time
_POLL = 5.0  # seconds between two queries for executions that still run


@dataclass(frozen=True, slots=True)
class Affected:
    """A running execution that a plan would change.

    Args:
        run: The execution.
        removed: Resources that it uses and that the plan removes or replaces: ``step 'score'``.
        changed: Steps that it calls and whose function or job the plan updates.
    """

    run: AwsRun
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __str__(self) -> str:
        began = f"{self.run.began.astimezone():%Y-%m-%d %H:%M:%S}"
        if self.removed:
            return f"{self.run.name}, since {began}, will fail where it uses {_and(self.removed)}"
        return f"{self.run.name}, since {began}, will continue with the new {_and(self.changed)}"


def affected(aws: Aws, state_machine: str, changes: Sequence[Change]) -> list[Affected]:
    """Return the running executions of a state machine that a plan would change.

    Args:
        aws: The account.
        state_machine: ARN of the state machine, as it is deployed.
        changes: The plan's changes.

    Raises:
        AwsError: If AWS refuses.
    """
    parts = [one for one in changes if one.type in _PARTS and one.action != "create"]
    removed = {_used_as(one): _named(one) for one in parts if one.action != "update"}
    changed = {
        _used_as(one): _named(one)
        for one in parts
        if one.action == "update" and one.type in _PARTS[:2] and {*one.fields} - {"tags"}
    }
    if not removed and not changed:
        return []

    def of(run: AwsRun) -> Affected | None:
        try:
            answer = aws.call(
                "stepfunctions", "describe_state_machine_for_execution", executionArn=run.arn
            )
        except AwsError as error:
            if error.code == "ExecutionDoesNotExist":  # the execution has ended and was deleted
                return None
            raise
        text = f'{answer["definition"]}"{answer["stateMachineArn"]}"'

        def versioned(part: str) -> bool:
            """Return whether the execution uses a resource or a version of it."""
            return part in text or f"{part[:-1]}:" in text

        found = [
            tuple(sorted({name for part, name in parts.items() if uses(part)}))
            for parts, uses in ((removed, versioned), (changed, text.__contains__))
        ]
        return Affected(run, *found) if any(found) else None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [one for one in pool.map(of, _running(aws, state_machine)) if one is not None]


def wait_for(
    look: Callable[[], list[Affected]],
    report: Callable[[list[Affected]], None],
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until no running execution would be changed, including executions that start meanwhile.

    Args:
        look: Returns the executions that would be changed now.
        report: Receives these executions when they differ from those of the previous query.
        wait: Waits some seconds.
    """
    before: set[str] = set()
    while found := look():
        names = {one.run.name for one in found}
        if names != before:
            report(found)
        before = names
        wait(_POLL)


def _running(aws: Aws, state_machine: str) -> list[AwsRun]:
    pages = aws.pages(
        "stepfunctions", "list_executions", stateMachineArn=state_machine, statusFilter=RUNNING
    )
    try:
        return [AwsRun.of(one) for page in pages for one in page["executions"]]
    except AwsError as error:
        if error.code == "StateMachineDoesNotExist":
            return []
        raise


def _used_as(change: Change) -> str:
    """Return the text by which a state machine definition refers to a resource."""
    before: Mapping[str, Any] = change.before
    if change.type == "aws_batch_job_definition":
        return f'"{before.get("arn_prefix") or str(before["arn"]).rpartition(":")[0]}"'
    if change.type == "aws_s3_bucket":
        return f"{before['bucket']}"
    return f'"{before["arn"]}"'


def _named(change: Change) -> str:
    step = (change.before.get("tags") or {}).get("lokki:step")
    return f"step {step!r}" if step else f"{change.kind} {change.name}"


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
