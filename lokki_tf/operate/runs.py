"""Runs in AWS: started, found, listed, redriven."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError, OptionError, UnknownRunError
from lokki_tf.runtime.failures import own_error

from .failures import find_blame
from .stack import not_deployed

if TYPE_CHECKING:
    from .stack import Deployed

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
_NAME = re.compile(r"[A-Za-z0-9_.+!@()='-]{1,80}")
_SERVICE = "stepfunctions"
_LATE = 20  # looks
_AT_ONCE = 8  # runs that are described side by side
# AWS's reasons (Step Functions API Reference, "DescribeExecution", redriveStatusReason), with the
# limits (the same, "RedriveExecution").
_REASONS = {
    "Execution redrivable period exceeded": "it ended more than 14 days ago, AWS's limit",
    "Execution has exceeded the max execution time": "it began more than a year ago, AWS's limit",
    "Execution history event limit exceeded": "its history has 24,999 events or more, and AWS "
    "allows 25,000",
    "State machine is in DELETING status": "its state machine is being deleted",
    "Execution is RUNNING and cannot be redriven": "it is still running",
    "Execution is SUCCEEDED and cannot be redriven": "it has succeeded",
}


@dataclass(frozen=True, slots=True)
class AwsRun:
    """An execution of a pipeline's state machine.

    Args:
        arn: Its ARN.
        name: Its name, by which commands know it.
        status: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED`` or
            ``PENDING_REDRIVE``.
        began: When it started.
        ended: When it ended, if it has.
        redrives: How often it was redriven.
        input: What it was given, as JSON; ``None`` in a list.
        output: What it gave, as JSON, if it has succeeded; ``None`` in a list.
        error: AWS's name of the error, if it failed.
        cause: What belongs to the error.
    """

    arn: str
    name: str
    status: str
    began: datetime
    ended: datetime | None = None
    redrives: int = 0
    input: str | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> AwsRun:
        """A run from what AWS tells of it."""
        return cls(
            told["executionArn"],
            told["name"],
            told["status"],
            told["startDate"],
            told.get("stopDate") if told["status"] != RUNNING else None,
            told.get("redriveCount", 0),
            told.get("input"),
            told.get("output"),
            *own_error(told.get("error"), told.get("cause")),
        )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None


def start(deployed: Deployed, given: Mapping[str, Any], name: str | None = None) -> AwsRun:
    """Starts a run.

    Args:
        deployed: The pipeline.
        given: The flow's parameters, which the pipeline has checked.
        name: The run's name; AWS makes one up unless given.

    Raises:
        OptionError: If AWS takes no such name, or the parameters are no JSON.
        AwsError: If AWS refuses; a name can be taken once in 90 days.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise OptionError(
            f"--name {name!r} is no name for a run",
            remedy="use 1 to 80 letters, digits and - _ .",
        )
    try:
        # Compact and in UTF-8, as its size was measured.
        text = json.dumps(dict(given), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise OptionError(f"the run's parameters are no JSON: {error}") from None
    more = {} if name is None else {"name": name}
    try:
        told = deployed.aws.call(
            _SERVICE, "start_execution", stateMachineArn=deployed.arn, input=text, **more
        )
    except AwsError as error:
        if error.code == "ExecutionAlreadyExists":
            raise AwsError(
                f"there has been a run {name!r} already",
                code=error.code,
                remedy="choose another --name, or leave it out",
            ) from None
        raise _without_machine(deployed, error) from None
    arn = str(told["executionArn"])
    return AwsRun(arn, arn.rpartition(":")[2], RUNNING, told["startDate"])


def describe(deployed: Deployed, run: str | None) -> AwsRun:
    """A run.

    Args:
        deployed: The pipeline.
        run: Its name or ARN; the last one unless given.

    Raises:
        UnknownRunError: If there is none.
    """
    if run is None:
        last = recent(deployed, 1)
        if not last:
            raise UnknownRunError(
                f"{deployed.stack.name} has not run yet",
                remedy=deployed.stack.command("start"),
            )
        run = last[0].arn
    arn = run if run.startswith("arn:") else deployed.execution_prefix + run
    try:
        told = deployed.aws.call(_SERVICE, "describe_execution", executionArn=arn)
    except AwsError as error:
        if error.code in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
            raise UnknownRunError(
                f"{deployed.stack.name} has no run {run!r}",
                code=error.code,
                remedy=f"{deployed.stack.command('show')} lists the last ones; AWS keeps them for "
                "90 days",
            ) from None
        raise
    return AwsRun.of(told)


def ended(deployed: Deployed, run: AwsRun) -> AwsRun:
    """A run whose history says that it has ended.

    Args:
        deployed: The pipeline.
        run: The run.
    """
    for _ in range(_LATE):
        found = describe(deployed, run.arn)
        if not found.is_running:
            break
        time.sleep(0.5)  # what AWS describes may be a little behind its history
    return found


def recent(deployed: Deployed, most: int) -> list[AwsRun]:
    """The last runs, the latest first.

    Args:
        deployed: The pipeline.
        most: How many.

    Raises:
        NotDeployedError: If it stands no more.
    """
    found: list[AwsRun] = []
    try:
        for page in deployed.aws.pages(
            _SERVICE,
            "list_executions",
            stateMachineArn=deployed.arn,
            PaginationConfig={"MaxItems": most, "PageSize": min(most, 1000)},
        ):
            found += map(AwsRun.of, page["executions"])
    except AwsError as error:
        raise _without_machine(deployed, error) from None
    return found


def with_errors(deployed: Deployed, found: Sequence[AwsRun]) -> list[AwsRun]:
    """The runs with the errors of those that have failed, which a list of AWS's does not have.

    Args:
        deployed: The pipeline.
        found: As :func:`recent` returns them.
    """

    def described(run: AwsRun) -> AwsRun:
        has_failed = run.status not in (RUNNING, SUCCEEDED)
        return describe(deployed, run.arn) if has_failed else run

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(described, found))


def redrive(deployed: Deployed, run: AwsRun) -> None:
    """Lets a run that failed go on from what failed.

    Args:
        deployed: The pipeline.
        run: The run.

    Raises:
        AwsError: If AWS does not let it, or would but fail again.
    """
    if run.status == FAILED and find_blame(deployed, run).is_final:
        raise AwsError(
            f"run {run.name} cannot go on: an earlier version of lokki_tf deployed its state "
            "machine, which has ended in a state that only fails, and AWS would repeat that one",
            remedy=f"{deployed.stack.command('start')} begins anew",
        )
    try:
        deployed.aws.call(_SERVICE, "redrive_execution", executionArn=run.arn)
    except AwsError as error:
        if error.code == "ExecutionNotRedrivable":
            told = deployed.aws.call(_SERVICE, "describe_execution", executionArn=run.arn)
            reason = str(told.get("redriveStatusReason") or "").rstrip(".")
            raise AwsError(
                f"run {run.name} cannot go on: {_REASONS.get(reason, reason or run.status)}",
                code=error.code,
                remedy=f"{deployed.stack.command('start')} begins anew",
            ) from None
        raise


def _without_machine(deployed: Deployed, error: AwsError) -> AwsError:
    if error.code != "StateMachineDoesNotExist":
        return error
    account = deployed.aws.account()
    return not_deployed(deployed.stack, f"in {deployed.aws.region} of account {account}")
