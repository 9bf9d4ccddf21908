"""Redrives: failed runs continue from the steps that failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.errors import AwsError
from lokki_tf.runtime.busy import FOLDER, AlreadyRunning, busy_text
from lokki_tf.runtime.locks import Slots

from .failures import find_blame
from .refusals import translated
from .runs import FAILED, RUNNING, SERVICE, SUCCEEDED

if TYPE_CHECKING:
    from .deployed import Deployed
    from .runs import AwsRun

_REASONS = {
    "Execution redrivable period exceeded": "it ended more than 14 days ago, AWS's limit",
    "Execution has exceeded the max execution time": "it began more than a year ago, AWS's limit",
    "Execution history event limit exceeded": "its history has 24,999 events or more, and AWS "
    "allows 25,000",
    "State machine is in DELETING status": "its state machine is being deleted",
    "Execution is RUNNING and cannot be redriven": "it is still running",
    "Execution is SUCCEEDED and cannot be redriven": "it has succeeded",
}


_VERSION = re.compile(r":function:([\w-]+):(\d+)\"")


def versions_of(deployed: Deployed, run: AwsRun) -> dict[str, int]:
    """Return the versions of functions that a run calls, by step; empty without versions.

    Args:
        deployed: The pipeline.
        run: The run.

    Raises:
        AwsError: If AWS refuses.
    """
    answer = deployed.aws.call(
        SERVICE, "describe_state_machine_for_execution", executionArn=run.arn
    )
    found = {name: int(version) for name, version in _VERSION.findall(answer["definition"])}
    return {step: found[name] for step, name in deployed.functions.items() if name in found}


def redrive(deployed: Deployed, run: AwsRun) -> None:
    """Continue a failed run from the steps that failed.

    Args:
        deployed: The pipeline.
        run: The run.

    Raises:
        AwsError: If AWS refuses, or the run would only fail again.
    """
    blame = find_blame(deployed, run) if run.status == FAILED else None
    cleanup = deployed.stack.definition.cleanup
    # Nothing has run, and nothing was cleaned up.
    was_busy = run.error == AlreadyRunning.__name__ and blame and blame.where == f"run {run.name}"
    if cleanup and not was_busy and not run.is_running and run.status != SUCCEEDED:
        own = blame is not None and blame.where == f"step {cleanup.name!r}"
        if not own or blame is None or blame.is_final:
            raise AwsError(
                f"run {run.name} cannot be redriven: its cleanup step {cleanup.name!r} has run",
                remedy=f"{deployed.stack.command('start')} begins anew",
            )
    if blame is not None and blame.is_final:
        raise AwsError(
            f"run {run.name} cannot be redriven: it ended in a state that only fails, after too "
            "many steps or in a state machine of an earlier version of lokki_tf, which a redrive "
            "would repeat",
            remedy=f"{deployed.stack.command('start')} begins anew",
        )
    slots = deployed.stack.definition.max_concurrent_runs
    if slots is not None and run.status not in (RUNNING, SUCCEEDED):
        _take_slot(deployed, run, slots)
    try:
        deployed.aws.call(SERVICE, "redrive_execution", executionArn=run.arn)
    except AwsError as error:
        if error.code == "ExecutionNotRedrivable":
            answer = deployed.aws.call(SERVICE, "describe_execution", executionArn=run.arn)
            reason = str(answer.get("redriveStatusReason") or "").rstrip(".")
            raise AwsError(
                f"run {run.name} cannot be redriven: {_REASONS.get(reason, reason or run.status)}",
                code=error.code,
                remedy=f"{deployed.stack.command('start')} begins anew",
            ) from None
        raise


def _take_slot(deployed: Deployed, run: AwsRun, slots: int) -> None:
    """Take a slot for a run that does not enter its first state again.

    Raises:
        AwsError: If other runs hold all slots.
    """
    aws, root = deployed.aws, deployed.store
    with translated("s3", "put_object", f"{root}/{FOLDER}"):
        held = Slots(aws.client("s3"), aws.client(SERVICE), root)
        holders = held.take(slots, run.arn, run.redrives + 1)
    if holders:
        names = [one.rpartition(":")[2] for one in holders]
        raise AwsError(
            f"run {run.name} cannot be redriven: {busy_text(deployed.stack.name, names)}",
            remedy=f"wait for its end: {deployed.stack.command(f'show --run {names[0]}')}",
        )
