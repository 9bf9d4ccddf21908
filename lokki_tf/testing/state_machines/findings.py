"""The type of an error in a state machine definition."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "SCHEMA_VALIDATION_FAILED"
TARGET = "MISSING_TRANSITION_TARGET"
DUPLICATE = "DUPLICATE_STATE_NAME"


@dataclass(frozen=True)
class Finding:
    """An error in a state machine definition.

    Args:
        code: The AWS code of the error, such as ``SCHEMA_VALIDATION_FAILED``.
        message: A description of the error.
        location: The path of the field in the definition, such as ``/States/Load/Next``.
    """

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"
