"""Whether a step is to run: its condition, asked with some of its arguments."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

WHEN = "lokki_when"  # the attribute under which a step's function holds its condition


def holds(
    condition: Callable[..., Any],
    taken: tuple[Sequence[int | str], Mapping[str, int | str]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> bool:
    """Whether the condition is true of a call's arguments.

    Args:
        condition: The step's ``when``.
        taken: What it takes by position and by name: positions among ``args``, and names.
        args: The call's arguments by position.
        kwargs: The call's arguments by name.
    """

    def value(source: int | str) -> Any:
        return kwargs[source] if isinstance(source, str) else args[source]

    positional, named = taken
    return bool(
        condition(*map(value, positional), **{name: value(one) for name, one in named.items()})
    )
