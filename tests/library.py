"""Steps of which the tests make pipelines: each does something odd to its arguments."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from lokki_tf import (
    MicroFunctions,
    NotReady,
    Pipeline,
    PipelineFailed,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    start_pipeline,
    step,
    wait,
)
from lokki_tf import Parameter as RunParameter


@dataclass
class Box:
    """A user's class that is passed between steps."""

    content: Any


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@step
def cleaned(*values: Any, **more: Any) -> None:
    """A cleanup step that prints its arguments, and the run."""
    print("CLEANED", run_context().run_id, repr((values, more)))


@step(name="cleaned")
def cleaned_state(script: Any, x0: Any, x1: Any = "none", x2: Any = "none") -> None:
    """The same for a routed pipeline."""
    print("CLEANED", run_context().run_id, repr((script, x0, x1, x2)))


@step
def echo(value: Any) -> Any:
    """What comes in goes out."""
    return value


@step
def pair(first: Any, second: Any) -> Any:
    """A tuple is not a list, and stays a tuple."""
    return (first, second)


@step
def listing(*values: Any) -> Any:
    """Takes any number of results."""
    return list(values)


@step
def keyed(left: Any = "left", *, right: Any = None, **more: Any) -> Any:
    """Binds by name, with defaults."""
    return {"left": left, "right": right, **more}


@step
def numbered(value: Any) -> Any:
    """Keys that are not strings."""
    return {1: value, None: [value], (2, 3): "tuple"}


@step
def parted(value: Any) -> Any:
    """A result with parts of all kinds."""
    return {"a": value, "pair": (value, Box([value])), "rows": [value, 2]}


@step
def text(length: int) -> str:
    """A result of a chosen size, as JSON."""
    return "x" * length


@step
def accents(length: int) -> str:
    """A result whose characters and bytes differ in number."""
    return "é" * length


@step
def nothing(value: Any) -> None:
    """``None`` is a result."""


@step
def boxed(value: Any) -> Any:
    """An instance of the user's own class."""
    return Box(value)


@step
def colour(value: Any) -> Any:
    """A member of the user's own enum."""
    return Colour.RED if value else Colour.BLUE


@step
def described(value: Any) -> Any:
    """What the step sees: type and size, which any change on the way would alter."""
    return [type(value).__name__, _weight(value)]


def _weight(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(_weight(key) + _weight(item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return 1 + sum(_weight(item) for item in value)
    return len(type(value).__name__) + (len(value) if isinstance(value, str | bytes) else 0)


@step
def counted(value: Any) -> Any:
    """A generator becomes a list."""
    yield 1
    yield value


@step
def flowing(*values: Any) -> Iterator[Any]:
    """A generator whose items a map takes one by one."""
    yield from values


@step
def streamed(values: Iterable[Any]) -> Any:
    """Reads the results of a map one after another, twice."""
    return [[type(one).__name__ for one in values], list(values)]


@step
def streamed_once(values: Iterator[Any]) -> Any:
    """Reads the results of a map one after another; an iterator has one pass."""
    return [next(values, "none"), list(values), list(values)]


@step
async def awaited(value: Any) -> Any:
    """A coroutine is awaited."""
    return [value]


def identity() -> dict[str, Any]:
    """What ``run_context()`` returns, without what differs between runs."""
    own = run_context()
    kept = ("pipeline", "stage", "step", "attempt", "item_index", "scheduled_at", "parameters")
    return {name: getattr(own, name) for name in kept}


@step
def identified(value: Any) -> Any:
    """What comes in, and the context of the call."""
    return value, identity()


PAST = datetime(2020, 1, 1, tzinfo=UTC)


@step
def due(value: Any) -> Any:
    """A time until which a node waits: an object or a text."""
    return PAST if value else "2020-01-31T09:00:00+01:00"


class Refused(LookupError):
    """An error whose base class retries name."""


REFUSED = RetryConfig(retries=1, delay=1, exceptions=(LookupError,))


@step(poll=600, retry=REFUSED)
def polled(value: Any, script: Any = ("NotReady",)) -> Any:
    """Raise the errors of a script, one an attempt; then what comes in, and the attempt."""
    attempt = run_context().attempt
    if attempt <= len(script):
        raise {"NotReady": NotReady, "Refused": Refused}[script[attempt - 1]]("not yet")
    return value, attempt


@step(callback=True, retry=REFUSED)
def asked(value: Any) -> Any:
    """Is answered from outside."""
    assert run_context().task_token


@step(callback=True, retry=REFUSED, catch=LookupError)
def asked_caught(value: Any) -> Any:
    """The same; a refusal is a result, too."""
    assert run_context().task_token


def is_truthy(value: Any) -> Any:
    """A condition of one argument, which does not return a bool."""
    return value


def is_plain(value: Any, *more: Any) -> bool:
    """A condition of all arguments."""
    return all(isinstance(one, str | int | None) for one in (value, *more))


def has_one(one: Any = None) -> bool:
    """A condition of an argument by its name."""
    return one is not None


def never() -> bool:
    """A condition of nothing."""
    return False


CONDITIONS = (None, None, None, is_truthy, is_plain, never)
"""For tasks that take anything."""


def number() -> Any:
    return 7


def nought() -> Any:
    return 0


def absent() -> Any:
    return None


def long() -> Any:
    return "é" * 131_000


def tagged() -> Any:
    return Box({1: (2, {3})})


def only(value: Any) -> Any:
    return [value]


def couple(first: Any, second: Any = "second") -> Any:
    return (first, second)


def gathered(*values: Any) -> Any:
    return list(values)


def gathered_late(*values: Any) -> Any:
    """Is ready at the third attempt."""
    if run_context().attempt < 3:
        raise NotReady("not yet")
    return [run_context().attempt, *values]


def gathered_identity(*values: Any) -> Any:
    return [identity(), *values]


def moment(*values: Any) -> Any:
    return PAST


def mixed(one: Any = None, two: Any = "two", *, three: Any = None, **more: Any) -> Any:
    return [one, two, three, more]


def mixed_late(one: Any = None, two: Any = "two", *, three: Any = None, **more: Any) -> Any:
    return gathered_late(one, two, three, more)


def mixed_identity(one: Any = None, two: Any = "two", *, three: Any = None, **more: Any) -> Any:
    return gathered_identity(one, two, three, more)


def refusing(*values: Any) -> Any:
    raise Refused("on purpose")


def refusing_late(*values: Any) -> Any:
    """The same, when it is ready at the second attempt."""
    if run_context().attempt == 1:
        raise NotReady("not yet")
    refusing()


MIXED = (mixed, mixed_late, mixed_identity)
SOURCES = (number, nought, absent, long, tagged)
NAMES = ("one", "two", "three", "four", "five")
"""Of tasks in a flow: those that ``mixed`` has parameters for, and others."""


def as_job(one: Any) -> Any:
    """The same step as a job of Batch."""
    name = f"{one.step.name}_job"
    return step(name=name, job_type="batch")(one.step.function)


def mapped(value: Any, other: Any = (1, 2)) -> Any:
    """A sub-pipeline with a map and two uses of its parameters."""
    return listing(value, other).map(echo).agg(pair, second=other)


def sub_pipelines() -> tuple[Any, ...]:
    """Pipelines of one argument, or with an optional one, which no arrows connect yet."""
    value = RunParameter("value")
    waiting = polled(value).wait(seconds=9)
    return (
        flow(name="nested")(mapped),
        Pipeline("waiting", steps=[identified(waiting).after(wait(until=PAST))]),
        Pipeline("calls", steps=[pair(value, boxed(value))]),
    )


SUB_PIPELINES = sub_pipelines()


def with_two_ends(value: Any) -> Any:
    """A sub-pipeline with two results, of which one is a map's."""
    return echo(value), listing(1, value).map(echo)


def by_name(one: Any = None, three: Any = "x") -> Any:
    """A sub-pipeline whose parameters are named after tasks."""
    return pair(echo(one), second=three)


def after_one(one: Any) -> Any:
    """A sub-pipeline of two results that requires another one's."""
    return mapped(one), echo(1)


@step
def particular(value: Any) -> Any:
    """Fail for texts, numbers that are odd, and dicts."""
    if isinstance(value, str | dict) or (isinstance(value, int) and value % 2):
        raise Refused(f"refused {value!r}")
    return value


@step(when=is_truthy)
def echo_truthy(value: Any) -> Any:
    return value


@flow(name="child-default")
def child_default(value: Any = "default", other: Any = 5) -> Any:
    """Has a default for each parameter."""
    return listing(value, other)


@flow(name="child-mapped")
def child_mapped(value: Any) -> Any:
    """Ends with a map."""
    return listing(value, 1, "x").map(echo)


CHILD = MicroFunctions("enter", name="child-routed")


@CHILD.fn()
def enter(value: Any = 3) -> Any:
    return ReturnUpdates("leave", value=[value])


@CHILD.fn(terminates=True)
def leave(value: Any) -> Any:
    return {"value": value, "left": True}


_ECHOED, _ONLY = RunParameter("value"), RunParameter("value", default=None)
CHILDREN = (
    Pipeline("child-echo", steps=[echo(_ECHOED)]),
    Pipeline("child-several", steps=[echo(_ONLY), counted(_ONLY), echo_truthy(_ONLY)]),
    Pipeline("child-skipped", steps=[echo_truthy(_ECHOED)]),
    Pipeline("child-fails", steps=[particular(_ECHOED)]),
    Pipeline("child-boxed", steps=[boxed(_ECHOED)]),
    child_default,
    child_mapped,
    CHILD,
)
"""Pipelines that others start, each with the parameter ``value``."""
INCLUDED = (
    *(one for one in CHILDREN if one is not CHILD),
    *SUB_PIPELINES,
    flow(name="with-two-ends")(with_two_ends),
)
"""Pipelines that routed ones include, each with the parameter ``value``, perhaps with others."""
ENDED = (PipelineFailed, TypeError, ValueError)
"""Errors of a start."""


def started(child: Any, trust: bool) -> Any:
    """Return a sub-pipeline of one start."""

    @flow(name=f"starts-{child.name}-{trust}".lower())
    def starts(value: Any) -> Any:
        return start_pipeline(child.name, {"value": value}, catch=ENDED, trust=trust)

    return starts


STARTS = tuple(
    started(child, trust)
    for child in CHILDREN
    for trust in (False, True)
    if not trust or child.name != "child-boxed"  # not all steps can import its class
)
"""Sub-pipelines of one argument, which start a pipeline."""
OF_RESULTS = (echo, described, streamed, streamed_once)
"""Steps that take the results of a map."""
ONE_ARGUMENT = (echo, numbered, nothing, boxed, colour, described, counted, awaited, identified)
PARTS: dict[Any, Any] = {
    parted: (
        lambda out: out["a"],
        lambda out: out["rows"],
        lambda out: out["pair"][-1].content[0],
        lambda out: out["pair"][1],
    ),
    pair: (lambda out: out[0], lambda out: out[-1]),
    keyed: (lambda out: out["left"],),
    boxed: (lambda out: out.content,),
    identified: (lambda out: out[1]["parameters"],),
    polled: (lambda out: out[1],),
}
"""Parts of what steps return, for any arguments."""
STEPS = (*ONE_ARGUMENT, parted, pair, listing, keyed, text, accents)
JOBS = tuple(map(as_job, (*ONE_ARGUMENT, parted, pair, listing, keyed)))
ONE_ARGUMENT_JOBS = JOBS[: len(ONE_ARGUMENT)]


def variables(value: Any = None) -> dict[str, Any]:
    """The variables that pipelines of the property set, and what the step takes."""
    names = ("MODE", "ONLY", "SHARED", "LOKKI_STAGE")
    return {"value": value, **{name: os.environ[name] for name in names if name in os.environ}}


def late(folder: str, slow: int) -> int:
    """Take too long for the first ``slow`` calls, and return the number of the call."""
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    number = len(list(path.iterdir())) + 1
    (path / str(number)).touch()
    if number <= slow:
        time.sleep(3)
    return number


class Early(Refused):
    """A subclass of an error that another retrier lists."""


class Late(TimeoutError):
    """A user's own subclass of the error of a time limit."""


ERRORS = (Refused, Early, Late, ValueError, ConnectionError, OSError, SystemExit)


def scripted(folder: str, script: list[str], value: Any = None) -> Any:
    """Raise the errors of a script, one an attempt, and then return the value.

    Args:
        folder: Contains a file for each attempt.
        script: Names of classes of :data:`ERRORS`.
        value: What is returned.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    number = len(list(path.iterdir()))
    (path / str(number)).touch()
    if number < len(script):
        raise next(one for one in ERRORS if one.__name__ == script[number])("on purpose")
    return value


def is_not_single(folder: str, script: list[str]) -> bool:
    """A condition of :func:`scripted`."""
    return len(script) != 1


def is_not_empty(text: str) -> bool:
    """A condition of :func:`raising`."""
    return bool(text)


def raising(text: str) -> Any:
    raise ValueError(text)


def raising_early(text: str) -> Any:
    raise Early(text)


def sleeping(seconds: float) -> None:
    time.sleep(seconds)


def ending(how: str) -> str:
    """Return, sleep or end the process."""
    if how == "late":
        time.sleep(5)
    if how == "dead":
        os._exit(3)
    return how
