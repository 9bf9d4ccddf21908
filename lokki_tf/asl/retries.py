"""Compilation of a retry configuration to the retriers of a state."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lokki_tf.model import RetryConfig

# Errors of the Lambda service itself, which AWS asks callers to retry
# (Step Functions Developer Guide, "Handle transient Lambda service exceptions").
TRANSIENT = {
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
THROTTLED = {
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 1,
    "MaxAttempts": 60,
    "BackoffRate": 2.0,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}


TIMEOUTS = ["Sandbox.Timedout", "States.Timeout"]
"""Errors of a call that its own timer could not end, in compiled code for example.

Source: Step Functions Developer Guide, "Handling errors": Lambda's timeouts are reported as
``Sandbox.Timedout``, those of a state as ``States.Timeout``.
"""
DEATHS = ["Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Failure"]
"""Errors of a call whose process ended, so that no error of the step itself is reported.

Sources: Step Functions Developer Guide, "Handle transient Lambda service exceptions" (the first);
awslabs/amazon-s3-find-and-forget, pull request 283, and awslabs/aws-deployment-framework, issue 758
(the second and third, for a function that is killed or has no memory left);
aws/aws-lambda-runtime-interface-emulator, ``fatalerror`` (the last).
"""


def retriers(retry: RetryConfig) -> list[dict[str, Any]]:
    """Return a state's ``Retry``: for transient errors of Lambda, then for the step's own errors.

    Args:
        retry: The step's configuration.
    """
    own = own_retrier(retry)
    return [TRANSIENT, THROTTLED, *([own] if own else [])]


def own_retrier(retry: RetryConfig) -> dict[str, Any] | None:
    """Return the retrier of a step's configuration, if it has one."""
    if retry.retries == 0:
        return None
    first, longest = _whole(retry.delay), retry.max_delay
    fields: dict[str, Any] = {
        "ErrorEquals": error_names(retry),
        "IntervalSeconds": first if longest is None else min(first, _whole(longest)),
        "MaxAttempts": retry.retries,
        "BackoffRate": float(retry.backoff),
    }
    if longest is not None:
        # MaxDelaySeconds must exceed IntervalSeconds; otherwise all delays are equal.
        if _whole(longest) > first:
            fields["MaxDelaySeconds"] = _whole(longest)
        else:
            fields["BackoffRate"] = 1.0
    if retry.jitter:
        fields["JitterStrategy"] = "FULL"
    return fields


def error_names(retry: RetryConfig) -> list[str]:
    """Return the names that Lambda gives to the errors; subclasses are reported under these too.

    A step with retries may run again, so the end of its process is always among them.
    """
    if retries_everything(retry):
        return ["States.ALL"]
    names = [error.__name__ for error in retry.exceptions]
    if any(issubclass(TimeoutError, error) for error in retry.exceptions):
        names += TIMEOUTS
    return list(dict.fromkeys([*names, *DEATHS]))


def retries_everything(retry: RetryConfig) -> bool:
    """Return whether every error that a step can raise is retried."""
    return any(error in (Exception, BaseException) for error in retry.exceptions)


def full_name(error: type[BaseException], main: str) -> str:
    """Return module and name of an error in the zips.

    Args:
        error: Its class.
        main: The name that the module ``__main__`` has in the zips.
    """
    module = main if error.__module__ == "__main__" else error.__module__
    return f"{module}.{error.__qualname__}"


def _whole(seconds: float) -> int:
    """Return whole seconds of at least 1, as Step Functions requires."""
    return max(1, ceil(seconds))
