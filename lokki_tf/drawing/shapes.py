"""What is drawn for a routed pipeline: shapes, and arrows between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

START = " start"
"""The id of what starts runs; no step's name begins with a space."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A step, a test on which a step's next step depends, or a wait before a step.

    Args:
        id: Unique in the picture; for a step, its name.
        label: Its text.
        kind: ``step``, ``test`` or ``wait``; ``start`` for what starts runs.
        colour: Colour of a test, ``#rrggbb``; tests of the same return statement share it.
        ends: Whether the pipeline may end with the step.
        is_error: Whether a test stands for errors of a step.
    """

    id: str
    label: str
    kind: OneOf["step", "test", "wait", "start"]
    colour: str = ""
    ends: bool = False
    is_error: bool = False

    @property
    def lines(self) -> list[str]:
        """The lines of its text; what starts runs has several, and an included pipeline."""
        return self.label.split("\n") if self.kind in ("start", "step") else [self.label]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A transition.

    Args:
        before: Id of the shape that it leaves.
        after: Id of the shape that it enters.
        dashed: Whether it is taken if the test fails.
    """

    before: str
    after: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes, steps first, and arrows, those that leave steps first."""

    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]
