"""From a function and its decorator's options to a route."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from lokki_tf.errors import Place, RouteError
from lokki_tf.model import FAILURE, Route, Step, Transition
from lokki_tf.model.sources import tree_of

from .parameters import taken_by
from .returns import Ways, transitions_of
from .scope import Scope

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def route_of(step: Step, ways: Ways) -> tuple[Route | None, list[RouteError]]:
    """Return a step's route.

    Args:
        step: The step.
        ways: Options of its decorator about transitions.

    Returns:
        The route, or ``None`` and the errors that prevent it.
    """
    caught = tuple(Transition(target, step.place, errors=errors) for errors, target in ways.catches)
    if step.starts is not None:
        result = () if step.starts.result is None else (step.starts.result,)
        transition = Transition(step.starts.next, step.place, updates=result)
        takes = {source: True for _, source in step.starts.takes}
        return Route(step, (transition, *caught), takes, terminates=ways.terminates), []
    if step.includes is not None:
        sources = [source for _, source in step.includes.takes]
        takes = {source: source not in ways.optional for source in sources}
        gone = (FAILURE,) if FAILURE in takes else ()
        added = (step.includes.result,)
        transition = Transition(step.includes.next, step.place, removes=gone, updates=added)
        return Route(step, (transition, *caught), takes, terminates=ways.terminates), []
    function: Any = inspect.unwrap(step.function)
    try:
        taken = taken_by(function, step.name, step.place)
        scope = _scope(function, step.name, step.place)
    except RouteError as error:
        return None, [error]
    transitions, errors = transitions_of(scope, step.place, ways)
    if errors:
        return None, errors
    route = Route(
        step,
        (*transitions, *caught),
        takes=taken.named,
        takes_more=taken.more,
        takes_input=taken.run_input,
        terminates=ways.terminates,
        default_next=ways.default_next,
        next_key=ways.next_key,
    )
    return route, []


def _scope(function: FunctionType, step: str, place: Place) -> Scope:
    """Return the names of a function, if its return statements can be read.

    Raises:
        RouteError: If it is a generator, or has no source.
    """
    if function.__code__.co_flags & _GENERATORS:
        raise RouteError(
            f"step {step!r} is a generator, but must return its next step once",
            place=place,
            remedy="collect the yielded values in a list, and return it under a name",
        )
    tree = tree_of(function)
    if tree is None:
        raise RouteError(
            f"the source of step {step!r} cannot be found, from which its next steps are read",
            place=place,
            remedy="define it with def, in a file or a notebook's cell; if the file was changed "
            "since, load it again",
        )
    return Scope(function, tree)
