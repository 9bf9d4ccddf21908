"""Annotations of steps, and contradictions between them.

``functions`` reads them, ``shapes`` lists the classes that a value may have, ``fitting`` compares
two of them, ``sources`` finds where an argument comes from, ``uses`` checks every argument of a
graph. If a contradiction is not certain, none is reported. No annotation makes them raise an error.
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
