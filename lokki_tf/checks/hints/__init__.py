"""Annotations of steps, and which of them cannot go together.

``functions`` reads them, ``shapes`` says which classes a value may have, ``fitting`` compares
two of them, ``sources`` finds where an argument comes from, ``uses`` looks at every argument of
a graph. Each rather has no opinion than a wrong one, and none raises, whatever is annotated.
"""

from .fitting import contradicts
from .functions import annotations_of
from .uses import Contradiction, NoItems, contradictions, without_items

__all__ = [
    "Contradiction",
    "NoItems",
    "annotations_of",
    "contradictions",
    "contradicts",
    "without_items",
]
