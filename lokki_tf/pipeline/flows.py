"""``@flow``: a function that returns a chain is a pipeline, with parameters."""

from __future__ import annotations

import functools
import inspect
import os
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    Unpack,
    overload,
)

from lokki_tf.authoring import build_flow, built, declarations, ends_of, with_values
from lokki_tf.authoring.arguments import argument
from lokki_tf.authoring.builder import NOT_CALLS
from lokki_tf.authoring.building import current_flow
from lokki_tf.authoring.calls import placeholders_of
from lokki_tf.authoring.inclusions import Included
from lokki_tf.authoring.inlining import inlined
from lokki_tf.authoring.options import pipeline_options
from lokki_tf.authoring.places import calling_place, place_of
from lokki_tf.errors import BindingError
from lokki_tf.model import Literal, signature
from lokki_tf.model.cells import is_cell
from lokki_tf.model.signatures import signature_of
from lokki_tf.tracebacks import ends_at_caller

from .base import Pipeline, R_co, collected, definition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.authoring.keywords import PipelineKeywords
    from lokki_tf.authoring.results import Closed, Links, Open
    from lokki_tf.authoring.specs import NodeSpec
    from lokki_tf.model import Definition

P = ParamSpec("P")
R = TypeVar("R")


@ends_at_caller
class FlowPipeline(Pipeline[R_co], Generic[P, R_co]):
    """A pipeline from a function under ``@flow``; the function's parameters are those of a run.

    Calling it returns the same pipeline with other defaults: ``daily(limit=5)``.

    Args:
        function: Returns the end of a chain, or several.
        name: Name of the state machine; by default the function's name, with hyphens.
        given: Values that replace the parameters' defaults.
        options: As for :class:`Pipeline`; the description is by default the first line of the
            function's docstring.
    """

    _kind = "flow"
    _is_call = False
    """Whether it is the result of a call of another flow."""
    _results: Any = None
    """The placeholders of a call's results."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        given: Mapping[str, Any] | None = None,
        **options: Unpack[PipelineKeywords],
    ) -> None:
        if not inspect.isfunction(function):
            raise BindingError(
                f"@flow must decorate a function, got {function!r}",
                place=calling_place(),
                remedy="decorate a function that returns a chain",
            )
        functools.update_wrapper(self, function)
        self._function = function
        first_line = (function.__doc__ or "").strip().partition("\n")[0]
        self._name = name or function.__name__.replace("_", "-")
        self._options = pipeline_options(options, "flow", calling_place())
        if not self._options.get("description") and first_line:
            self._options["description"] = first_line
        self._given = dict(given or {})
        self._built: tuple[tuple[Any, ...], Definition, list[NodeSpec]] | None = None

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self._name

    @property
    def is_part(self) -> bool:
        """Whether it is the result of a call, with other defaults, in another pipeline."""
        return self._is_call and (self._results is not None or self.included_at is not None)

    def _written(self) -> Definition:
        # A notebook cell that runs again assigns a new step to the same name.
        names = self._function.__globals__
        seen: tuple[Any, ...] = (os.environ.get("LOKKI_STAGE"),)  # which the function may read
        seen += tuple(id(names.get(name)) for name in self._function.__code__.co_names)
        if self._built is None or self._built[0] != seen:
            results, own = collected(
                self._function, self._function.__name__, lambda: build_flow(self._function)
            )
            ends = self._checked_ends(results)
            graph, declared, limits = built(ends)
            parameters = with_values(
                declarations([*own, *declared]), self._given, self._function.__name__
            )
            place = place_of(self._function)
            made = definition_of(
                self._options,
                graph,
                name=self._name,
                place=place,
                parameters=parameters,
                unused_limits=limits,
            )
            self._built = (seen, made, ends)
        return self._built[1]

    def _last_calls(self) -> list[NodeSpec]:
        _ = self.definition
        assert self._built is not None
        return self._built[2]

    def _checked_ends(self, ends: list[Any]) -> list[NodeSpec]:
        try:
            return ends_of(ends)
        except BindingError as error:
            if not error.message.startswith(NOT_CALLS):
                raise
            raise BindingError(
                f"flow {self._function.__name__!r} returns something that is not a chain: "
                + error.message.removeprefix(NOT_CALLS),
                place=place_of(self._function),
                remedy="return the chain itself: return load().map(process).agg(total)",
            ) from None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> FlowPipeline[P, R_co]:
        """Include the flow's steps in another flow, or return it with other defaults.

        Inside another flow, or with the results of steps or parameters as arguments, it returns
        the flow's result, as a step's call does. Else it returns the same flow with other defaults
        for its parameters; as an argument of a step it stands for its result.

        Raises:
            BindingError: If an argument is unknown or of the wrong type.
            CycleError: If flows contain each other.
        """
        place = calling_place()
        given_now = (argument(value, place) for value in (*args, *kwargs.values()))
        if current_flow() is not None or not all(isinstance(one, Literal) for one in given_now):
            sub = self.__lokki_included__(place)
            included: Any = placeholders_of(inlined(sub, args, kwargs, place))
            return included  # type: ignore[no-any-return]  # the flow's result
        try:
            bound = signature_of(self._function).bind_partial(*args, **kwargs)
        except TypeError as error:
            raise BindingError(
                f"flow {self._function.__name__!r} cannot be called with these arguments: {error}",
                place=calling_place(),
                remedy=f"its signature is {signature(self.definition.parameters, self.name)}",
            ) from None
        given = {**self._given, **bound.arguments}
        flow: FlowPipeline[P, R_co] = FlowPipeline(
            self._function, name=self._name, given=given, **self._options
        )
        _ = flow.definition  # errors are raised here
        flow._is_call = True
        return flow

    def __getattr__(self, name: str) -> Any:
        """Return a method of chains of the result, if this is a call: ``prices(1).map(…)``."""
        if name in _LINKS and self.__dict__.get("_is_call"):
            return getattr(self.__lokki_called__(), name)
        raise AttributeError(f"flow {self.__dict__.get('_name')!r} has no attribute {name!r}")

    def __lokki_current__(self) -> Included:
        function = self._function
        if self._is_call or not is_cell(function.__code__.co_filename):
            return self
        now = function.__globals__.get(function.__name__)
        return now if isinstance(now, FlowPipeline) else self

    def __lokki_called__(self) -> Any:
        """Return the placeholders of a call's results; ``None`` if it is no call."""
        if self._is_call and self._results is None:
            place = calling_place()
            self._results = placeholders_of(inlined(self.__lokki_included__(place), (), {}, place))
        return self._results


_LINKS = ("after", "agg", "map", "next", "wait")


class FlowDecorator(Protocol):
    """``@flow(…)``, as type checkers see it."""

    @overload
    def __call__(
        self, function: Callable[P, Links[R, Open[Closed]]], /
    ) -> FlowPipeline[P, list[R]]: ...
    @overload
    def __call__(self, function: Callable[P, Links[R, Closed]], /) -> FlowPipeline[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> FlowPipeline[P, R]: ...


@overload
def flow(function: Callable[P, Links[R, Open[Closed]]], /) -> FlowPipeline[P, list[R]]: ...
@overload
def flow(function: Callable[P, Links[R, Closed]], /) -> FlowPipeline[P, R]: ...
@overload
def flow(function: Callable[P, R], /) -> FlowPipeline[P, R]: ...
@overload
def flow(
    function: None = None,
    /,
    *,
    name: str | None = None,
    **options: Unpack[PipelineKeywords],
) -> FlowDecorator: ...
@ends_at_caller
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    **options: Unpack[PipelineKeywords],
) -> Any:
    """Make a pipeline from a function that returns a chain.

    Args:
        function: The function, if the decorator has no arguments.
        name: Name of the state machine; by default the function's name, with hyphens.
        options: As for :class:`Pipeline`: ``schedule``, ``description``, by default the first line
            of the function's docstring, ``tags``, ``on_failure`` and
            ``cleanup``.

    Returns:
        A :class:`FlowPipeline`, or a decorator that makes one.
    """

    @ends_at_caller
    def decorate(function: Callable[..., Any]) -> Any:
        return FlowPipeline(function, name=name, **options)

    return decorate if function is None else decorate(function)
