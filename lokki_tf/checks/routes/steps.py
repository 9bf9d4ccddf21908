"""Rules about which steps of a routed pipeline lead to which."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from lokki_tf.errors import DefinitionError, NamingError
from lokki_tf.model import Finding

from .passing import Passing

if TYPE_CHECKING:
    from lokki_tf.errors import Place
    from lokki_tf.model import Route, Routes

_LISTED = 10


def no_start(routes: Routes, start: str) -> Iterator[Finding]:
    """Check that the step that a run starts with exists."""
    for name in dict.fromkeys((routes.start, start)):
        if name not in routes.by_name:
            yield Finding(
                "no-start",
                f"a run starts with step {name!r}, which does not exist",
                None,
                _instead(name, routes),
                error=NamingError,
            )


def no_such_step(routes: Routes) -> Iterator[Finding]:
    """Check that each next step exists."""
    for route in routes.routes:
        name = route.name
        unknown: dict[tuple[str, Place], None] = {}
        for one in route.transitions:
            if one.target is not None and one.target not in routes.by_name:
                unknown[one.target, one.place] = None
        default, reported = route.default_next, {target for target, _ in unknown}
        if default is not None and default not in routes.by_name and default not in reported:
            unknown[default, route.step.place] = None
        for target, place in unknown:
            yield Finding(
                "no-such-step",
                f"step {name!r} leads to step {target!r}, which does not exist",
                place,
                _instead(target, routes),
                error=NamingError,
            )


def no_end(passing: Passing) -> Iterator[Finding]:
    """Check that each step can lead to one with which the pipeline may end.

    Of several steps that cannot, only the first on a path is reported.
    """
    reached = {route.name: route for route in passing.reached}
    before: dict[str, list[str]] = {name: [] for name in reached}
    for name, route in reached.items():
        for one in route.transitions:
            if one.target in before:
                before[one.target].append(name)
    ending = [name for name, route in reached.items() if _ends(route, passing.routes)]
    alive = set(ending)
    while ending:
        for name in before[ending.pop()]:
            if name not in alive:
                alive.add(name)
                ending.append(name)
    for name, route in reached.items():
        if name not in alive and (name == passing.start or alive.intersection(before[name])):
            yield Finding(
                "no-end",
                f"a run that reaches step {name!r} cannot end: it leads to no step that terminates",
                route.step.place,
                "give a step after it terminates=True, and a return statement without a next step",
                error=DefinitionError,
            )


def unreachable(passing: Passing) -> Iterator[Finding]:
    """Check that each step can be reached."""
    routes = passing.routes
    reached = {route.name for route in passing.reached}
    if routes.start != passing.start and routes.start in routes.by_name:
        reached |= {route.name for route in Passing(routes, routes.start).reached}
    for route in routes.routes:
        if route.name not in reached:
            yield Finding(
                "unreachable",
                f"no step leads to step {route.name!r}, and no run starts with it",
                route.step.place,
                "return it as the next step somewhere, or remove it",
                severity="warning",
            )


def _ends(route: Route, routes: Routes) -> bool:
    """Return whether a run may end with a step, even if only by an error.

    A next step that does not exist is reported by another rule, and counts as an end here.
    """
    targets = [one.target for one in route.transitions]
    return not targets or any(one not in routes.by_name for one in targets)


def _instead(name: str, routes: Routes) -> str:
    near = get_close_matches(name, routes.by_name, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    listed = [repr(known) for known in list(routes.by_name)[:_LISTED]]
    listed += ["…"] if len(routes.by_name) > _LISTED else []
    return f"there are {', '.join(listed) or 'none'}"
