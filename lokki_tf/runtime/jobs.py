"""A step as a job of AWS Batch: the event is in an environment variable, the result in the bucket.

The variable ``LOKKI_EVENT`` is the URI of the event, which the state machine has written. It has
the fields described in :mod:`.handler`, and ``again``: the retriers of the job itself, if only some
errors are retried::

    [{"errors": ["OSError", …], "retries": 3, "delay": 1.0, "backoff": 2.0, "max_delay": null,
      "jitter": false}]

(one without ``errors`` in events of earlier versions), and ``seconds``, the time limit of each
attempt.

The result, an envelope, is written next to the event, to ``<node>.<job's id>.answer.json``, an
error to ``<node>.<job's id>.error.json``. While the job runs, the latter says that the job ended
without an error, which is then true if it was killed. Events of earlier versions expect no id
there.
"""

from __future__ import annotations

import json
import time

from . import store
from .deadline import deadline
from .names import ANSWER, ERROR, EVENT, EVENT_SUFFIX, JOB_DIED, SUBMITTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

ATTEMPT = "AWS_BATCH_JOB_ATTEMPT"
DIED_IN_LAMBDA = "Lambda.Unknown"
"""The name that retriers have for the end of a process."""
_WITH_IDS = 2  # the first format with ids in the names
# Characters of a message and of a traceback's JSON: a Cause has 32,768, where one of a message may
# be written as six.
LONGEST, LONGEST_TRACE = 4_000, 8_000
DIED = {
    "errorType": JOB_DIED,
    "errorMessage": "the job ended without reporting an error: it was killed, ran out of memory, "
    "or exceeded its timeout_seconds",
}


class Job:
    """The job that a process runs.

    Args:
        environment: The variables of the process.

    Raises:
        LookupError: If they contain no event.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        uri = environment.get(EVENT, "")
        if not uri.startswith("s3://"):
            raise LookupError(
                f"the variable {EVENT} is {uri!r}, and not the URI of the job's event"
            )
        event = json.loads(store.read(uri))
        again = event.pop("again", [])
        if isinstance(again, dict):
            listed = [one.rpartition(".")[2] for one in event.get("retry", ())]
            again = [{**again, "errors": [*listed, DIED_IN_LAMBDA]}]
        self._left = Retries(again)
        # Each earlier attempt of Batch's, which only a process that died has, was one retry.
        tried = int(environment.get(ATTEMPT, 1)) - 1
        for _ in range(tried):
            self._left.wait(DIED_IN_LAMBDA)
        self._seconds = event.pop("seconds", None)
        self._event = event
        self._at = uri.removesuffix(EVENT_SUFFIX)
        if event.get("format", 0) >= _WITH_IDS:
            self._at += f".{environment['AWS_BATCH_JOB_ID']}"
            event["at"] = f"{self._at}."
        else:
            event["at"] = f"{self._at}/"
        if "context" in event:
            event["context"]["attempt"] = int(environment.get(SUBMITTED, 0)) + tried
        self.fail(**DIED)

    def perform(self, handler: Callable[[dict[str, Any], Any], Any]) -> None:
        """Call the step's handler, repeatedly for errors to retry, and write the result.

        Args:
            handler: The step's ``lambda_handler``.

        Raises:
            Exception: Its last error.
        """
        while True:
            try:
                with deadline(self._seconds):
                    answer = handler(self._event, None)
            except Exception as error:
                # The handler has given it the listed name.
                wait = self._left.wait(type(error).__name__)
                if wait is None:
                    raise
                time.sleep(wait)
                if "context" in self._event:
                    self._event["context"]["attempt"] += 1
            else:
                store.write(f"{self._at}.{ANSWER}", json.dumps(answer).encode())
                return

    def fail(
        self,
        errorType: str,  # noqa: N803  # Lambda's names
        errorMessage: str,  # noqa: N803  # as above
        stackTrace: Sequence[str] = (),  # noqa: N803  # as above
    ) -> None:
        """Write why the job has failed.

        Args:
            errorType: The name of the error's class.
            errorMessage: Its text.
            stackTrace: One string per frame; if they are too long, the outermost are left out.
        """
        report: dict[str, Any] = {"errorType": errorType, "errorMessage": errorMessage[:LONGEST]}
        if stackTrace:
            report["stackTrace"] = _innermost(stackTrace)
        store.write(f"{self._at}.{ERROR}", json.dumps(report).encode())


def _innermost(frames: Sequence[str]) -> list[str]:
    kept: list[str] = []
    room = LONGEST_TRACE
    for frame in reversed(frames):
        room -= len(json.dumps(frame)) + len(", ")
        if room < 0:
            break
        kept.append(frame)
    return kept[::-1]


class Retries:
    """The remaining retries of a step: each retrier has its own count.

    Args:
        again: The retriers, as described at the top of this module.
    """

    def __init__(self, again: Iterable[dict[str, Any]]) -> None:
        self._left = [(one["errors"], waits(one)) for one in again]

    def wait(self, name: str) -> float | None:
        """Return the seconds before the next attempt; ``None`` if there is none.

        Args:
            name: The name of the error.
        """
        for errors, left in self._left:
            if {name, "States.ALL", "States.TaskFailed"}.intersection(errors):
                return next(left, None)
        return None


def waits(again: dict[str, Any]) -> Iterator[float]:
    """Yield the seconds to wait before each retry.

    Args:
        again: One retrier, as described at the top of this module.
    """
    delay = float(again.get("delay", 0.0))
    for _ in range(again.get("retries", 0)):
        wait = delay if again.get("max_delay") is None else min(delay, again["max_delay"])
        if again.get("jitter"):
            import random

            wait *= random.random()
        yield wait
        delay *= again.get("backoff", 1.0)
