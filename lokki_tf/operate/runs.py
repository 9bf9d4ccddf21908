"""Executions in AWS: start, find, list and redrive them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.asl import BUSY
from lokki_tf.errors import AwsError, OptionError, UnknownRunError
from lokki_tf.runtime.failure import message_of, own_error

from .stack import not_deployed

if TYPE_CHECKING:
    from .deployed import Deployed

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
_NAME = re.compile(r"[A-Za-z0-9_.+!@()='-]{1,80}")
SERVICE = "stepfunctions"
_LATE = 20  # attempts
_AT_ONCE = 8  # runs that are described at the same time


# AWS's reasons (Step Functions API Reference, "DescribeExecution", redriveStatusReason), with the
# limits (the same, "RedriveExecution").
@dataclass(frozen=True, slots=True)
class AwsRun:
    """An execution of a pipeline's state machine.

    Args:
        arn: Its ARN.
        name: Its name, which commands accept.
        status: ``RUNNING``, ``SUCCEEDED``, ``FAILED``, ``TIMED_OUT``, ``ABORTED`` or
            ``PENDING_REDRIVE``.
        began: When it started.
        ended: When it ended, if it has.
        redrives: How often it was redriven.
        input: Its input, as JSON; ``None`` in a list.
        output: Its output, as JSON, if it has succeeded; ``None`` in a list.
        error: AWS's name of the error, if it failed.
        cause: AWS's cause of the error.
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
    def of(cls, answer: Mapping[str, Any]) -> AwsRun:
        """Return a run from AWS's description."""
        return cls(
            answer["executionArn"],
            answer["name"],
            answer["status"],
            answer["startDate"],
            answer.get("stopDate") if answer["status"] != RUNNING else None,
            answer.get("redriveCount", 0),
            answer.get("input"),
            answer.get("output"),
            *own_error(answer.get("error"), answer.get("cause")),
        )

    @property
    def busy(self) -> str | None:
        """Why the run was skipped, if it was: the runs that were going on."""
        output = json.loads(self.output or "{}")
        first = next(iter(output.values()), None) if isinstance(output, dict) else None
        cause = first.get(BUSY) if isinstance(first, dict) else None
        return None if cause is None else message_of(cause)

    @property
    def is_running(self) -> bool:
        """Whether the run has not ended."""
        return self.ended is None


def start(deployed: Deployed, given: Mapping[str, Any], name: str | None = None) -> AwsRun:
    """Start a run.

    Args:
        deployed: The pipeline.
        given: The pipeline's parameters, already validated.
        name: The run's name; AWS generates one by default.

    Raises:
        OptionError: If the name is invalid, or the parameters cannot be serialized as JSON.
        AwsError: If AWS refuses; a name can be used once in 90 days.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise OptionError(
            f"--name must be a valid name of a run, got {name!r}",
            remedy="use 1 to 80 letters, digits and - _ .",
        )
    try:
        # Compact and in UTF-8, as in the measurement of its size.
        text = json.dumps(dict(given), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise OptionError(f"the run's parameters cannot be serialized as JSON: {error}") from None
    more = {} if name is None else {"name": name}
    try:
        answer = deployed.aws.call(
            SERVICE, "start_execution", stateMachineArn=deployed.arn, input=text, **more
        )
    except AwsError as error:
        if error.code == "ExecutionAlreadyExists":
            raise AwsError(
                f"a run {name!r} exists already",
                code=error.code,
                remedy="choose another --name, or leave it out",
            ) from None
        raise _without_machine(deployed, error) from None
    arn = str(answer["executionArn"])
    return AwsRun(arn, arn.rpartition(":")[2], RUNNING, answer["startDate"])


def describe(deployed: Deployed, run: str | None) -> AwsRun:
    """Return a run.

    Args:
        deployed: The pipeline.
        run: Its name or ARN; by default the last run.

    Raises:
        UnknownRunError: If it does not exist.
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
        answer = deployed.aws.call(SERVICE, "describe_execution", executionArn=arn)
    except AwsError as error:
        if error.code in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
            raise UnknownRunError(
                f"{deployed.stack.name} has no run {run!r}",
                code=error.code,
                remedy=f"{deployed.stack.command('show')} lists the last ones; AWS keeps them for "
                "90 days",
            ) from None
        raise
    return AwsRun.of(answer)


def stop(deployed: Deployed, run: AwsRun, error: str, cause: str) -> AwsRun:
    """Stop a run, and return it as it has ended.

    Args:
        deployed: The pipeline.
        run: The run.
        error: Name of the error that it ends with.
        cause: Text of the error.

    Raises:
        AwsError: If it has ended, or AWS refuses.
    """
    if not run.is_running:
        status = run.status.lower().replace("_", " ")
        raise AwsError(f"run {run.name} cannot be stopped: it has ended ({status})")
    deployed.aws.call(SERVICE, "stop_execution", executionArn=run.arn, error=error, cause=cause)
    return ended(deployed, run)


def ended(deployed: Deployed, run: AwsRun) -> AwsRun:
    """Return a run whose history shows that it has ended.

    Args:
        deployed: The pipeline.
        run: The run.
    """
    for _ in range(_LATE):
        found = describe(deployed, run.arn)
        if not found.is_running:
            break
        time.sleep(0.5)  # AWS's description may be a little behind the history
    return found


def recent(deployed: Deployed, most: int) -> list[AwsRun]:
    """Return the last runs, the latest first.

    Args:
        deployed: The pipeline.
        most: The maximum number of runs.

    Raises:
        NotDeployedError: If the pipeline is no longer deployed.
    """
    return list(_listed(deployed, {"MaxItems": most, "PageSize": min(most, 1000)}))


def every_run(deployed: Deployed) -> Iterator[AwsRun]:
    """Yield all runs of the last 90 days, the latest first.

    Args:
        deployed: The pipeline.

    Raises:
        NotDeployedError: If the pipeline is no longer deployed.
    """
    return _listed(deployed, {"PageSize": 1000})


def _listed(deployed: Deployed, pages: Mapping[str, int]) -> Iterator[AwsRun]:
    try:
        for page in deployed.aws.pages(
            SERVICE, "list_executions", stateMachineArn=deployed.arn, PaginationConfig=pages
        ):
            yield from map(AwsRun.of, page["executions"])
    except AwsError as error:
        raise _without_machine(deployed, error) from None


def with_errors(deployed: Deployed, found: Sequence[AwsRun]) -> list[AwsRun]:
    """Return the runs with what AWS's list does not contain: errors, and why some were skipped.

    Args:
        deployed: The pipeline.
        found: The result of :func:`recent`.
    """

    known = {RUNNING, SUCCEEDED}
    if deployed.stack.definition.when_busy == "skip":
        known.remove(SUCCEEDED)

    def described(run: AwsRun) -> AwsRun:
        return run if run.status in known else describe(deployed, run.arn)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(described, found))


def _without_machine(deployed: Deployed, error: AwsError) -> AwsError:
    if error.code != "StateMachineDoesNotExist":
        return error
    account = deployed.aws.account()
    return not_deployed(deployed.stack, f"in {deployed.aws.region} of account {account}")
