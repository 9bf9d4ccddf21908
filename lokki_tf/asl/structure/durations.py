"""Durations of nodes: stated ones, and a spread of estimates for the others."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import exp
from statistics import NormalDist
from typing import TypeAlias

Times: TypeAlias = tuple[int, ...]
"""A time in milliseconds for each of the cases that are compared together.

Integers, so that equal times compare as equal and every computer gets the same result.
"""

_SECOND = 1000


def cases(names: Sequence[str], seconds: Mapping[str, float], count: int) -> list[Times]:
    """Return durations of each node: the stated one, else estimates around one second.

    The same estimate for all nodes would hide the cost of a barrier: if all take equally long,
    waiting for a whole generation costs nothing. Each node therefore has another estimate in each
    case.

    Args:
        names: The nodes.
        seconds: Stated durations; a missing node is estimated.
        count: Number of cases; one is enough if no node is estimated.
    """
    if all(name in seconds for name in names):
        return [(_milliseconds(seconds[name]),) for name in names]
    guesses = _guesses(count)
    # Only `random()` itself is guaranteed to return the same numbers in every version of Python.
    dice = random.Random(0)
    drawn = [tuple(sorted(guesses, key=lambda _: dice.random())) for _ in names]
    return [
        (_milliseconds(seconds[name]),) * count if name in seconds else guess
        for name, guess in zip(names, drawn, strict=True)
    ]


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * _SECOND))


def _guesses(count: int) -> list[int]:
    """Return equally likely durations, lognormal with sigma 1 and a mean of one second."""
    normal = NormalDist()
    raw = [exp(normal.inv_cdf((i + 0.5) / count)) for i in range(count)]
    return [round(_SECOND * value * count / sum(raw)) for value in raw]
