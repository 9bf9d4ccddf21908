"""What the steps of a routed pipeline are handed, and what they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lokki_tf.errors import BindingError, DefaultArgument, MissingArgument
from lokki_tf.model import Finding

if TYPE_CHECKING:
    from lokki_tf.model import Route

    from .passing import Passing

_MISSING = "a required argument is not handed on: "


def missing_arguments(passing: Passing) -> Iterator[Finding]:
    """What a step requires is handed to it on every way.

    Where it is not, a shortest way is told for each argument, unless it is missing on one that
    is told already.
    """
    for route in passing.reached:
        told: set[str] = set()
        for name in passing.missing(route):
            if name in told:
                continue
            history, last, missing = passing.way_without(route, name)
            told.update(missing)
            step = route.step.name
            yield Finding(
                "missing-argument",
                f"{_MISSING}{_set(missing)} : caller history {list(history)} -> {step}",
                last.place,
                f"hand it on there, or give it a default in def {step}(…)",
                error=BindingError,
            )


def unexpected_arguments(passing: Passing) -> Iterator[Finding]:
    """A step without ``**kwargs`` is handed nothing but what it takes."""
    for route in passing.reached:
        for before, transition, names in passing.strange(route):
            listed = ", ".join(map(repr, names))
            yield Finding(
                "unexpected-argument",
                f"step {before!r} hands on {listed}, and step {route.step.name!r} takes neither "
                "that nor **kwargs",
                transition.place,
                f"add **kwargs to def {route.step.name}(…), or take it out of what goes on",
                error=BindingError,
            )
            break  # one way tells enough


def default_arguments(passing: Passing) -> Iterator[Finding]:
    """An argument with a default is handed on somewhere; the first step's come from the run."""
    for route in passing.reached:
        names = () if route.step.name == passing.start else _optional(passing, route)
        if names:
            yield Finding(
                "default-argument",
                f"{_set(names)} of step {route.step.name!r} is never handed on: it always has "
                "its default",
                route.step.place,
                "hand it on, or make it a constant",
                severity="warning",
            )


def as_warnings(findings: Iterable[Finding]) -> list[tuple[str, type[Warning]]]:
    """Findings as messages and categories for :func:`warnings.showwarning`.

    Args:
        findings: Of any rule.
    """
    categories = {"missing-argument": MissingArgument, "default-argument": DefaultArgument}
    return [
        (one.message.removeprefix(_MISSING), categories.get(one.rule, UserWarning))
        for one in findings
    ]


def _optional(passing: Passing, route: Route) -> tuple[str, ...]:
    return tuple(name for name in passing.never_handed(route) if not route.takes[name])


def _set(names: Iterable[str]) -> str:
    """A set as Python writes it, its members in order."""
    return f"{{{', '.join(map(repr, sorted(names)))}}}"
