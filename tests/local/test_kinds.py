"""Kinds of functions: async functions, generators, and wrapped ones."""

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

from lokki_tf.local import run


async def answer(value):
    await asyncio.sleep(0)
    return value * 2


def numbers(count):
    yield from range(count)


async def slow_numbers(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@functools.wraps(answer)
def wrapped(*args):
    return answer(*args)


def lazy(count):
    return (number for number in range(count))


async def broken():
    raise ValueError("in the loop")


KINDS = [
    (answer, 6),
    (numbers, [0, 1, 2]),
    (slow_numbers, [0, 1, 2]),
    (wrapped, 6),
    (lazy, [0, 1, 2]),
]


@pytest.mark.parametrize(("function", "expected"), KINDS)
@pytest.mark.parametrize("executor", ["thread", "sequential", "process", "own"])
def test_async_functions_are_awaited_and_generators_drained(build, function, expected, executor):
    """The result of an async function is its return value, that of a generator a list."""
    pipeline = build.pipeline(build.node("a", function, 3))
    with ThreadPoolExecutor(1) as pool:
        assert run(pipeline, executor=pool if executor == "own" else executor).result == expected


@pytest.mark.parametrize(("function", "expected"), KINDS)
@pytest.mark.parametrize("executor", ["thread", "sequential"])
def test_all_kinds_work_where_an_event_loop_runs(build, function, expected, executor):
    """The same holds in a notebook, where an event loop runs in the calling thread."""

    async def notebook():
        return run(build.pipeline(build.node("a", function, 3)), executor=executor).result

    assert asyncio.run(notebook()) == expected


def test_an_error_crosses_from_the_event_loop(build):
    """The error of an async step in a notebook is the cause of the failure."""
    from lokki_tf.errors import StepFailed

    async def notebook():
        run(build.pipeline(build.node("a", broken)), executor="sequential")

    with pytest.raises(StepFailed) as caught:
        asyncio.run(notebook())
    assert isinstance(caught.value.__cause__, ValueError)


def test_callable_objects_and_builtins_are_steps(build):
    """Any callable can be a step."""
    pipeline = build.pipeline(
        build.node("a", len, "abc"), build.node("b", functools.partial(pow, 2), build.out("a"))
    )
    for executor in ("thread", "process"):
        assert run(pipeline, executor=executor).result == 8
