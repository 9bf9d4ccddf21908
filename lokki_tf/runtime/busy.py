"""What runs do while as many as ``max_concurrent_runs=`` allows are going on, here and in AWS."""

from __future__ import annotations

CHECK = "Check for other runs"
"""The name of the state that takes a slot."""
LONGEST_WAIT = 24 * 3600
"""Seconds for which a run waits for a slot."""
FOLDER = "locks"
"""The folder of the slots' objects in the bucket."""
_SHOWN = 5  # runs that a message names


class AlreadyRunning(Exception):
    """As many runs as ``max_concurrent_runs=`` allows are going on."""


def busy_text(pipeline: str, holders: list[str]) -> str:
    """Return the message of :class:`AlreadyRunning`.

    Args:
        pipeline: The pipeline's name.
        holders: The runs that are going on.
    """
    if len(holders) == 1:
        return f"another run of {pipeline!r} is going on: {holders[0]}"
    more = f" and {len(holders) - _SHOWN} more" if len(holders) > _SHOWN else ""
    return f"{len(holders)} runs of {pipeline!r} are going on: {', '.join(holders[:_SHOWN])}{more}"
