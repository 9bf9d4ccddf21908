"""Decide whether a failed attempt of a job is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_retried(
    strategy: Mapping[str, Any],
    attempt: int,
    *,
    status_reason: str,
    reason: str,
    exit_code: int | None,
) -> bool:
    """Return whether a retry strategy allows another attempt.

    If no rule in ``evaluateOnExit`` matches, the attempt is repeated.

    Args:
        strategy: A dict with ``attempts`` and ``evaluateOnExit``.
        attempt: The number of the failed attempt, from 1.
        status_reason: The reason why the attempt ended.
        reason: Details about an error of the container.
        exit_code: The exit code of the program; None if it did not start.
    """
    if attempt >= strategy["attempts"]:
        return False
    found = {
        "onStatusReason": status_reason,
        "onReason": reason,
        "onExitCode": "" if exit_code is None else str(exit_code),
    }
    for rule in strategy["evaluateOnExit"]:
        if all(_matches(rule[key], value) for key, value in found.items() if rule.get(key)):
            return bool(rule["action"].upper() == "RETRY")
    return True


def _matches(pattern: str, text: str) -> bool:
    """Return whether a text matches a pattern, which may end in ``*``. Case is ignored."""
    if pattern.endswith("*"):
        return text.lower().startswith(pattern[:-1].lower())
    return text.lower() == pattern.lower()
