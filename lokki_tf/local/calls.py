"""Calls of a step's function, as the runtime in Lambda calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import RunTimeoutError

if TYPE_CHECKING:
    import threading

    from lokki_tf.model import Definition

# Types of unfinished results. None of these classes can be subclassed, so comparing the type is
# enough, and calls of plain functions cost nothing else.
UNFINISHED = frozenset((AsyncGeneratorType, CoroutineType, GeneratorType))


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call the function: await it if it is async, and make a list if it is a generator."""
    value = function(*args, **kwargs)
    return finished(value) if type(value) in UNFINISHED else value


def begun(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Sequence[Any], dict[str, Any]]:
    """Return arguments for one call, which may take iterators over a map's results.

    Args:
        args: Arguments by position.
        kwargs: Arguments by name.
    """
    import sys

    results = sys.modules.get("lokki_tf.runtime.results")
    if results is None:  # without it, there cannot be such results
        return args, dict(kwargs)
    return [results.begun(one) for one in args], {
        name: results.begun(one) for name, one in kwargs.items()
    }


def finished(value: Any) -> Any:
    """Return the final result of an unfinished one, as the runtime does."""
    # Imported here: the runtime imports json, which plain functions do not need.
    from lokki_tf.runtime.call import call as runtime_call

    def give() -> Any:
        return runtime_call(lambda: value, (), {})

    if isinstance(value, GeneratorType) or not loop_is_running():
        return give()
    return in_thread(give)


def overdue() -> TimeoutError:
    """The error of a call that takes longer than it may, as in AWS."""
    from lokki_tf.runtime.call import OVERDUE

    return TimeoutError(OVERDUE)


def is_overdue(error: BaseException) -> bool:
    """Return whether an error is that of :func:`overdue`, also from another process."""
    if type(error) is not TimeoutError:
        return False
    from lokki_tf.runtime.call import OVERDUE

    return error.args == (OVERDUE,)


def loop_is_running() -> bool:
    """Return whether an event loop runs in this thread, as in a notebook; no other can then."""
    import sys

    asyncio = sys.modules.get("asyncio")  # if it is not imported, no event loop runs
    return asyncio is not None and asyncio._get_running_loop() is not None


def in_thread(
    give: Callable[[], Any],
    limit: float | None = None,
    interruption: type[BaseException] = SystemExit,
) -> Any:
    """Call the function in a new thread, and return or raise what it does.

    Args:
        give: The function.
        limit: Longest duration in seconds. The thread then ends at its next Python instruction;
            one that sleeps or waits for a network continues until then.
        interruption: What is raised in the thread to end it.

    Raises:
        TimeoutError: If it took longer.
    """
    import threading
    from contextvars import copy_context

    outcome: list[Any] = []

    def keep() -> None:
        try:
            outcome.extend((give(), None))
        except BaseException as error:
            outcome.extend((None, error))

    context = copy_context()
    thread = threading.Thread(target=context.run, args=(keep,), daemon=True)
    thread.start()
    try:
        thread.join(limit)
        if not outcome:
            raise overdue()
    except BaseException:
        interrupt([thread], interruption)
        raise
    value, error = outcome
    if error is not None:
        raise error
    return value


def within_limit(
    definition: Definition,
    give: Callable[[], Any],
    wake: Callable[[], None] = lambda: None,
    waited: float = 0.0,
) -> Any:
    """Run a pipeline within its time limit, if it has one.

    Args:
        definition: The pipeline.
        give: Runs it.
        wake: Ends what waits outside of Python, such as for a worker process.
        waited: Seconds for which the run has waited for others.

    Raises:
        RunTimeoutError: If it took longer.
    """
    seconds = definition.timeout_seconds
    if seconds is None:
        return give()
    try:
        return in_thread(give, max(0.0, seconds - waited), KeyboardInterrupt)
    except TimeoutError as error:
        if not is_overdue(error):
            raise
    wake()
    raise took_too_long(definition)


def took_too_long(definition: Definition) -> RunTimeoutError:
    """Return the error of a run that exceeds the time limit of its pipeline.

    Args:
        definition: The pipeline.
    """
    seconds = definition.timeout_seconds
    return RunTimeoutError(
        f"the run took longer than timeout_seconds={seconds} of pipeline {definition.name!r}",
        place=definition.place,
        remedy="increase the limit, or find the step that takes long: run.outcomes has the times",
    )


def interrupt(
    threads: Iterable[threading.Thread], error: type[BaseException] = KeyboardInterrupt
) -> None:
    """Raise an error in threads, each at its next Python instruction.

    So Ctrl-C in a notebook does not leave a step computing there; only one that sleeps,
    or waits for a network, goes on until it wakes.
    """
    import ctypes

    for thread in threads:
        if thread.is_alive() and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(error)
            )
