"""Errors for failures: the step, the items of maps, and the error that was raised."""

from __future__ import annotations

import types
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from lokki_tf.errors import LokkiError, LoopError, SerializationError, StepFailed
from lokki_tf.model import MapOptions, Node
from lokki_tf.model.retries import DEATHS

from .frames import Failure, Frame, MapRun
from .strict import described, label

_FIELDS = (types.MemberDescriptorType, types.GetSetDescriptorType)
DEATH = (
    "a worker process ended without an error: it had no memory left, compiled code crashed, or "
    "a step called os._exit(); or a script that is imported again by its workers starts a run "
    'outside of its `if __name__ == "__main__":`'
)
MOST_INDICES = 5  # number of items that a message lists


def step_failed(frame: Frame, index: int, error: BaseException) -> StepFailed:
    """Return the error for an attempt that raised."""
    node, attempts = frame.plan.nodes[index], frame.attempts.get(index, 1)
    times = f" after {attempts} attempts" if attempts > 1 else ""
    return failed_as(
        error,
        f"{label(node)} failed{times}: {described(error)}",
        node=node.name,
        step=node.step.name if isinstance(node, Node) else node.name,
        attempts=attempts,
        place=node.place,
    )


def failed_as(error: BaseException, message: str, **fields: Any) -> StepFailed:
    """The error of a failed step, which ``except`` clauses for the step's own error also catch.

    It is of a class that derives from :class:`StepFailed` and from the error's class, and has
    the error's attributes. Where Python allows no such class, it is a plain ``StepFailed``; so
    it is for errors that mean something to what runs the caller: those that do not derive
    from ``Exception``, and the ends of iterators.

    Args:
        error: What the step raised; it becomes the cause.
        message: What is wrong.
        fields: Further arguments of ``StepFailed``.
    """
    failed = StepFailed(message, **fields)
    if isinstance(error, Exception) and not isinstance(error, (StopIteration, StopAsyncIteration)):
        with suppress(Exception):  # of a metaclass, a constructor or a final class
            failed = _joined(failed, error)
    failed.__cause__ = error
    return failed


def _joined(failed: StepFailed, error: Exception) -> StepFailed:
    kind = type(error)
    bases = (kind,) if issubclass(kind, StepFailed) else (StepFailed, kind)
    # The fields are attributes of the class as well, so that no descriptors of the error's class
    # shadow them. Frozen classes refuse attributes, of which Python itself sets some.
    own: dict[str, Any] = dict.fromkeys(vars(failed))
    own |= {"__module__": StepFailed.__module__, "__qualname__": StepFailed.__qualname__}
    own |= {"__setattr__": Exception.__setattr__, "__delattr__": Exception.__delattr__}
    joined = types.new_class(StepFailed.__name__, bases, exec_body=lambda names: names.update(own))
    made: Any = joined.__new__(joined, *error.args)
    made.args = error.args
    for base in kind.__mro__:
        for name, found in vars(base).items():
            # What no dict holds: fields of built-in classes, slots.
            if isinstance(found, _FIELDS) and not name.startswith("__"):
                with suppress(Exception):  # it is read-only, or has no value
                    found.__set__(made, found.__get__(error))
    vars(made).update({**vars(error), **vars(failed)})
    result: StepFailed = made
    return result


def failure_of(step: str, error: BaseException, *, died: bool = False) -> Any:
    """Return the result of a step whose error was caught, as in AWS.

    Args:
        step: The name of the step.
        error: The error.
        died: Whether its process ended, so that the error is not the step's.
    """
    from lokki_tf.runtime.failure import Failure
    from lokki_tf.runtime.failure import failure_of as made

    if died:
        return Failure(DEATHS[0], DEATH, step)
    return made(error, step, traceback_of(error))


class RemoteTraceback(Exception):
    """The traceback of an error in another process, as the cause of that error."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def traceback_of(error: BaseException) -> str:
    """Return the traceback of a step's error as text, also of one from another process."""
    import traceback

    from lokki_tf.tracebacks import without_own

    if isinstance(error.__cause__, RemoteTraceback):
        return str(error.__cause__.args[0]).rstrip()
    own = without_own(error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, own)).rstrip()


def error_of(failure: Failure) -> LokkiError:
    """Return the error for a node that failed; for a map, of its items."""
    runs: list[MapRun] = []
    while isinstance(failure, MapRun):
        runs.append(failure)
        failure = failure.first_failure
    error = failure
    for run in reversed(runs):
        error = _of_map(run, error)
    return error


def raised(error: LokkiError) -> BaseException:
    """Return the error that a step raised, if any, else the error itself."""
    cause = error.__cause__ if isinstance(error, StepFailed) else None
    return cause or error


def _of_map(run: MapRun, first: LokkiError) -> LokkiError:
    items = sorted(run.failures)
    number = next(iter(run.failures))
    message = f"map {run.node.name!r} failed at item {number}: {first.message}"
    if len(items) > 1:
        message = (
            f"map {run.node.name!r} failed at {len(items):,} of {run.total:,} items"
            f"{_allowed(run.node.options)}: {_listed(items)}; item {number}: {first.message}"
        )
    failed: LokkiError
    if isinstance(first, StepFailed):
        failed = failed_as(
            raised(first),
            message,
            node=first.node,
            step=first.step,
            attempts=first.attempts,
            place=first.place,
        )
        failed.remedy = first.remedy
    else:
        kind = LoopError if isinstance(first, LoopError) else SerializationError
        failed = kind(message, place=first.place, remedy=first.remedy)
    failed.__cause__ = first.__cause__
    attach(failed, items=tuple(items))
    return failed


def _allowed(options: MapOptions) -> str:
    share, count = options.tolerated_failure_percentage, options.tolerated_failure_count
    allowed = [] if share is None else [f"{share:g} %"]
    allowed += [] if count is None else [f"{count:,}"]
    return f" ({' and '.join(allowed)} may)" if allowed else ""


def _listed(items: Iterable[int]) -> str:
    *shown, rest = [*map(str, items)][: MOST_INDICES + 1]
    return ", ".join([*shown, "…" if len(shown) == MOST_INDICES else rest])


def attach(error: BaseException, **facts: Any) -> None:
    """Set additional attributes of an error."""
    vars(error).update(facts)
