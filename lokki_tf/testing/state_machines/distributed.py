"""Distributed Maps: each item, or batch of items, runs as a child execution.

The stages: read the items, apply ``ItemSelector`` and ``ItemBatcher``, run the children, write
their results with ``ResultWriter`` or return them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from uuid import uuid4

from lokki_tf.testing.state_machines.batches import batches_of
from lokki_tf.testing.state_machines.failures import StateFailure, Stopped
from lokki_tf.testing.state_machines.frame import StateRun, authorize
from lokki_tf.testing.state_machines.item_reader import read_items
from lokki_tf.testing.state_machines.limits import (
    DATA_LIMIT_EXCEEDED,
    EXPRESS_SECONDS,
    PAYLOAD_BYTES,
)
from lokki_tf.testing.state_machines.map_fields import (
    is_express,
    items_of,
    number,
    processor_of,
    selected,
)
from lokki_tf.testing.state_machines.map_run import MapRun, Tolerance
from lokki_tf.testing.state_machines.parallel import run_together
from lokki_tf.testing.state_machines.record import ExecutionRecord
from lokki_tf.testing.state_machines.result_writer import record, write_results
from lokki_tf.testing.state_machines.statuses import RUNNING, SUCCEEDED
from lokki_tf.testing.state_machines.values import Json, dump, load, size

CONCURRENCY = 40
"""The largest number of children that run at a time. AWS runs up to 10,000."""
_THREADS = max(4, os.cpu_count() or 1)
"""The number of children that run at a time as long as they do not wait."""
THRESHOLD = "States.ExceedToleratedFailureThreshold"
THRESHOLD_CAUSE = "The specified tolerated failure threshold was exceeded"


def attempt(run: StateRun, value: Json) -> Json:
    """Make one attempt at a Distributed Map state.

    Raises:
        StateFailure: If items cannot be read, too many fail, or results cannot be written.
    """
    frame = run.frame
    map_run = frame.progress.map_run
    if frame.progress.redriven is not None and map_run is not None and len(map_run.children):
        _redrive(run, map_run)
    else:
        map_run = _started(run, value)
    try:
        if not len(map_run.children):
            _read(run, value, map_run)
        result = _run(run, value, map_run)
    except StateFailure as failure:
        map_run.end("FAILED")
        frame.event("MapRunFailed", **failure.details)
        raise
    except Stopped:
        map_run.end("ABORTED")
        frame.event("MapRunAborted")
        raise
    map_run.end("SUCCEEDED")
    frame.event("MapRunSucceeded")
    frame.event("MapStateSucceeded")
    return result


def _map_run(run: StateRun, value: Json, concurrency: int) -> MapRun[ExecutionRecord]:
    label = run.state.get("Label") or uuid4().hex[:20]
    execution = run.frame.execution
    prefix = execution.state_machine_arn.replace(":stateMachine:", ":mapRun:")
    count = number(run, value, "ToleratedFailureCount", -1.0)
    percentage = number(run, value, "ToleratedFailurePercentage", -1.0)
    map_run: MapRun[ExecutionRecord] = MapRun(
        arn=f"{prefix}/{label}:{uuid4()}",
        execution_arn=execution.arn,
        state_machine_arn=f"{execution.state_machine_arn}/{label}",
        concurrency=concurrency,
        tolerance=Tolerance(count, percentage),
        is_express=is_express(run.state),
        definition=processor_of(run.state),
    )
    execution.adopt(map_run)
    return map_run


def _started(run: StateRun, value: Json) -> MapRun[ExecutionRecord]:
    frame = run.frame
    # The number of items in S3 is not known yet.
    length = 0 if "ItemReader" in run.state else len(items_of(run, value))
    concurrency = int(number(run, value, "MaxConcurrency", 0))
    frame.event("MapStateStarted", length=length)
    map_run = _map_run(run, value, concurrency)
    _authorize(run, map_run)
    frame.execution.map_runs.append(map_run)
    frame.progress.map_run = map_run
    run.begun = True
    frame.event("MapRunStarted", mapRunArn=map_run.arn)
    return map_run


def _authorize(run: StateRun, map_run: MapRun[ExecutionRecord]) -> None:
    """Check that the state machine's role allows the actions of a Map Run.

    Source: Step Functions Developer Guide, "IAM policies for using Distributed Map states". The
    documented policies allow actions on executions of the state machine itself, not on the child
    executions.

    Raises:
        StateFailure: If the role's policies do not allow an action.
    """
    execution, key = run.frame.execution, run.frame.settings.key
    authorize(run, "states:StartExecution", execution.state_machine_arn)
    authorize(run, "states:DescribeExecution", execution.arn)
    if key is not None:
        context = {"kms:EncryptionContext:aws:states:stateMachineArn": map_run.state_machine_arn}
        for action in ("kms:GenerateDataKey", "kms:Decrypt"):
            authorize(run, action, key, context)


def _redrive(run: StateRun, map_run: MapRun[ExecutionRecord]) -> None:
    """Prepare the children that have not succeeded to run again in the same Map Run.

    Express children are started again. Source: Step Functions Developer Guide, "Redriving Map
    Runs".
    """
    map_run.redrives += 1
    run.frame.progress.redriven = None
    map_run.status, map_run.stop_date = RUNNING, None
    run.frame.event("MapRunRedriven", mapRunArn=map_run.arn, redriveCount=map_run.redrives)
    if map_run.is_express:
        authorize(run, "states:StartExecution", run.frame.execution.state_machine_arn)
    else:
        for child in map_run.children.load(map_run.children.unfinished()):
            authorize(run, "states:RedriveExecution", child.arn)
    map_run.children.reopen()


def _read(run: StateRun, value: Json, map_run: MapRun[ExecutionRecord]) -> None:
    items = enumerate(read_items(run, value))
    batches = batches_of(run, value, (selected(run, value, *one) for one in items))
    for batch in batches:
        text = dump(batch.input)
        if size(text) > PAYLOAD_BYTES:
            raise StateFailure(
                DATA_LIMIT_EXCEEDED,
                f"The input of a child execution has {size(text):,} bytes, which is "
                "more than the service limit.",
            )
        map_run.children.add(text, batch.items)


def _run(run: StateRun, value: Json, map_run: MapRun[ExecutionRecord]) -> Json:
    try:
        _run_children(run, map_run)
    except StateFailure:
        with suppress(StateFailure):  # report the original failure, not a missing permission
            authorize(run, "states:StopExecution", run.frame.execution.arn)
        _abort(map_run)
        if "Resource" in run.state.get("ResultWriter", {}):
            write_results(run, value, map_run)
        raise
    if "Resource" in run.state.get("ResultWriter", {}):
        return write_results(run, value, map_run)
    return _results(map_run)


def _run_children(run: StateRun, map_run: MapRun[ExecutionRecord]) -> None:
    children, cancel_scope = map_run.children, run.frame.cancel_scope

    def work(position: int) -> None:
        if children.status(position) == SUCCEEDED:  # it succeeded before the redrive
            return
        cancel_scope.check()
        child = children.begin(position, cancel_scope)
        attempt = child.attempt
        try:
            child.run()
        finally:
            children.end(position, attempt)
        cancel_scope.check()
        if child.status != SUCCEEDED and map_run.too_many_failed():
            raise StateFailure(THRESHOLD, THRESHOLD_CAUSE)

    def revoke() -> None:
        for child in children.close():
            if not child.is_express:  # these are not stopped by a failure of another
                child.cancel_scope.revoke()

    concurrency = min(map_run.concurrency or CONCURRENCY, CONCURRENCY)
    run_together(work, len(children), concurrency, revoke, first=_THREADS)


def _abort(map_run: MapRun[ExecutionRecord]) -> None:
    """End the children of a Map Run that has failed: Express ones cannot be stopped."""
    for child in map_run.children.close():
        if child.is_express:
            child.done.wait(EXPRESS_SECONDS)
        else:
            child.stop()
        child.cancel_scope.revoke()
    map_run.children.stopped()


def _results(map_run: MapRun[ExecutionRecord]) -> Json:
    """Return the outputs in the order of the items, with a record for each failed child.

    Raises:
        StateFailure: If they exceed the payload quota, without loading the others.
    """
    results, length = [], 0
    for child in map_run.children.load(range(len(map_run.children))):
        results.append(record(child) if child.output_text is None else load(child.output_text))
        length += size(child.output_text or "")
        if length > PAYLOAD_BYTES:
            break
    return results
