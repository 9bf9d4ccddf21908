"""Compilation of a retry configuration to the retriers of a state."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from lokki_tf.model.retries import ALL, DEATHS, TIMEOUTS, listed_classes, lists_all, of_death
from lokki_tf.runtime.call import TIMEOUT
from lokki_tf.runtime.names import JOB_DIED

if TYPE_CHECKING:
    from lokki_tf.model import Node, RetryConfig
    from lokki_tf.model.retries import ErrorType

# Errors of the Lambda service itself, which AWS asks callers to retry
# (Step Functions Developer Guide, "Handle transient Lambda service exceptions").
TRANSIENT: dict[str, Any] = {
    "ErrorEquals": [
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
    ],
    "IntervalSeconds": 1,
    "MaxAttempts": 6,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}
# A call above the concurrency limit (1,000 in an account, while a map has up to 10,000 items) has
# not run: it is retried for about half an hour.
THROTTLED: dict[str, Any] = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 1,
    "MaxAttempts": 60,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}


BUILT_IN = frozenset(str(name) for one in (TRANSIENT, THROTTLED) for name in one["ErrorEquals"])
"""Errors of the Lambda service that every state retries."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The retriers and the catchers of a node, and the names of errors.

    Each names every listed class that is a subclass of one of its own, since the runtime
    reports an error under the most specific listed class.

    Args:
        retry: The retriers, in their order.
        main: The name that the module ``__main__`` has in the zips.
        catches: The errors that each catcher lists.
        is_job: Whether it runs as a job of Batch.
        around: Errors that are listed around it, as those of a node.
    """

    retry: tuple[RetryConfig, ...]
    main: str
    catches: tuple[tuple[ErrorType, ...], ...] = ()
    is_job: bool = False
    around: tuple[tuple[ErrorType, ...], ...] = ()

    @classmethod
    def of(cls, node: Node, main: str) -> Rules:
        """Return the rules of a node."""
        catches = (node.catch,) if node.catch else ()
        return cls(node.retry, main, catches, node.step.is_job, node.around)

    @property
    def classes(self) -> tuple[type[BaseException], ...]:
        """The listed classes."""
        return listed_classes(self._lists)

    @property
    def _lists(self) -> list[tuple[ErrorType, ...]]:
        return [*(one.exceptions for one in self.retry), *self.catches, *self.around]

    def reported(self) -> list[str]:
        """Return the full names of errors that the runtime reports under their listed names."""
        late = any(set(TIMEOUTS).intersection(listed) for listed in self._lists)
        return [*map(self._full_name, self.classes), *([TIMEOUT] if late else [])]

    def retriers(self) -> list[dict[str, Any]]:
        """Return a state's ``Retry``: for transient errors of Lambda, then for the step's own."""
        return [*self.built_in(TRANSIENT, THROTTLED), *self.own_retriers()]

    def built_in(self, *added: dict[str, Any]) -> list[dict[str, Any]]:
        """Return retriers of AWS's own errors, without those for which the step has its own.

        Args:
            added: The retriers of AWS's errors.
        """
        own = {error for one in self.retry for error in one.exceptions}
        left = (
            {**one, "ErrorEquals": [name for name in one["ErrorEquals"] if name not in own]}
            for one in added
        )
        return [one for one in left if one["ErrorEquals"]]

    def own_retriers(self) -> list[dict[str, Any]]:
        """Return the retriers of the step's configuration."""
        return [_retrier(one, self.names(one)) for one in self.retry]

    def again(self) -> list[dict[str, Any]]:
        """Return the retriers as the runtime uses them where Step Functions cannot."""
        return [
            {
                "errors": self.names(one),
                "retries": one.retries,
                "delay": one.delay,
                "backoff": one.backoff,
                "max_delay": one.max_delay,
                "jitter": one.jitter,
            }
            for one in self.retry
        ]

    def names(self, one: RetryConfig) -> list[str]:
        """Return the names of the errors that a retrier retries.

        Args:
            one: One of the retriers.
        """
        names = self._names(one.exceptions)
        if one is of_death(self.retry) and ALL not in names:
            names += DEATHS
        return list(dict.fromkeys(names))

    def caught(self, catch: tuple[ErrorType, ...]) -> list[str]:
        """Return the names of the errors that a catcher lists.

        Args:
            catch: One of ``catches``.
        """
        names = self._names(catch)
        if self.is_job and set(DEATHS).intersection(names):
            names.append(JOB_DIED)
        return list(dict.fromkeys(names))

    def _names(self, listed: tuple[ErrorType, ...]) -> list[str]:
        if lists_all(listed):
            return [ALL]
        names: list[str] = []
        for error in listed:
            if isinstance(error, str):
                names += next((group for group in (TIMEOUTS, DEATHS) if error in group), (error,))
            else:
                below = (one for one in self.classes if issubclass(one, error))
                names += map(self._name, dict.fromkeys((error, *below)))
        classes = (error for error in listed if isinstance(error, type))
        if any(issubclass(TimeoutError, error) for error in classes):
            names += TIMEOUTS
        return names

    def _name(self, error: type[BaseException]) -> str:
        """Return the name under which a listed class is reported."""
        alike = [one for one in self.classes if one.__name__ == error.__name__]
        return error.__name__ if len(alike) == 1 else self._full_name(error)

    def _full_name(self, error: type[BaseException]) -> str:
        module = self.main if error.__module__ == "__main__" else error.__module__
        return f"{module}.{error.__qualname__}"


def _retrier(one: RetryConfig, names: list[str]) -> dict[str, Any]:
    first, longest = _whole(one.delay), one.max_delay
    fields: dict[str, Any] = {
        "ErrorEquals": names,
        "IntervalSeconds": first if longest is None else min(first, _whole(longest)),
        "MaxAttempts": one.retries,
        "BackoffRate": float(one.backoff),
    }
    if longest is not None:
        # MaxDelaySeconds must exceed IntervalSeconds; otherwise all delays are equal.
        if _whole(longest) > first:
            fields["MaxDelaySeconds"] = _whole(longest)
        else:
            fields["BackoffRate"] = 1.0
    if one.jitter:
        fields["JitterStrategy"] = "FULL"
    return fields


def _whole(seconds: float) -> int:
    """Return whole seconds of at least 1, as Step Functions requires."""
    return max(1, ceil(seconds))
