"""Match failures with retriers and catchers, and calculate the delays of retries."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from lokki_tf.testing.state_machines.failures import TIMEOUT, StateFailure
from lokki_tf.testing.state_machines.limits import DATA_LIMIT_EXCEEDED
from lokki_tf.testing.state_machines.values import Json

HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"
ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
_NO_TASK_FAILURES = (TIMEOUT, DATA_LIMIT_EXCEEDED)


def matches(rule: Mapping[str, Json], failure: StateFailure) -> bool:
    """Return whether a retrier or catcher matches a failure.

    ``States.ALL`` and ``States.TaskFailed`` are wildcards. ``States.TaskFailed`` matches neither
    timeouts nor ``States.DataLimitExceeded``. ``States.ALL`` matches ``States.DataLimitExceeded``
    if a task's result is too large. The Developer Guide, "Handling errors", calls this error
    terminal, but it is caught, for ``lambda:invoke`` and for a function's ARN, as AWS answers,
    observed.
    """
    names = rule["ErrorEquals"]
    if failure.terminal:
        return False
    if failure.error in names or failure.alias in names:
        return True
    return ALL in names or (TASK_FAILED in names and failure.error not in _NO_TASK_FAILURES)


class Retriers:
    """The retriers of one visit of a state. Each counts its attempts.

    Args:
        rules: The state's field ``Retry``.
    """

    def __init__(self, rules: Sequence[Mapping[str, Json]]) -> None:
        self._rules = rules
        self._used = [0] * len(rules)

    def delay(self, failure: StateFailure) -> float | None:
        """Return the seconds to wait before the next attempt, or None to stop retrying."""
        for position, rule in enumerate(self._rules):
            if matches(rule, failure):
                if self._used[position] >= rule.get("MaxAttempts", 3):
                    return None
                self._used[position] += 1
                return _delay(rule, self._used[position])
        return None


def _delay(rule: Mapping[str, Json], attempt: int) -> float:
    seconds = rule.get("IntervalSeconds", 1) * float(rule.get("BackoffRate", 2.0)) ** (attempt - 1)
    if "MaxDelaySeconds" in rule:
        seconds = min(seconds, rule["MaxDelaySeconds"])
    if rule.get("JitterStrategy") == "FULL":
        seconds = random.uniform(0, seconds)
    return float(seconds)
