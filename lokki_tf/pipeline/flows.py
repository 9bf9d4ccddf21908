"""``@flow``: a function that returns a chain is a pipeline, with parameters."""

from __future__ import annotations

import functools
import inspect
import os
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring import build_flow, build_graph, notice_of
from lokki_tf.authoring.builder import NOT_CALLS
from lokki_tf.authoring.flows import current_flow
from lokki_tf.authoring.nesting import REMEDY
from lokki_tf.authoring.places import calling_place, place_of
from lokki_tf.errors import BindingError
from lokki_tf.model import Definition, Graph, signature
from lokki_tf.model.signatures import signature_of
from lokki_tf.tracebacks import ends_at_caller

from .base import Pipeline, described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lokki_tf.authoring import OnFailure


@ends_at_caller
class FlowPipeline(Pipeline):
    """A pipeline from a function under ``@flow``; the function's parameters are those of a run.

    Calling it returns the same pipeline with other defaults: ``daily(limit=5)``.

    Args:
        function: Returns the end of a chain, or several.
        name: Name of the state machine; by default the function's name, with hyphens.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        description: Description of the pipeline; by default the function's docstring.
        tags: Tags of every resource.
        on_failure: Notified when it fails: a step, which is called with a dict, or the ARN of an
            SNS topic.
        given: Values that replace the parameters' defaults.
    """

    _kind = "flow"

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        schedule: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        on_failure: OnFailure = None,
        given: Mapping[str, Any] | None = None,
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
        description, tags = described(description or first_line or None, tags, calling_place())
        self._options: dict[str, Any] = {
            "name": name or function.__name__.replace("_", "-"),
            "schedule": schedule,
            "description": description,
            "tags": tags,
            "on_failure": on_failure,
        }
        self._given = dict(given or {})
        self._built: tuple[tuple[Any, ...], Definition] | None = None

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self._options["name"])

    def _written(self) -> Definition:
        # A notebook cell that runs again assigns a new step to the same name.
        names = self._function.__globals__
        seen: tuple[Any, ...] = (os.environ.get("LOKKI_STAGE"),)  # which the function may read
        seen += tuple(id(names.get(name)) for name in self._function.__code__.co_names)
        if self._built is None or self._built[0] != seen:
            ends, parameters = build_flow(self._function, self._given)
            graph, place = self._graph(ends), place_of(self._function)
            notified = notice_of(self._options["on_failure"], graph.steps, place)
            options = {**self._options, "on_failure": notified}
            made = Definition(graph=graph, place=place, parameters=parameters, **options)
            self._built = (seen, made)
        return self._built[1]

    def _graph(self, ends: list[Any]) -> Graph:
        try:
            return build_graph(ends)
        except BindingError as error:
            if not error.message.startswith(NOT_CALLS):
                raise
            raise BindingError(
                f"flow {self._function.__name__!r} returns something that is not a chain: "
                + error.message.removeprefix(NOT_CALLS),
                place=place_of(self._function),
                remedy="return the chain itself: return load().map(process).agg(total)",
            ) from None

    def __call__(self, *args: Any, **kwargs: Any) -> FlowPipeline:
        """Return the same flow with other defaults for its parameters.

        Raises:
            BindingError: If one is unknown or of the wrong type, or a flow is being built.
        """
        around = current_flow()
        if around is not None:
            outer = around.place.name.rpartition(".")[2]
            raise BindingError(
                f"flow {self._function.__name__!r} is called inside the flow {outer!r}, "
                "and a pipeline cannot be part of another",
                place=calling_place(),
                remedy=REMEDY,
            )
        try:
            bound = signature_of(self._function).bind_partial(*args, **kwargs)
        except TypeError as error:
            raise BindingError(
                f"flow {self._function.__name__!r} cannot be called with these arguments: {error}",
                place=calling_place(),
                remedy=f"its signature is {signature(self.definition.parameters, self.name)}",
            ) from None
        given = {**self._given, **bound.arguments}
        flow = FlowPipeline(self._function, **self._options, given=given)
        _ = flow.definition  # errors are raised here
        return flow


@ends_at_caller
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    schedule: str | None = None,
    name: str | None = None,
    description: str | None = None,
    tags: Mapping[str, str] | None = None,
    on_failure: OnFailure = None,
) -> Any:
    """Make a pipeline from a function that returns a chain.

    Args:
        function: The function, if the decorator has no arguments.
        schedule: ``rate(…)``, ``cron(…)`` or ``at(…)``, or ``None``.
        name: Name of the state machine; by default the function's name, with hyphens.
        description: Description of the pipeline; by default the function's docstring.
        tags: Tags of every resource.
        on_failure: Notified when it fails: a step, which is called with a dict, or the ARN of an
            SNS topic.

    Returns:
        A :class:`FlowPipeline`, or a decorator that makes one.
    """

    @ends_at_caller
    def decorate(function: Callable[..., Any]) -> FlowPipeline:
        return FlowPipeline(
            function,
            name=name,
            schedule=schedule,
            description=description,
            tags=tags,
            on_failure=on_failure,
        )

    return decorate if function is None else decorate(function)
