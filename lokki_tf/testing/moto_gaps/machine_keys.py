"""The keys of KMS that encrypt executions."""

from __future__ import annotations

from typing import Any


def key_of(machine: Any) -> str | None:
    """Return the ARN of the user's key that encrypts a state machine's executions.

    Args:
        machine: moto's state machine.
    """
    found = (machine.encryptionConfiguration or {}).get("kmsKeyId")
    return None if found is None else str(found)
