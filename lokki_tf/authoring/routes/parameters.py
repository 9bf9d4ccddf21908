"""The parameters of a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lokki_tf.errors import Place, RouteError
from lokki_tf.model import ORIGINAL_INPUT
from lokki_tf.model.signatures import signature_of


@dataclass(frozen=True, slots=True)
class Taken:
    """The parameters of a step.

    Args:
        named: Their names, each with whether it is required.
        more: Whether it accepts any other argument.
        run_input: Whether it receives the run's input.
    """

    named: Mapping[str, bool]
    more: bool
    run_input: bool


def taken_by(function: Callable[..., Any], step: str, place: Place) -> Taken:
    """Return the parameters of a function.

    Args:
        function: The function.
        step: The step's name, for the error.
        place: Source location of the step.

    Raises:
        RouteError: If a parameter is positional-only.
    """
    named: dict[str, bool] = {}
    more = False
    for name, one in signature_of(function).parameters.items():
        if one.kind is one.POSITIONAL_ONLY:
            raise RouteError(
                f"the parameter {name!r} of step {step!r} is positional-only, but steps of a "
                "routed pipeline receive their arguments by name",
                place=place,
                remedy=f"remove the / from its signature: def {function.__name__}(*, {name}, …)",
            )
        more = more or one.kind is one.VAR_KEYWORD
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            named[name] = one.default is one.empty
    run_input = named.pop(ORIGINAL_INPUT, None) is not None
    return Taken(MappingProxyType(named), more, run_input)
