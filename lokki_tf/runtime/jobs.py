"""A step as a job of AWS Batch: the event comes by the environment, the answer goes to the bucket.

The state machine sends what :mod:`.handler` tells, as JSON text in the variable ``LOKKI_EVENT``,
and ``again``, how often and when the job tries again itself where only some errors are retried::

    {"retries": 3, "delay": 1.0, "backoff": 2.0, "max_delay": null, "jitter": false}

The answer, an envelope, stands in ``<node>.answer.json`` of the run's folder, an error in
``<node>.error.json``. While the job runs, that one says that it ended without a word: whoever
reads it after a kill reads that.
"""

from __future__ import annotations

import json
import os
import sys
import time

from . import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

EVENT = "LOKKI_EVENT"
DIED = {
    "errorType": "Batch.JobDied",
    "errorMessage": "the job ended without a word: it was killed, had no memory left, or took "
    "longer than its timeout_seconds",
}


def perform(handler: Callable[[dict[str, Any], Any], Any]) -> int:
    """Runs a step as a job.

    Args:
        handler: The step's ``lambda_handler``.

    Returns:
        The exit code of the job.
    """
    event = json.loads(os.environ[EVENT])
    folder = folder_of(event)
    store.write(f"{folder}.error.json", json.dumps(DIED).encode())
    waits = _waits(event.pop("again", {}))
    while True:
        try:
            answer = handler(event, None)
        except BaseException as error:
            wait = next(waits, None) if _is_listed(error, event) else None
            if wait is None:
                return _failed(error, folder)
            time.sleep(wait)
        else:
            store.write(f"{folder}.answer.json", json.dumps(answer).encode())
            return 0


def folder_of(event: dict[str, Any]) -> str:
    """Where a node's results are, without the suffix."""
    parts = (event["store"], "runs", event["run"], event.get("place"), event["node"])
    return "/".join(filter(None, parts))


def _failed(error: BaseException, folder: str) -> int:
    import traceback

    traceback.print_exception(error)
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be made)"
    told = {"errorType": type(error).__name__, "errorMessage": text[:30_000]}
    store.write(f"{folder}.error.json", json.dumps(told).encode())
    print(f"{told['errorType']}: {told['errorMessage']}", file=sys.stderr)
    return 1


def _is_listed(error: BaseException, event: dict[str, Any]) -> bool:
    """Whether an error is among those that are retried; the handler has given it their name."""
    names = {one.rpartition(".")[2] for one in event.get("retry", ())}
    return type(error).__name__ in names


def _waits(again: dict[str, Any]) -> Iterator[float]:
    """Seconds before each try after the first."""
    delay = float(again.get("delay", 0.0))
    for _ in range(again.get("retries", 0)):
        wait = delay if again.get("max_delay") is None else min(delay, again["max_delay"])
        if again.get("jitter"):
            import random

            wait *= random.random()
        yield wait
        delay *= again.get("backoff", 1.0)
