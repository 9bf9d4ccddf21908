"""The AWS service quotas that apply to definitions and executions, and the payload check."""

from __future__ import annotations

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.values import size

PAYLOAD_BYTES = 262_144
"""Maximum size of a state's input, result or output."""
VARIABLE_BYTES = 262_144
"""Maximum size of one variable, and of all variables that one ``Assign`` sets."""
VARIABLES_BYTES = 10 * 1024 * 1024
"""Maximum total size of an execution's variables at any time."""
HISTORY_EVENTS = 25_000
"""Maximum number of events of an execution, including the one that records its end."""
DEFINITION_BYTES = 1_048_576
STATE_NAME_CHARACTERS = 80
VARIABLE_NAME_CHARACTERS = 80
MAP_LABEL_CHARACTERS = 40
INLINE_MAP_CONCURRENCY = 40
EXPRESS_SECONDS = 300
"""Maximum duration of an Express execution."""

DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"


def check_payload(text: str, state: str, *, catchable: bool = False) -> None:
    """Raise a failure if a payload exceeds the quota.

    Args:
        text: The JSON of the payload.
        state: The name of the state, for the failure's cause.
        catchable: Whether ``Catch`` applies to the failure, as it does for a task's result.

    Raises:
        StateFailure: If the payload is too large.
    """
    if size(text) > PAYLOAD_BYTES:
        raise StateFailure(
            DATA_LIMIT_EXCEEDED,
            f"The state/task '{state}' returned a result with a size exceeding "
            "the maximum number of bytes service limit.",
            terminal=not catchable,
        )
