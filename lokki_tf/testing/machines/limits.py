"""The service quotas that an execution can run into, and their checks."""

from __future__ import annotations

from lokki_tf.testing.machines.failures import StateFailure
from lokki_tf.testing.machines.values import size

PAYLOAD_BYTES = 262_144
"""A state's input, result or output."""
VARIABLE_BYTES = 262_144
"""One variable, and all that one ``Assign`` sets together."""
VARIABLES_BYTES = 10 * 1024 * 1024
"""All variables that an execution holds at a time."""
HISTORY_EVENTS = 25_000
"""Events of an execution; the last of them says how it has ended."""
DEFINITION_BYTES = 1_048_576
STATE_NAME_CHARACTERS = 80
VARIABLE_NAME_CHARACTERS = 80
MAP_LABEL_CHARACTERS = 40
INLINE_MAP_CONCURRENCY = 40

DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"


def check_payload(text: str, state: str, *, catchable: bool = False) -> None:
    """Fail the state if the text is larger than a payload may be.

    Args:
        text: the JSON of the payload.
        state: the name of the state, for the cause.
        catchable: whether a ``Catch`` that names the error can take it, as for a task's result.

    Raises:
        StateFailure: if it is too large.
    """
    if size(text) > PAYLOAD_BYTES:
        raise StateFailure(
            DATA_LIMIT_EXCEEDED,
            f"The state/task '{state}' returned a result with a size exceeding "
            "the maximum number of bytes service limit.",
            terminal=not catchable,
        )
