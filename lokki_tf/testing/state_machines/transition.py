"""The result of running a state, and what the modules that run states share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lokki_tf.testing.state_machines.failures import TIMEOUT, StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.values import Json


@dataclass(frozen=True)
class Transition:
    """The result of a state that has succeeded or whose error was caught.

    Args:
        output: The state's output.
        following: The name of the next state, or None at the end of the scope.
        assigned: The variables that ``Assign`` sets, with their values.
    """

    output: Json
    following: str | None
    assigned: Mapping[str, Json] = field(default_factory=dict)


Runner = Callable[[StateRun], Transition]
"""Runs a state of one type, such as ``Choice``."""


def describe(failure: StateFailure) -> dict[str, Json]:
    """Return the error output of a failure, the input of a catcher's next state.

    A timeout has an empty cause; other causes and errors that are absent are null, as AWS answers,
    observed.
    """
    empty = "" if failure.error == TIMEOUT else None
    return {"Error": failure.error, "Cause": empty if failure.cause is None else failure.cause}
