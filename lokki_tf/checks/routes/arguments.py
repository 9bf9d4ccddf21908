"""Rules about the arguments that steps of a routed pipeline receive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lokki_tf.errors import BindingError, DefaultArgument, MissingArgument
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from lokki_tf.model import Route

    from .passing import Passing

_MISSING = "a required argument is not passed: "


def missing_arguments(passing: Passing) -> Iterator[Finding]:
    """Check that a step receives its required arguments on every path.

    For each missing argument a shortest path is reported, unless it is also missing on a path that
    is already reported.
    """
    for route in passing.reached:
        reported: set[str] = set()
        for name in passing.missing(route):
            if name in reported:
                continue
            history, last, missing = passing.way_without(route, name)
            reported.update(missing)
            step = route.name
            yield Finding(
                "missing-argument",
                f"{_MISSING}{_set(missing)} : caller history {list(history)} -> {step}",
                last.place,
                f"pass it there, or give it a default in def {step}(…)"
                if route.step.has_code
                else "pass it there, or name another value in parameters=",
                error=BindingError,
            )


def unexpected_arguments(passing: Passing) -> Iterator[Finding]:
    """Check that a step without ``**kwargs`` receives no argument without a parameter."""
    for route in passing.reached:
        for before, transition, names in passing.unexpected(route):
            listed = ", ".join(map(repr, names))
            yield Finding(
                "unexpected-argument",
                f"step {before!r} passes {listed}, but step {route.name!r} has no such "
                "parameter and no **kwargs",
                transition.place,
                f"add **kwargs to def {route.name}(…), or remove it from the state",
                error=BindingError,
            )
            break  # one transition is enough


def default_arguments(passing: Passing) -> Iterator[Finding]:
    """Check that an argument with a default is passed on some path, except to the first step."""
    for route in passing.reached:
        apart = route.name == passing.start or route.step.includes is not None
        names = () if apart else _optional(passing, route)
        if names:
            yield Finding(
                "default-argument",
                f"{_set(names)} of step {route.name!r} is never passed: it always has its default",
                route.step.place,
                "pass it, or make it a constant",
                severity="warning",
            )


def as_warnings(findings: Iterable[Finding]) -> list[tuple[str, type[Warning]]]:
    """Convert findings to messages and categories for :func:`warnings.showwarning`.

    Args:
        findings: Findings of any rule.
    """
    categories = {"missing-argument": MissingArgument, "default-argument": DefaultArgument}
    return [
        (one.message.removeprefix(_MISSING), categories.get(one.rule, UserWarning))
        for one in findings
    ]


def _optional(passing: Passing, route: Route) -> tuple[str, ...]:
    return tuple(name for name in passing.never_passed(route) if not route.takes[name])


def _set(names: Iterable[str]) -> str:
    """Format a set as Python does, with sorted members."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"
