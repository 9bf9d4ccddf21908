"""``@step``: from a function to a step."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from lokki_tf.errors import BindingError, NamingError, OptionError
from lokki_tf.model import Step
from lokki_tf.tracebacks import ends_at_caller

from .binding import bound_call
from .calls import Call
from .conditions import checked_condition
from .options import documents_options, step_options
from .places import calling_place, place_of
from .stepped import Stepped, inside_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .keywords import NamedStepKeywords, Retry
    from .results import Closed, ListResult, OnlyAny, Result

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@ends_at_caller
class StepFunction(Stepped, Generic[P, R]):
    """A function as a step. Calling it returns a node and changes nothing."""

    if TYPE_CHECKING:

        def _returns(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    # What calls are to type checkers is described in lokki_tf.authoring.results. The first overload
    # applies to steps that return Any, which would else count as a list.
    @overload
    def __call__(self: StepFunction[P, OnlyAny], /, *args: P.args, **kwargs: P.kwargs) -> Any: ...
    @overload
    # It overlaps with the last one, since P may have a parameter `retry` of the step's own.
    def __call__(  # type: ignore[overload-overlap]
        self: StepFunction[P, list[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> ListResult[T]: ...
    @overload
    def __call__(
        self: StepFunction[P, None], /, *args: P.args, **kwargs: P.kwargs
    ) -> Result[None, Closed]: ...
    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(
        self, /, *args: Any, retry: Retry | Sequence[Retry], **kwargs: Any
    ) -> Result[R, Closed]: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return a node that runs the step with these arguments.

        Args:
            args: Values, or results of other steps.
            kwargs: The same, by name.

        Returns:
            A :class:`Call`; to type checkers it is the function's result, so that they check
                arguments of later steps, see :func:`lokki_tf.chain`. Inside a running step, the
                function's own result.

        Raises:
            BindingError: If an argument is missing, unknown or given twice.
        """
        if inside_step():
            # As in Lambda, where the name refers to the plain function.
            return self.step.function(*args, **kwargs)
        return Call(bound_call(self.step, self.signature, args, kwargs, calling_place()))


class StepDecorator(Protocol):
    """``@step(…)``, as type checkers see it."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
    @overload
    def __call__(
        self, function: Callable[P, Iterator[T] | AsyncIterator[T]], /
    ) -> StepFunction[P, list[T]]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> StepFunction[P, R]: ...


@overload
def step(function: Callable[P, Coroutine[Any, Any, R]], /) -> StepFunction[P, R]: ...
@overload
def step(function: Callable[P, Iterator[T] | AsyncIterator[T]], /) -> StepFunction[P, list[T]]: ...
@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(function: None = None, /, **options: Unpack[NamedStepKeywords]) -> StepDecorator: ...
@documents_options
@ends_at_caller
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    when: Callable[..., Any] | None = None,
    **options: Any,
) -> Any:
    """Make a function a step of pipelines.

    Args:
        function: The function, if the decorator has no arguments.
        name: Name of the step; by default the function's name.
        when: Returns whether the step runs, from as many of its first arguments as it has
            parameters, or from those with its parameters' names. If it is false the step is
            skipped, and steps that use its result receive ``None``.
        options: See below. ``retry_count`` is short for ``retry=RetryConfig(retries=…)``. Types,
            defaults and limits are in ``docs/reference/options.md``.

    Returns:
        A :class:`StepFunction`, or a decorator that makes one.

    Raises:
        OptionError: If an option has the wrong type.
        BindingError: If it decorates something that is not a function.
    """
    place = calling_place()

    @ends_at_caller
    def decorate(function: Callable[..., Any]) -> Any:
        return StepFunction(make_step(function, name, options, when))

    if function is None:
        return decorate
    if isinstance(function, str):
        raise OptionError(
            f"@step({function!r}): the options of @step are given by name",
            place=place,
            remedy=f"write @step(name={function!r})",
        )
    return decorate(function)


def make_step(
    function: Callable[..., Any],
    name: str | None,
    options: Mapping[str, Any],
    when: Callable[..., Any] | None = None,
) -> Step:
    """Make a step of the model from a function and the options of its decorator.

    Raises:
        BindingError: If the function cannot be cut out of a module.
        NamingError: If the name is not a string.
        OptionError: If an option has the wrong type, or the condition is invalid.
    """
    if isinstance(function, Stepped):
        raise BindingError(
            f"{function!r} is a step already",
            place=calling_place(),
            remedy="decorate the plain function once",
        )
    if not inspect.isfunction(function):
        raise BindingError(
            f"@step must decorate a function, got {function!r}",
            place=calling_place(),
            remedy="decorate a function made with def",
        )
    place = place_of(function)
    if name is not None and not isinstance(name, str):
        raise NamingError(
            f"the name of a step must be a string, got {name!r}",
            place=place,
            remedy='for example @step(name="load")',
        )
    when = checked_condition(when, function, place)
    return Step(name or function.__name__, function, step_options(options, place), place, when)
