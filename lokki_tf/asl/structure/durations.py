"""How long nodes may take: what was stated, and a spread of guesses for what was not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import exp
from statistics import NormalDist
from typing import TypeAlias

Times: TypeAlias = tuple[int, ...]
"""A time in milliseconds for each of the cases that are looked at together.

Integers, so that equal times compare as equal and every machine gets the same result.
"""

_SECOND = 1000


def cases(names: Sequence[str], seconds: Mapping[str, float], count: int) -> list[Times]:
    """Durations of each node: as stated, or else guesses around one second.

    One guess for all nodes would hide what a barrier costs: where all take equally long,
    waiting for a whole generation is free. So each is guessed anew in each of the cases.

    Args:
        names: The nodes.
        seconds: Stated durations; a node that is missing is guessed.
        count: How many cases; a single one when nothing is left to guess.
    """
    if all(name in seconds for name in names):
        return [(_milliseconds(seconds[name]),) for name in names]
    guesses = _guesses(count)
    # Only `random()` itself promises the same numbers in every version of Python.
    dice = random.Random(0)
    drawn = [tuple(sorted(guesses, key=lambda _: dice.random())) for _ in names]
    return [
        (_milliseconds(seconds[name]),) * count if name in seconds else guess
        for name, guess in zip(names, drawn, strict=True)
    ]


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * _SECOND))


def _guesses(count: int) -> list[int]:
    """Durations that are equally likely under a lognormal law with sigma 1, of mean one second."""
    normal = NormalDist()
    raw = [exp(normal.inv_cdf((i + 0.5) / count)) for i in range(count)]
    return [round(_SECOND * value * count / sum(raw)) for value in raw]
