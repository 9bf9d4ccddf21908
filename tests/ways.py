"""The ways to run a pipeline on this computer, as options of ``local_run``."""

from __future__ import annotations

from typing import Any

WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"strict": True},
    {"executor": "sequential"},
    {"executor": "process"},
)
IN_THIS_PROCESS = WAYS[:3]
"""The ways in which a step can change a variable of the test."""
EVERY_WAY = (*WAYS, {"executor": "process", "strict": True})
