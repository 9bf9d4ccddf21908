"""Conditions of steps, which are called with some of the step's arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

WHEN = "lokki_when"  # the attribute of a step's function that contains its condition


def is_met(
    condition: Callable[..., Any],
    taken: Mapping[str, Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> bool:
    """Return whether the condition is true for a call's arguments.

    Args:
        condition: The step's ``when``.
        taken: Its arguments: ``args`` by position, ``kwargs`` by name, each the position or the
            name of one of the call's arguments.
        args: The call's arguments by position.
        kwargs: The call's arguments by name.
    """

    def value(source: int | str) -> Any:
        return kwargs[source] if isinstance(source, str) else args[source]

    named = {name: value(source) for name, source in taken.get("kwargs", {}).items()}
    return bool(condition(*map(value, taken.get("args", ())), **named))
