"""The functions of a routed pipeline, collected by a decorator."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from lokki_tf.errors import CycleError, NamingError, OptionError, Place, RouteError
from lokki_tf.model import FAILURE, Finding, Graph, Route, Routes, Step, StepOptions, raise_errors
from lokki_tf.tracebacks import ends_at_caller

from ..options import caught_routes
from ..places import calling_place
from ..starts import start_retriers, started_pipeline, starting_step
from ..step import make_step
from .including import Inclusion, included
from .properties import options_of
from .returns import Ways
from .route import route_of

if TYPE_CHECKING:
    from lokki_tf.model import TextOrRef, UnusedLimit

    from ..keywords import Catch, Retry, RouteKeywords

F = TypeVar("F", bound=Callable[..., Any])


@ends_at_caller
class Registry:
    """Functions that return their next step.

    Args:
        beginner: Name of the first step, which may be registered later.
        max_steps: Largest number of calls of steps in one run.

    Raises:
        OptionError: If an argument has the wrong type.
    """

    def __init__(self, beginner: str, *, max_steps: int = 25) -> None:
        _refuse(
            not isinstance(beginner, str) or not beginner,
            f"beginner must be the name of a step, got {beginner!r}",
            'write the first function\'s name as a string: beginner="start"',
        )
        _refuse(
            not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1,
            f"max_steps must be a number of steps, got {max_steps!r}",
            "write a whole number of at least 1",
        )
        self.beginner = beginner
        self.max_steps = max_steps
        self.registered: dict[str, tuple[Step, Ways]] = {}
        """The steps by name, each with the ways on from it that ``fn`` declares."""
        self.inclusions: dict[str, Inclusion] = {}
        """The included pipelines by the names of their steps."""

    def fn(
        self,
        default_next: str | None = None,
        next_key: str = "$next",
        terminates: bool = False,
        template_props: Mapping[str, Any] | None = None,
        catch: Mapping[Catch | tuple[Catch, ...] | bool, str] | None = None,
        **options: Unpack[RouteKeywords],
    ) -> Callable[[F], F]:
        """Register a function as a step; it replaces a step of the same name.

        Args:
            default_next: The next step if the function returns none.
            next_key: The key of a returned dict that names the next step.
            terminates: Whether the pipeline may end with the step.
            template_props: Options of the step, as properties of CloudFormation.
            catch: The next step after an error, by the error's class or AWS's name, or several of
                these; ``True`` for every error. It receives the state that this step received, and
                the ``Failure`` if it has a parameter ``failure``.
            options: Options of the step, as for :func:`lokki_tf.step`. With ``callback=True``, the
                answer is added to the state under the step's name, or is the run's result; what the
                function returns may only name one next step.

        Returns:
            A decorator, which returns the function unchanged.

        Raises:
            OptionError: If an option is unknown or has the wrong type.
        """
        place = calling_place()
        _refuse_unfit(default_next, next_key, terminates, place)
        all_options = options_of(template_props, options, place)
        caught = caught_routes(catch, place)

        @ends_at_caller
        def register(function: F) -> F:
            step = make_step(function, None, all_options)
            answered = step.options.callback
            ways = Ways(step.name, default_next, next_key, terminates, caught, answered)
            self.registered[step.name] = step, ways
            return function

        return register

    def start_pipeline(
        self,
        pipeline: TextOrRef,
        parameters: Mapping[str, str] | Sequence[str] = (),
        *,
        name: str | None = None,
        result: str | None = None,
        next: str | None = None,  # noqa: A002  # as of chains
        retry: Retry | Sequence[Retry] | None = None,
        catch: Mapping[Catch | tuple[Catch, ...] | bool, str] | None = None,
    ) -> None:
        """Register a step that starts a deployed pipeline and waits for its end.

        What holds for :func:`lokki_tf.start_pipeline` holds here.

        Args:
            pipeline: The pipeline's name, or the ARN of its state machine, which may be a
                :class:`lokki_tf.TerraformRef`.
            parameters: Names of values in the state that become its parameters; a dict if the
                parameters have other names: ``{"day": "date"}`` passes ``date`` as ``day``.
            name: The step's name; by default the pipeline's, or the name in the reference.
            result: The name under which the result is added to the state.
            next: The next step; without it, this pipeline ends.
            retry: When, and after which errors, it is started again.
            catch: As for :meth:`fn`.

        Raises:
            OptionError: If an argument has the wrong type.
        """
        place = calling_place()
        started = started_pipeline(pipeline, place)
        _refuse_names(f"start_pipeline({pipeline!r}, …)", parameters, place)
        _refuse_texts("start_pipeline", place, name=name, result=result, next=next)
        takes = parameters if isinstance(parameters, Mapping) else {one: one for one in parameters}
        started = replace(started, takes=tuple(takes.items()), result=result, next=next)
        options = StepOptions(retry=() if retry is None else start_retriers(retry, place))
        step = starting_step(started, name or started.name, place, options)
        caught = caught_routes(catch, place)
        self.registered[step.name] = step, Ways(step.name, next, "$next", next is None, caught)

    def include(
        self,
        pipeline: Any,
        parameters: Mapping[str, str] | Sequence[str] | None = None,
        *,
        name: str | None = None,
        result: str | None = None,
        next: str | None = None,  # noqa: A002  # as of chains
        catch: Mapping[Catch | tuple[Catch, ...] | bool, str] | None = None,
    ) -> None:
        """Register a step that runs the steps of another pipeline, which become part of this one.

        The other pipeline is a flow, or one of calls or tasks. Its parameters are values of the
        state, of any type. Its result, a tuple if several steps are last, is added to the state.

        Args:
            pipeline: The pipeline.
            parameters: Names of values in the state that become its parameters; a dict if the
                parameters have other names: ``{"day": "date"}`` passes ``date`` as ``day``. By
                default each parameter is the value of its own name, and those with a default may be
                missing.
            name: The step's name, the prefix of the names of its steps; by default the pipeline's.
            result: The name under which the result is added to the state; by default the step's
                name, with ``_`` in the place of ``-``.
            next: The next step; without it, this pipeline ends.
            catch: As for :meth:`fn`; the errors are those of the other pipeline's steps.

        Raises:
            BindingError: If the pipeline cannot be part of another one, or has no such parameter.
            OptionError: If an argument has the wrong type.
        """
        place = calling_place()
        _refuse_names(f"include({pipeline!r}, …)", parameters or (), place)
        _refuse_texts("include", place, name=name, result=result, next=next)
        made = included(pipeline, parameters, place, name=name, result=result, next_step=next)
        self._refuse_circle(made, place)
        ways = Ways(made.step.name, next, "$next", next is None, caught_routes(catch, place))
        self.registered[made.step.name] = made.step, replace(ways, optional=made.optional)
        self.inclusions[made.step.name] = made

    def _refuse_circle(self, made: Inclusion, place: Place) -> None:
        """Refuse a pipeline that contains this one.

        Raises:
            CycleError: If it does.
        """
        own = {step.function for step, _ in self.registered.values() if step.has_code}
        for node in made.graph.routed:
            if own.intersection(one.step.function for one in node.visits.values()):
                raise CycleError(
                    f"{node.step.own_name!r} would contain itself: the included pipeline "
                    f"{made.step.name!r} contains it",
                    place=place,
                    remedy="start one of them with start_pipeline(), or lead back to a step of its "
                    "own",
                )

    @property
    def unused_limits(self) -> tuple[UnusedLimit, ...]:
        """The ``timeout_seconds`` of all included pipelines."""
        found = (one for one in self.inclusions.values() if self._is_in_use(one))
        return tuple(limit for one in found for limit in one.unused_limits)

    @property
    def included(self) -> Graph:
        """The nodes of all included pipelines.

        Raises:
            NamingError: If one of their steps has the name of a step of this pipeline.
        """
        found = [one for one in self.inclusions.values() if self._is_in_use(one)]
        graph = Graph(tuple(node for one in found for node in one.graph.nodes))
        for step in graph.steps:
            if step.name in self.registered:
                place = self.registered[step.name][0].place
                raise NamingError(
                    f"step {step.name!r} of an included pipeline has the name of the step at "
                    f"{place}",
                    place=step.place,
                    remedy='include the pipeline under another name: include(…, name="…")',
                )
        return graph

    def _is_in_use(self, one: Inclusion) -> bool:
        """Return whether a step is still registered, and was not replaced."""
        return self.registered.get(one.step.name, (None,))[0] is one.step

    @property
    def routes(self) -> Routes:
        """The steps and their transitions, read from the current source of the functions.

        Raises:
            DefinitionError: If some cannot be read; several errors become one that lists all.
        """
        found: list[Route] = []
        errors: list[RouteError] = []
        for step, ways in self.registered.values():
            route, wrong = route_of(step, ways)
            found += [route] if route is not None else []
            errors += wrong
        raise_errors(
            [
                Finding("routes", one.message, one.place, one.remedy, error=type(one))
                for one in errors
            ]
        )
        takes = {route.step.name for route in found if FAILURE in route.takes}
        caught = [_with_failures(route, takes) for route in found]
        return Routes(self.beginner, tuple(caught), self.max_steps)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a registry of the same functions, to which more can be added independently."""
        other = copy.copy(self)
        other.registered, other.inclusions = dict(self.registered), dict(self.inclusions)
        return other


def _with_failures(route: Route, takes: set[str]) -> Route:
    """Return a route whose transitions after errors pass the failure to the steps that take it."""
    changed = tuple(
        replace(one, updates=(FAILURE,)) if one.errors and one.target in takes else one
        for one in route.transitions
    )
    return replace(route, transitions=changed)


def _values(given: Any) -> Iterable[Any]:
    return given.values() if isinstance(given, Mapping) else ()


def _refuse_names(call: str, parameters: Any, place: Place) -> None:
    _refuse(
        isinstance(parameters, str)
        or not isinstance(parameters, Mapping | Sequence)
        or not all(isinstance(one, str) for one in (*parameters, *_values(parameters))),
        f"{call} requires names of values in the state, got {parameters!r}",
        'write ["day"], or {"day": "date"} for other names',
        place,
    )


def _refuse_texts(method: str, place: Place, **names: Any) -> None:
    for what, given in names.items():
        _refuse(
            given is not None and (not isinstance(given, str) or not given),
            f"{method}({what}={given!r}): {what} must be a name",
            f'write a text, for example {what}="prices"',
            place,
        )


def _refuse(unfit: bool, problem: str, remedy: str, place: Place | None = None) -> None:
    if unfit:
        raise OptionError(problem, place=place or calling_place(), remedy=remedy)


def _refuse_unfit(default_next: Any, next_key: Any, terminates: Any, place: Place) -> None:
    _refuse(
        callable(default_next),
        "@fn is used without brackets",
        "write @pipe.fn()",
        place,
    )
    _refuse(
        default_next is not None and (not isinstance(default_next, str) or not default_next),
        f"default_next must be the name of a step, got {default_next!r}",
        "write the next function's name as a string",
        place,
    )
    _refuse(
        not isinstance(next_key, str) or not next_key,
        f"next_key must be a key, got {next_key!r}",
        'write a string; the default is "$next"',
        place,
    )
    _refuse(
        not isinstance(terminates, bool),
        f"terminates must be True or False, got {terminates!r}",
        "write terminates=True if the pipeline may end with the function",
        place,
    )
