"""What happens to an image, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that an engine said.

    Args:
        text: In its words.
        layer: Which layer it is about, if any.
        done: Bytes of it that are there.
        total: Bytes that it has, if that is known.
    """

    text: str
    layer: str = ""
    done: int = 0
    total: int = 0


OnProgress = Callable[[Progress], None]


def nobody(progress: Progress) -> None:
    """A listener that does not listen."""
