"""Parameters of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lokki_tf.errors import Place


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()
"""The default of a flow parameter that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class FlowParameter:
    """A parameter of a run.

    Args:
        name: Its name.
        kind: The required type of a value; ``Any`` allows all.
        default: Its value if none is given, or ``REQUIRED``.
        place: Source location of its declaration.
    """

    name: str
    kind: Any
    default: Any = REQUIRED
    place: Place | None = None
