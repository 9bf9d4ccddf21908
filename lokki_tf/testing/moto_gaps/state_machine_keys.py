"""Read the KMS key that encrypts the executions of a state machine."""

from __future__ import annotations

from typing import Any


def key_of(state_machine: Any) -> str | None:
    """Return the ARN of the customer managed key of a state machine, or None.

    Args:
        state_machine: Moto's state machine.
    """
    found = (state_machine.encryptionConfiguration or {}).get("kmsKeyId")
    return None if found is None else str(found)
