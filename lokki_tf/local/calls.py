"""Calling a step's function here, as the cloud's runtime calls it there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

# What a call returns that is not its result yet. None of these classes can be subclassed,
# so one look at the type decides, and plain calls pay nothing else.
UNFINISHED = frozenset((AsyncGeneratorType, CoroutineType, GeneratorType))


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The function's result: awaited if it is async, a list if it is a generator."""
    value = function(*args, **kwargs)
    return finished(value) if type(value) in UNFINISHED else value


def finished(value: Any) -> Any:
    """The result that an unfinished value comes to; the runtime says what that is."""
    # Not at the top: the runtime brings json, and plain functions need none of it.
    from lokki_tf.runtime.call import call as runtime_call

    def give() -> Any:
        return runtime_call(lambda: value, (), {})

    if isinstance(value, GeneratorType) or not loop_is_running():
        return give()
    return in_thread(give)


def loop_is_running() -> bool:
    """Whether an event loop runs in this thread, as in a notebook: no other can then."""
    import sys

    asyncio = sys.modules.get("asyncio")  # where nobody has imported it, nothing runs
    return asyncio is not None and asyncio._get_running_loop() is not None


def in_thread(give: Callable[[], Any]) -> Any:
    """What the function returns or raises in a thread of its own."""
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
    thread.join()
    value, error = outcome
    if error is not None:
        raise error
    return value
