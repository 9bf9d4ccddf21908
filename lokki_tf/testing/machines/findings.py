"""What is wrong with a definition, and where."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "SCHEMA_VALIDATION_FAILED"
TARGET = "MISSING_TRANSITION_TARGET"
DUPLICATE = "DUPLICATE_STATE_NAME"


@dataclass(frozen=True)
class Finding:
    """One fault of a definition.

    Args:
        code: AWS's code for such faults.
        message: what is wrong.
        location: a path into the definition, such as ``/States/Load/Next``.
    """

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"
