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


def matching(rules: Sequence[Mapping[str, Json]], failure: StateFailure) -> int | None:
    """Return the position of the first retrier or catcher that matches a failure, or None."""
    return next((n for n, rule in enumerate(rules) if matches(rule, failure)), None)


class Retriers:
    """The retriers of one visit of a state. Each counts its attempts.

    Args:
        rules: The state's field ``Retry``.
        used: The number of attempts that have been made already, by position of the retrier.
    """

    def __init__(
        self, rules: Sequence[Mapping[str, Json]], used: Mapping[int, int] | None = None
    ) -> None:
        self._rules = rules
        self._used = dict.fromkeys(range(len(rules)), 0) | dict(used or {})

    def delay(self, failure: StateFailure) -> float | None:
        """Return the seconds to wait before the next attempt, or None to stop retrying."""
        position = matching(self._rules, failure)
        if position is None:
            return None
        rule = self._rules[position]
        if self._used[position] >= rule.get("MaxAttempts", 3):
            return None
        self._used[position] += 1
        return _delay(rule, self._used[position])


def _delay(rule: Mapping[str, Json], attempt: int) -> float:
    seconds = rule.get("IntervalSeconds", 1) * float(rule.get("BackoffRate", 2.0)) ** (attempt - 1)
    if "MaxDelaySeconds" in rule:
        seconds = min(seconds, rule["MaxDelaySeconds"])
    if rule.get("JitterStrategy") == "FULL":
        seconds = random.uniform(0, seconds)
    return float(seconds)
