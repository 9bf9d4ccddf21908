"""``@task``: a function that runs when it is called, and that ``>>`` connects to others."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from lokki_tf.errors import OptionError
from lokki_tf.model import path_text
from lokki_tf.model.annotations import part_hint, returned
from lokki_tf.model.retries import Attempts
from lokki_tf.tracebacks import ends_at_caller

from .arrows import Arrowed, ArrowList, ArrowPart, join
from .options import documents_options
from .parts import item_key, length_of
from .places import calling_place, place_of
from .step import make_step
from .stepped import Stepped, inside_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lokki_tf.model import Key, RetryConfig

    from .calls import Wait
    from .keywords import StepKeywords, TaskKeywords

P = ParamSpec("P")
R = TypeVar("R")
P2 = ParamSpec("P2")
R2 = TypeVar("R2")
# To type checkers, a list of different tasks is one of their common base class.
Tasks: TypeAlias = "list[Any] | tuple[Stepped | Wait, ...]"


@ends_at_caller
class ArrowSource:
    """The left side of an arrow to tasks: a task, a part of its result, or a list of tasks."""

    @overload
    def __rshift__(self, other: Task[P2, R2]) -> Task[P2, R2]: ...
    @overload
    def __rshift__(self, other: Wait) -> Wait: ...
    @overload
    def __rshift__(self, other: Tasks) -> TaskList: ...
    def __rshift__(self, other: Any) -> Any:
        """Make a task, or each of a list of tasks, come after this."""
        return join(self, other, TaskList)


@documents_options
@ends_at_caller
class Task(ArrowSource, Arrowed, Stepped, Generic[P, R]):
    """A function as a task: calling it runs it, ``>>`` sets the order of tasks.

    Args:
        func: The function.
        retries: Number of retries after the first attempt.
        delay: Seconds before the first retry, chosen at random between 0 and this value.
        backoff: Factor of the delay after each retry.
        when: Returns whether the task runs, from as many of its first arguments as it has
            parameters, or from those with its parameters' names.
        name: Name of the task; by default the function's name.
        options: See below; those of :func:`lokki_tf.step`.

    Raises:
        OptionError: If an option has the wrong type.
        BindingError: If it decorates something that is not a function.
    """

    def __init__(
        self,
        func: Callable[P, R],
        *,
        retries: int = 0,
        delay: float = 1.0,
        backoff: float = 2.0,
        when: Callable[..., Any] | None = None,
        name: str | None = None,
        **options: Unpack[StepKeywords],
    ) -> None:
        if "retry" not in options and "retry_count" not in options:
            options["retry"] = {
                "retries": retries, "delay": delay, "backoff": backoff, "jitter": True,
            }  # fmt: skip
        elif (retries, delay, backoff) != (0, 1.0, 2.0):
            raise OptionError(
                "retries=, delay= or backoff= cannot be combined with retry= or retry_count=",
                place=place_of(func) if inspect.isfunction(func) else calling_place(),
                remedy="keep one: retry=RetryConfig(…) includes all of these",
            )
        super().__init__(make_step(func, name, options, when))
        self.draw()

    if TYPE_CHECKING:

        def _returns(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @property
    def name(self) -> str:
        """The task's name."""
        return self.step.name

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function, with the task's retries.

        The condition is not used: a caller wants the task to run.

        Returns:
            The function's result.
        """
        function = self.step.function
        retry = self.step.options.retry
        if not retry or inside_step():  # as in Lambda, where it is the plain function
            return cast("R", function(*args, **kwargs))
        if inspect.iscoroutinefunction(function):
            return cast("R", _awaited(function, retry, args, kwargs))
        left = Attempts(retry)
        while True:
            try:
                return cast("R", function(*args, **kwargs))
            except (Exception, SystemExit) as error:
                seconds = left.wait(error)
                if seconds is None:
                    raise
            time.sleep(seconds)

    def __getitem__(self, key: Any) -> TaskPart:
        """Return an item of its result, for an arrow: ``load["rows"] >> clean``."""
        return self.__lokki_part__(item_key(key, f"the result of task {self.name!r}"))

    def __lokki_part__(self, key: Key) -> TaskPart:
        return TaskPart(self, (key,))

    def __iter__(self) -> Iterator[TaskPart]:
        """Yield the values of its result, a tuple whose annotation fixes their number."""
        what = f"the result of task {self.name!r}"
        count = length_of(returned(self.step.function), what)
        return iter([TaskPart(self, (index,)) for index in range(count)])

    def __rrshift__(self, other: Tasks) -> Task[P, R]:
        """Make this task come after each of a list of tasks."""
        join(other, self)
        return self

    def __repr__(self) -> str:
        return f"<task {self.name!r} at {self.step.place}>"


@ends_at_caller
@dataclass(frozen=True)
class TaskPart(ArrowSource, ArrowPart):
    """A part of a task's result, for the left side of an arrow.

    Args:
        task: The task.
        path: What is selected of its result, one after another.
    """

    task: Task[..., Any]
    path: tuple[Key, ...]

    @property
    def name(self) -> str:
        """The part as it is written."""
        return f"{self.task.name}{path_text(self.path)}"

    def __getitem__(self, key: Any) -> TaskPart:
        """Return an item of the part."""
        return self.__lokki_part__(item_key(key, f"part {self.name}"))

    def __lokki_part__(self, key: Key) -> TaskPart:
        return TaskPart(self.task, (*self.path, key))

    def __iter__(self) -> Iterator[TaskPart]:
        """Raise an error, or yield the values of a tuple whose annotation fixes their number."""
        hint = part_hint(returned(self.task.step.function), self.path)
        count = length_of(hint, f"part {self.name}")
        return iter([self.__lokki_part__(index) for index in range(count)])


async def _awaited(
    function: Callable[..., Any], retry: tuple[RetryConfig, ...], args: Any, kwargs: Any
) -> Any:
    import asyncio  # programs with async tasks have imported it

    left = Attempts(retry)
    while True:
        try:
            return await function(*args, **kwargs)
        except (Exception, SystemExit) as error:
            seconds = left.wait(error)
            if seconds is None:
                raise
        await asyncio.sleep(seconds)


@ends_at_caller
class TaskList(ArrowSource, ArrowList):
    """Parallel tasks, so that ``>>`` continues from a list to a list."""


class TaskDecorator(Protocol):
    """``@task(…)``, as type checkers see it."""

    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    function: None = None,
    /,
    **options: Unpack[TaskKeywords],
) -> TaskDecorator: ...
@documents_options
@ends_at_caller
def task(function: Callable[P, R] | None = None, /, **options: Any) -> Task[P, R] | TaskDecorator:
    """Make a function a task.

    Args:
        function: The function, if the decorator has no arguments.
        options: As in :class:`Task`: ``retries``, ``delay``, ``backoff``, ``when``, ``name``, and
            those below, of :func:`lokki_tf.step`.

    Returns:
        A :class:`Task`, or a decorator that makes one.
    """

    @ends_at_caller
    def decorate(function: Callable[P2, R2], /) -> Task[P2, R2]:
        return Task(function, **options)

    if function is None:
        return decorate
    if isinstance(function, str):
        raise OptionError(
            f"@task({function!r}): the options of @task are given by name",
            place=calling_place(),
            remedy=f"write @task(name={function!r})",
        )
    return decorate(function)
