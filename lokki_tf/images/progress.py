"""Progress messages of the container engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A message of an engine.

    Args:
        text: Its text.
        layer: Id of the layer that it is about, if any.
        done: Transferred bytes of the layer.
        total: Size of the layer in bytes, if known.
    """

    text: str
    layer: str = ""
    done: int = 0
    total: int = 0


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """A listener that ignores messages."""
