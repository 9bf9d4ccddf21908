"""How a state ends, and what else the runners of all kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lokki_tf.testing.machines.failures import StateFailure
from lokki_tf.testing.machines.frame import StateRun
from lokki_tf.testing.machines.values import Json

DETAILS = {"truncated": False}
"""What every input and output in the history is accompanied by."""


@dataclass(frozen=True)
class Transition:
    """How a state ended.

    Args:
        output: its output.
        following: the name of the next state, or None at the end of the scope.
        assigned: the values of its ``Assign``.
    """

    output: Json
    following: str | None
    assigned: Mapping[str, Json] = field(default_factory=dict)


Runner = Callable[[StateRun], Transition]
"""Runs the states of one kind."""


def describe(failure: StateFailure) -> dict[str, str]:
    """Return the Error Output of a failure, as a ``Catch`` gets it."""
    return {"Error": failure.error, "Cause": failure.cause}
