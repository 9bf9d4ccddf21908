"""Calling a step's function, whatever kind of function it is."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs a cold start milliseconds, and only readers need it
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


OVERDUE = "the call took longer than timeout_seconds"
"""The text of the ``TimeoutError`` that ends a call, here and in AWS."""


def call(function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
    """The function's result: awaited if it is async, a list if it is a generator.

    Args:
        function: A step's function.
        args: Arguments by position.
        kwargs: Arguments by name.
    """
    result = unwrapped(function)(*args, **kwargs)
    if isinstance(result, GeneratorType):
        return list(result)
    if isinstance(result, (CoroutineType, AsyncGeneratorType)):
        return _driven(result)
    return result


def unwrapped(function: Any) -> Any:
    """The plain function of a step, task or routed function; other values as they are."""
    while getattr(function, "__lokki_step__", False) is True:
        function = function.__wrapped__
    return function


def _driven(result: Any) -> Any:
    import asyncio

    if isinstance(result, AsyncGeneratorType):
        return asyncio.run(_drained(result))
    return asyncio.run(result)


async def _drained(generator: Any) -> list[Any]:
    return [item async for item in generator]
