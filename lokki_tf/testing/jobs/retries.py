"""Whether an attempt that failed is followed by another."""

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
    """Return whether a retry strategy wants another attempt.

    Without a rule that matches, a failure is retried: the rules say for what it is not.

    Args:
        strategy: with ``attempts`` and ``evaluateOnExit``.
        attempt: the number of the attempt that failed, from 1.
        status_reason: why the attempt ended.
        reason: what the container says to that.
        exit_code: how its program ended, if it began.
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
    """Return whether a text is the pattern; a star at its end stands for anything."""
    if pattern.endswith("*"):
        return text.lower().startswith(pattern[:-1].lower())
    return text.lower() == pattern.lower()
