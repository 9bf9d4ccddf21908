"""The functions of a routed pipeline, as a decorator collects them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from lokki_tf.errors import OptionError, Place, RouteError
from lokki_tf.model import Finding, Route, Routes, Step, raise_errors
from lokki_tf.tracebacks import ends_at_caller

from ..places import calling_place
from ..step import make_step
from .properties import options_of
from .returns import Ways
from .route import route_of

F = TypeVar("F", bound=Callable[..., Any])


@ends_at_caller
class Registry:
    """Functions that lead from one to the next.

    Args:
        beginner: Name of the first one; it may be registered later.
        max_steps: Most steps in one run.

    Raises:
        OptionError: If one has the wrong type.
    """

    def __init__(self, beginner: str, *, max_steps: int = 25) -> None:
        _refuse(
            not isinstance(beginner, str) or not beginner,
            f"beginner={beginner!r} is no name of a step",
            'write the first function\'s name as a string: beginner="start"',
        )
        _refuse(
            not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1,
            f"max_steps={max_steps!r} is no number of steps",
            "write a whole number of at least 1",
        )
        self.beginner = beginner
        self.max_steps = max_steps
        self._registered: dict[str, tuple[Step, Ways]] = {}

    def fn(
        self,
        default_next: str | None = None,
        next_key: str = "$next",
        terminates: bool = False,
        template_props: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Callable[[F], F]:
        """Makes a function a step; one of the same name is replaced.

        Args:
            default_next: The step that comes where the function names none.
            next_key: The key of a returned dict that names the next step.
            terminates: Whether the pipeline may end with it.
            template_props: How it runs, in CloudFormation's words.
            options: How it runs, in those of ``@step``.

        Returns:
            A decorator, which gives back the function as it is.

        Raises:
            OptionError: If an option is unknown or has the wrong type.
        """
        place = calling_place()
        _refuse_unfit(default_next, next_key, terminates, place)
        all_options = options_of(template_props, options, place)

        @ends_at_caller
        def register(function: F) -> F:
            step = make_step(function, None, all_options)
            ways = Ways(step.name, default_next, next_key, terminates)
            self._registered[step.name] = step, ways
            return function

        return register

    @property
    def routes(self) -> Routes:
        """The steps and their ways on, read from the source of the functions as they are now.

        Raises:
            DefinitionError: If some cannot be read; of several errors, one that lists all.
        """
        found: list[Route] = []
        errors: list[RouteError] = []
        for step, ways in self._registered.values():
            route, wrong = route_of(step, ways)
            found += [route] if route is not None else []
            errors += wrong
        raise_errors(
            [
                Finding("routes", one.message, one.place, one.remedy, error=type(one))
                for one in errors
            ]
        )
        return Routes(self.beginner, tuple(found), self.max_steps)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Another registry of the same functions, which takes more without changing this one."""
        other = copy.copy(self)
        other._registered = dict(self._registered)
        return other


def _refuse(unfit: bool, problem: str, remedy: str, place: Place | None = None) -> None:
    if unfit:
        raise OptionError(problem, place=place or calling_place(), remedy=remedy)


def _refuse_unfit(default_next: Any, next_key: Any, terminates: Any, place: Place) -> None:
    _refuse(
        callable(default_next),
        "@fn stands on a function without being called",
        "write it with brackets: @pipe.fn()",
        place,
    )
    _refuse(
        default_next is not None and (not isinstance(default_next, str) or not default_next),
        f"default_next={default_next!r} is no name of a step",
        "write the next function's name as a string",
        place,
    )
    _refuse(
        not isinstance(next_key, str) or not next_key,
        f"next_key={next_key!r} is no key",
        'write a string; it is "$next" unless given',
        place,
    )
    _refuse(
        not isinstance(terminates, bool),
        f"terminates={terminates!r} is neither True nor False",
        "write terminates=True where the pipeline may end with the function",
        place,
    )
