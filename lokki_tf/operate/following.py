"""An execution while it runs, told as a local run tells of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .history import Tracker
from .visits import ItemCounts

if TYPE_CHECKING:
    from lokki_tf.local import Event

    from .runs import AwsRun
    from .stack import Deployed

SHORTEST, LONGEST = 0.2, 2.0  # seconds between two looks; AWS allows a few a second
_PAGE = 100


def tracker_of(deployed: Deployed) -> Tracker:
    """Reads histories of a pipeline's executions.

    Args:
        deployed: The pipeline.
    """

    def counts(map_run: str) -> ItemCounts:
        told = deployed.aws.call("stepfunctions", "describe_map_run", mapRunArn=map_run)
        items = told["itemCounts"]
        # Those that were aborted have not failed: others have, and the map with them.
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
    """Tells of a run until it ends.

    Args:
        deployed: The pipeline.
        run: The run.
        on_event: Takes each event, as of a local run.
        known: Id of the last event in its history that is no news: after a redrive, what came
            before.
        wait: Waits some seconds.
    """
    tracker, pause = tracker_of(deployed), SHORTEST
    tell = on_event or (lambda event: None)
    while True:
        news = _after(deployed, run.arn, tracker.last)
        for one in news:
            for event in tracker.read(one):
                if one["id"] > known:
                    tell(event)
        if tracker.ended and tracker.last > known:
            return
        for event in tracker.progress(time.time()):
            tell(event)
        pause = SHORTEST if news else min(LONGEST, pause * 1.5)
        wait(pause)


def history(deployed: Deployed, arn: str) -> Iterator[Mapping[str, Any]]:
    """All events of an execution, from the first.

    Args:
        deployed: The pipeline.
        arn: The execution's ARN.
    """
    for page in deployed.aws.pages("stepfunctions", "get_execution_history", executionArn=arn):
        yield from page["events"]


def last_event(deployed: Deployed, arn: str) -> int:
    """Id of the last event of an execution so far.

    Args:
        deployed: The pipeline.
        arn: The execution's ARN.
    """
    told = deployed.aws.call(
        "stepfunctions", "get_execution_history", executionArn=arn, maxResults=1, reverseOrder=True
    )
    return max((int(one["id"]) for one in told["events"]), default=0)


def _after(deployed: Deployed, arn: str, last: int) -> list[Mapping[str, Any]]:
    """The events after one, in order; read from the end, so that a long history costs little."""
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
