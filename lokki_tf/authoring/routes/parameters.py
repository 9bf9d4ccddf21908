"""What a step takes."""

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
    """The arguments of a step.

    Args:
        named: Each by name, with whether it must be given.
        more: Whether it takes any other as well.
        run_input: Whether it takes the run's input.
    """

    named: Mapping[str, bool]
    more: bool
    run_input: bool


def taken_by(function: Callable[..., Any], step: str, place: Place) -> Taken:
    """What a function takes.

    Args:
        function: The function.
        step: The step's name, for the error.
        place: Where it stands.

    Raises:
        RouteError: If one of its arguments has no name.
    """
    named: dict[str, bool] = {}
    more = False
    for name, one in signature_of(function).parameters.items():
        if one.kind is one.POSITIONAL_ONLY:
            raise RouteError(
                f"step {step!r} takes {name!r} by position alone, and a step of a routed "
                "pipeline is handed its arguments by name",
                place=place,
                remedy=f"leave out the / of its signature: def {function.__name__}(*, {name}, …)",
            )
        more = more or one.kind is one.VAR_KEYWORD
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            named[name] = one.default is one.empty
    run_input = named.pop(ORIGINAL_INPUT, None) is not None
    return Taken(MappingProxyType(named), more, run_input)
