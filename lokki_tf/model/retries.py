"""Retriers of a step, and the errors that retriers and catchers list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.tracebacks import ends_at_caller

from .declarations import SECONDS, STEP_FUNCTIONS, number, option, options, whole

_SOURCE = 'Amazon States Language, "Retrying after error"'
ErrorType = type[BaseException] | str
"""An error that a retrier or catcher lists: a class, or AWS's name of an error."""
ALL, TASK_FAILED = "States.ALL", "States.TaskFailed"
DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
TIMEOUTS = ("Sandbox.Timedout", "States.Timeout")
"""Errors of a call that its own timer could not end, in compiled code for example.

Source: Step Functions Developer Guide, "Handling errors": Lambda's timeouts are reported as
``Sandbox.Timedout``, those of a state as ``States.Timeout``.
"""
DEATHS = ("Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Failure")
"""Errors of a call whose process ended, so that no error of the step itself is reported.

Sources: Step Functions Developer Guide, "Handle transient Lambda service exceptions" (the first);
awslabs/amazon-s3-find-and-forget, pull request 283, and awslabs/aws-deployment-framework, issue 758
(the second and third, for a function that is killed or has no memory left);
aws/aws-lambda-runtime-interface-emulator, ``fatalerror`` (the last).
"""
# Step Functions Developer Guide, "Handling errors". States.Runtime cannot be retried or caught.
_OF_STATES = (
    *(ALL, TASK_FAILED, "States.Timeout", "States.HeartbeatTimeout", DATA_LIMIT_EXCEEDED),
    *("States.BranchFailed", "States.ExceedToleratedFailureThreshold", "States.Http.Socket"),
    *("States.IntrinsicFailure", "States.ItemReaderFailed", "States.NoChoiceMatched"),
    *("States.ParameterPathFailure", "States.Permissions", "States.QueryEvaluationError"),
    *("States.ResultPathMatchFailure", "States.ResultWriterFailed"),
)
_OF_SERVICES = ("Batch.", "Extension.", "Function.", "Lambda.", "Runtime.", "S3.", "Sandbox.")
_UNLIMITED = (Exception, BaseException)


@ends_at_caller
@dataclass(frozen=True, slots=True)
class RetryConfig:
    """When, and after which errors, a failed step is retried.

    Args:
        retries: Number of retries after the first attempt; 0 means that a failure is final.
        delay: Time before the first retry, in seconds; Step Functions waits whole seconds, at least
            one, so it rounds up there.
        backoff: Factor of the delay after each retry.
        max_delay: Longest delay, in seconds; no limit by default.
        exceptions: Only these errors are retried: classes, which include their subclasses, and
            AWS's names of errors, such as ``"States.Timeout"``.
        jitter: Choose each delay at random between 0 and its value.

    Raises:
        OptionError: If a number is out of its range, or something else than an error is listed.
    """

    retries: int = option(
        0,
        "Number of retries after the first attempt; 0 means that a failure is final",
        whole(0),
        whole(0, 99_999_999, service=STEP_FUNCTIONS),
        source=_SOURCE,
    )
    delay: float = option(
        1.0,
        "Time before the first retry; Step Functions waits whole seconds, at least one, so it "
        "rounds up there",
        number(),
        number(0, 31_622_399, service=STEP_FUNCTIONS),
        unit=SECONDS,
        source=_SOURCE,
    )
    backoff: float = option(2.0, "Factor of the delay after each retry", number(1))
    max_delay: float | None = option(
        None,
        "Longest delay; no limit by default",
        number(),
        number(0, 31_622_399, service=STEP_FUNCTIONS),
        unit=SECONDS,
        source=_SOURCE,
    )
    exceptions: tuple[ErrorType, ...] = option(
        (Exception,),
        "Only these errors are retried: classes, which include their subclasses, and AWS's names "
        'of errors, such as `"States.Timeout"`',
    )
    jitter: bool = option(False, "Choose each delay at random between 0 and its value")

    if TYPE_CHECKING:  # a single error is accepted too

        def __init__(
            self,
            retries: int = ...,
            delay: float = ...,
            backoff: float = ...,
            max_delay: float | None = ...,
            exceptions: ErrorType | Iterable[ErrorType] = ...,
            jitter: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        for name, declared in options(RetryConfig).items():
            rule = declared.refused_by(getattr(self, name))
            if rule is not None:
                raise OptionError(
                    f"RetryConfig({name}={getattr(self, name)!r}): {name} must be {rule.expected}"
                )
        if not isinstance(self.jitter, bool):
            raise OptionError(f"RetryConfig(jitter={self.jitter!r}): jitter must be True or False")
        given: Any = self.exceptions
        problem = f"RetryConfig(exceptions={given!r}): exceptions must be classes"
        remedy = "for example RetryConfig(retries=3, exceptions=(ConnectionError,))"
        object.__setattr__(self, "exceptions", listed_errors(given, problem, remedy))

    def delays(self) -> Iterator[float]:
        """Yield the delay in seconds before each retry, without jitter."""
        delay = float(self.delay)
        for _ in range(self.retries):
            yield delay if self.max_delay is None else min(delay, self.max_delay)
            delay *= self.backoff

    def waits(self) -> Iterator[float]:
        """Yield the delay in seconds before each retry, at random if there is jitter."""
        from random import random  # few runs retry, and the import costs milliseconds

        for delay in self.delays():
            yield delay * random() if self.jitter else delay


@dataclass(frozen=True, slots=True)
class Poll(RetryConfig):
    """The retrier of a step that polls.

    Args:
        timeout: Seconds after which the step raises ``TimeoutError``; the number of retries is only
            a bound.
    """

    timeout: int = 3600


def listed_errors(given: Any, problem: str, remedy: str) -> tuple[ErrorType, ...]:
    """Return errors as a tuple.

    Args:
        given: A class, AWS's name of an error, or several of them.
        problem: The beginning of the message for something else.
        remedy: What to write instead of something else.

    Raises:
        OptionError: If it is something else, or a name that AWS does not have.
    """
    single = isinstance(given, type | str) or not isinstance(given, Iterable)
    listed = (given,) if single else tuple(given)
    for one in listed:
        if isinstance(one, str):
            _refuse_unknown(one, problem)
        elif not isinstance(one, type) or not issubclass(one, BaseException):
            listed = ()
    if not listed:
        raise OptionError(f"{problem}, or names of errors of AWS", remedy=remedy)
    return listed


def _refuse_unknown(name: str, problem: str) -> None:
    if name in _OF_STATES or name.startswith(_OF_SERVICES):
        return
    if name == "States.Runtime":
        raise OptionError(
            f"{problem}; Step Functions can neither retry nor catch {name}",
            remedy="leave it out: such an error ends the execution",
        )
    from difflib import get_close_matches

    near = get_close_matches(name, _OF_STATES, 1)
    known = f"did you mean {near[0]!r}? " if near else ""
    raise OptionError(
        f"{problem}; AWS has no error named {name!r}",
        remedy=f"{known}pass the class itself for an error of your code",
    )


def lists_all(listed: Iterable[ErrorType]) -> bool:
    """Return whether a list of errors contains every error that a step can raise."""
    return any(one in _UNLIMITED or one == ALL for one in listed)


def lists(
    listed: Iterable[ErrorType], kind: type[BaseException] | None, names: Sequence[str] = ()
) -> bool:
    """Return whether a list of errors contains one that happened.

    Args:
        listed: Classes, and AWS's names of errors.
        kind: The class under which it is reported, see :func:`reported_as`, if any.
        names: The names that AWS has for what happened: :data:`TIMEOUTS`, :data:`DEATHS`.
    """
    listed = tuple(listed)
    if lists_all(listed) or TASK_FAILED in listed:
        return True
    return any(
        one in names if isinstance(one, str) else kind is not None and issubclass(kind, one)
        for one in listed
    )


def reported_as(
    error: BaseException, every: Iterable[tuple[ErrorType, ...]]
) -> type[BaseException] | None:
    """Return the most specific class of an error that a list contains, the first in its MRO.

    The runtime in Lambda reports the error under the name of that class. ``__lokki_classes__`` are
    the full names of an error's classes if they are not those of the object: it replaces one that
    could not be pickled in another process, or was answered from outside, by its name.

    Args:
        error: The error.
        every: The lists of a node's retriers and catcher.
    """
    known = {full_name(one): one for one in listed_classes(every)}
    names = getattr(error, "__lokki_classes__", ()) or map(full_name, type(error).__mro__)
    return next((known[name] for name in names if name in known), None)


def listed_classes(every: Iterable[tuple[ErrorType, ...]]) -> tuple[type[BaseException], ...]:
    """Return the classes in lists of errors, each once, without lists that contain every error.

    Args:
        every: The lists of a node's retriers and catcher.
    """
    lists = (one for one in every if not lists_all(one))
    return tuple(dict.fromkeys(one for each in lists for one in each if isinstance(one, type)))


def full_name(kind: type) -> str:
    """Return module and name of a class, the same in a script and in its worker processes."""
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def of_death(retry: Sequence[RetryConfig]) -> RetryConfig | None:
    """Return the retrier for the end of a step's process.

    It is the first that lists it; if none does, the first that retries: a step with retries may
    run again.

    Args:
        retry: The step's retriers.
    """
    named = (one for one in retry if lists(one.exceptions, None, DEATHS))
    others = (one for one in retry if one.retries and not isinstance(one, Poll))
    return next(named, None) or next(others, None)


class Attempts:
    """The remaining retries of one step: each retrier has its own count.

    As in Step Functions, the first retrier that lists an error decides, even if its retries are
    used up.

    Args:
        retry: The step's retriers, in their order.
        every: The lists of the retriers and of the catcher, if there is one.
    """

    __slots__ = ("_left", "_lists", "_retry")

    def __init__(
        self, retry: Sequence[RetryConfig], every: Iterable[tuple[ErrorType, ...]] | None = None
    ) -> None:
        self._retry = retry
        self._lists = [one.exceptions for one in retry] if every is None else every
        self._left = [iter(one.waits()) for one in retry]

    def wait(self, error: BaseException | None, names: Sequence[str] = ()) -> float | None:
        """Return the seconds before the next attempt, or ``None`` if there is none.

        Args:
            error: The error of the step; ``None`` if its process ended.
            names: As for :func:`lists`.
        """
        chosen = of_death(self._retry) if error is None else None
        kind = None if error is None else reported_as(error, self._lists)
        for one, left in zip(self._retry, self._left, strict=True):
            if one is chosen or (error is not None and lists(one.exceptions, kind, names)):
                return next(left, None)
        return None
