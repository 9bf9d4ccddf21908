"""Calls of a step's function, of any kind of function."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType

TYPE_CHECKING = False
if TYPE_CHECKING:  # the import takes milliseconds at a cold start, and only type checkers need it
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any


OVERDUE = "the call took longer than timeout_seconds"
"""The text of the ``TimeoutError`` that ends a call, here and in AWS."""
SKIPPED = "lokki.Skipped"  # the error of a step with a callback whose condition is false
TIMEOUT, REPORTED_TIMEOUT = "States.Timeout", "Sandbox.Timedout"
"""The name by which a retrier lists a step's time limit, and the one under which it is reported."""


def call(
    function: Callable[..., Any],
    args: Iterable[Any],
    kwargs: Mapping[str, Any],
    *,
    whole: bool = True,
) -> Any:
    """Call a function: await it if it is async, and make a list if it is a generator.

    Args:
        function: A step's function.
        args: Arguments by position.
        kwargs: Arguments by name.
        whole: Whether a generator is made a list; else the result is an iterator over its items.
    """
    result = unwrapped(function)(*args, **kwargs)
    if isinstance(result, GeneratorType):
        return list(result) if whole else result
    if isinstance(result, AsyncGeneratorType) and not whole:
        return stepwise(result)
    if isinstance(result, (CoroutineType, AsyncGeneratorType)):
        return drive(result)
    return result


def unwrapped(function: Any) -> Any:
    """Return the plain function of a step, task or routed function; other values unchanged."""
    while getattr(function, "__lokki_step__", False) is True:
        function = function.__wrapped__
    return function


def drive(result: Any) -> Any:
    """Run a coroutine, or an async generator, to its end in an event loop of its own."""
    import asyncio

    if isinstance(result, AsyncGeneratorType):
        return asyncio.run(_drained(result))
    return asyncio.run(result)


async def _drained(generator: Any) -> list[Any]:
    return [item async for item in generator]


def stepwise(generator: Any) -> Iterator[Any]:
    """Yield the items of an async generator, which runs in an event loop of its own.

    Args:
        generator: The async generator.
    """
    import asyncio

    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                item = loop.run_until_complete(generator.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        loop.run_until_complete(generator.aclose())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
