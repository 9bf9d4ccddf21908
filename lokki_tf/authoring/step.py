"""``@step``: from a function to a step."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload
from weakref import WeakSet

from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model import Step
from lokki_tf.model.signatures import signature_of
from lokki_tf.tracebacks import ends_at_caller

from .calls import Call
from .conditions import checked_condition, condition_of
from .flows import current_flow
from .options import retry_config, step_options
from .placeholders import FlowArgument, Placeholder
from .places import calling_place, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from lokki_tf.errors import Place
    from lokki_tf.model import RetryConfig

    from .calls import MapCall
    from .flows import Building

P = ParamSpec("P")
R = TypeVar("R")


_STEP_CODE: WeakSet[CodeType] = WeakSet()
"""The code objects of all steps, which identify a running step."""
_IMPORTLIB = "<frozen importlib._bootstrap>"


def inside_step() -> bool:
    """Return whether the caller runs inside a step; a call of a step is then a plain call.

    A module that a step imports defines its own steps and pipelines, so its statements do not count
    as inside. A task of asyncio counts, although its frames do not include the step's.
    """
    runtime = sys.modules.get("lokki_tf.runtime.call")
    driven = runtime._driven.__code__ if runtime is not None else None
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code in _STEP_CODE or frame.f_code is driven:
            return True
        if frame.f_code.co_filename == _IMPORTLIB:
            return False
        frame = frame.f_back
    return False


@ends_at_caller
class Stepped:
    """A function as a step, whose calls become nodes.

    Args:
        step: The step.
    """

    __lokki_step__ = True
    __name__: str

    def __init__(self, step: Step) -> None:
        functools.update_wrapper(cast("Any", self), step.function)
        self.step = step
        # Not the code of a decorator's wrapper, which other functions share.
        code = getattr(inspect.unwrap(step.function), "__code__", None)
        if code is not None:
            _STEP_CODE.add(code)

    def _called(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        place: Place,
        home: MapCall | None,
    ) -> Call:
        kwargs, retry = dict(kwargs), self.step.options.retry
        parameters = self._signature.parameters
        if "retry" in kwargs and "retry" not in parameters:
            retry = retry_config(kwargs.pop("retry"), place)
        flow = current_flow()
        if flow is not None:
            kwargs |= self._from_flow(flow, args, kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise BindingError(
                f"step {self.step.name!r} cannot be called with these arguments: {error}",
                place=place,
                remedy=f"its signature is {self.__name__}{self._signature}",
            ) from None
        function: Any = self.step.function
        if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
            # Its own parameters may differ from those that its signature shows.
            by_position, by_name = args, kwargs
        else:
            by_position, by_name = _split(bound)
        condition, by_name = condition_of(self.step, self._signature, by_position, by_name)
        return Call(self.step, by_position, by_name, retry, place, home, condition)

    def _from_flow(
        self, flow: Building, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the arguments that the step receives from the enclosing flow automatically.

        A step with ``**kwargs`` receives all parameters. A required argument of a first step that
        the flow does not pass becomes a parameter of the execution.
        """
        parameters = self._signature.parameters
        found: dict[str, Any] = {}
        if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            found = {
                name: flow.argument(name)
                for name in flow.parameters
                if name not in kwargs and name not in parameters
            }
        given = (*args, *kwargs.values())
        if any(isinstance(one, Placeholder) and not isinstance(one, FlowArgument) for one in given):
            return found
        try:
            bound = self._signature.bind_partial(*args, **kwargs).arguments
        except TypeError:
            return found  # reported where it is finally bound
        for name, one in parameters.items():
            named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
            if named and one.default is one.empty and name not in bound:
                found[name] = flow.require(name, one.annotation)
        return found

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        return signature_of(self.step.function)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        raise BindingError(
            f"step {self.step.name!r} is a method, whose instance cannot be sent to Lambda",
            place=self.step.place,
            remedy="make it a function of the module, and pass what it needs as arguments",
        )

    def __repr__(self) -> str:
        return f"<step {self.step.name!r} at {self.step.place}>"


@ends_at_caller
class StepFunction(Stepped, Generic[P, R]):
    """A function as a step. Calling it returns a node and changes nothing."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return a node that runs the step with these arguments.

        Args:
            args: Values, or results of other steps.
            kwargs: The same, by name.

        Returns:
            A :class:`Call`; to type checkers it is the function's return type, so that they check
                arguments of later steps. Inside a running step, the function's own result.

        Raises:
            BindingError: If an argument is missing, unknown or given twice.
        """
        if inside_step():
            # As in Lambda, where the name refers to the plain function.
            return cast("R", self.step.function(*args, **kwargs))
        return cast("R", self._called(args, kwargs, calling_place(), None))


def _split(bound: inspect.BoundArguments) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments by position only where required, else by name: events are easier to read."""
    by_name = dict(bound.arguments)
    by_position: list[Any] = []
    kinds = {name: param.kind for name, param in bound.signature.parameters.items()}
    spread = any(
        kind is inspect.Parameter.VAR_POSITIONAL and by_name.get(name)
        for name, kind in kinds.items()
    )
    for name, kind in kinds.items():
        if name not in by_name:
            continue
        if kind is inspect.Parameter.POSITIONAL_ONLY or (
            spread and kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ):
            by_position.append(by_name.pop(name))
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            by_position.extend(by_name.pop(name))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            by_name.update(by_name.pop(name))
    return tuple(by_position), by_name


@overload
def step(function: Callable[P, R], /) -> StepFunction[P, R]: ...
@overload
def step(
    function: None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    layers: Sequence[str] | None = None,
    requirements: Sequence[str] | str | PathLike[str] | None = None,
    include: Sequence[str | PathLike[str]] | None = None,
    modules: Sequence[str] | None = None,
    code: str | None = None,
    python_runtime: str | None = None,
    memory_size: int | None = None,
    timeout_seconds: int | None = None,
    ephemeral_storage: int | None = None,
    architecture: str | None = None,
    policies: Sequence[str] | None = None,
    role: str | None = None,
    retry_count: int | None = None,
    retry: RetryConfig | Mapping[str, Any] | int | None = None,
    env_variables: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    expected_seconds: float | None = None,
    job_type: str | None = None,
    package: str | None = None,
    vcpu: float | None = None,
    memory_mb: int | None = None,
    gpu: int | None = None,
    platform: str | None = None,
    job_queue: str | None = None,
    when: Callable[..., Any] | None = None,
) -> Callable[[Callable[P, R]], StepFunction[P, R]]: ...
@ends_at_caller
def step(
    function: Callable[P, R] | None = None,
    /,
    *,
    name: str | None = None,
    when: Callable[..., Any] | None = None,
    **options: Any,
) -> StepFunction[P, R] | Callable[[Callable[P, R]], StepFunction[P, R]]:
    """Make a function a step of pipelines.

    Args:
        function: The function, if the decorator has no arguments.
        name: Name of the step; by default the function's name.
        when: Returns whether the step runs, from as many of its first arguments as it has
            parameters, or from those with its parameters' names. If it is false the step is
            skipped, and steps that use its result receive ``None``.
        options: As in :class:`lokki_tf.model.StepOptions`. ``retry_count`` is short for
            ``retry=RetryConfig(retries=…)``. ``requirements`` may be a path, relative to the step's
            file, of a ``requirements.txt``, ``pyproject.toml`` or ``uv.lock``.

    Returns:
        A :class:`StepFunction`, or a decorator that makes one.

    Raises:
        OptionError: If an option has the wrong type.
        BindingError: If it decorates something that is not a function.
    """
    place = calling_place()

    @ends_at_caller
    def decorate(function: Callable[P, R]) -> StepFunction[P, R]:
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
        OptionError: If an option has the wrong type, or the condition is invalid.
    """
    if getattr(function, "__lokki_step__", False):
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
    when = checked_condition(when, function, place)
    return Step(name or function.__name__, function, step_options(options, place), place, when)
