"""Events of a running execution, in the form of a local run's events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .history import Tracker
from .visits import ItemCounts

if TYPE_CHECKING:
    from lokki_tf.local import Event

    from .deployed import Deployed
    from .runs import AwsRun

SHORTEST, LONGEST = 0.2, 2.0  # seconds between two calls; AWS allows a few a second
_PAGE = 100


def tracker_of(deployed: Deployed) -> Tracker:
    """Return a tracker for executions of a pipeline.

    Args:
        deployed: The pipeline.
    """

    def counts(map_run: str) -> ItemCounts:
        answer = deployed.aws.call("stepfunctions", "describe_map_run", mapRunArn=map_run)
        items = answer["itemCounts"]
        # Aborted items have not failed: another item has, which made the map fail.
        return ItemCounts(items["total"], items["succeeded"], items["failed"] + items["timedOut"])

    return Tracker(deployed.stack.definition, counts, deployed.aws.read)


def follow(
    deployed: Deployed,
    run: AwsRun,
    on_event: Callable[[Event], None] | None,
    *,
    known: int = 0,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Report the events of a run until it ends.

    Args:
        deployed: The pipeline.
        run: The run.
        on_event: Receives each event, as in a local run.
        known: Id of the last event in its history that is not to be reported: after a redrive, the
            last event before it.
        wait: Waits some seconds.
    """
    tracker, pause = tracker_of(deployed), SHORTEST
    report = on_event or (lambda event: None)
    while True:
        news = _after(deployed, run.arn, tracker.last)
        for one in news:
            for event in tracker.read(one):
                if one["id"] > known:
                    report(event)
        if tracker.ended and tracker.last > known:
            return
        for event in tracker.progress(time.time()):
            report(event)
        pause = SHORTEST if news else min(LONGEST, pause * 1.5)
        wait(pause)


def history(deployed: Deployed, arn: str) -> Iterator[Mapping[str, Any]]:
    """Yield pages of all events of an execution, from the first.

    Args:
        deployed: The pipeline.
        arn: The execution's ARN.
    """
    for page in deployed.aws.pages("stepfunctions", "get_execution_history", executionArn=arn):
        yield from page["events"]


def is_express(execution: str) -> bool:
    """Return whether an execution is an Express one, which has no history.

    Those of a map can be listed and described. Source: Step Functions API Reference,
    "ListExecutions", "DescribeExecution" and "GetExecutionHistory".

    Args:
        execution: The execution's ARN.
    """
    return execution.split(":")[5:6] == ["express"]


def last_event(deployed: Deployed, arn: str) -> int:
    """Return the id of an execution's last event so far.

    Args:
        deployed: The pipeline.
        arn: The execution's ARN.
    """
    answer = deployed.aws.call(
        "stepfunctions", "get_execution_history", executionArn=arn, maxResults=1, reverseOrder=True
    )
    return max((int(one["id"]) for one in answer["events"]), default=0)


def _after(deployed: Deployed, arn: str, last: int) -> list[Mapping[str, Any]]:
    """Return the events after one, in order; reading starts at the end, for long histories."""
    if last == 0:
        return list(history(deployed, arn))
    found: list[Mapping[str, Any]] = []
    for page in deployed.aws.pages(
        "stepfunctions",
        "get_execution_history",
        executionArn=arn,
        reverseOrder=True,
        PaginationConfig={"PageSize": _PAGE},
    ):
        news = [one for one in page["events"] if one["id"] > last]
        found += news
        if len(news) < len(page["events"]):
            break
    return found[::-1]
