"""What can answer a step with ``callback=True``: JSON of a limited size, or an error."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LARGEST_ANSWER = 262_144
"""Bytes of an answer (Step Functions API Reference, "SendTaskSuccess")."""
LOCAL = "local/"
"""How the tokens of local runs begin."""
CAUSE_LENGTH = 32_768
"""Characters of an error's text (the same, "SendTaskFailure")."""
_ERROR_LENGTH = 256


def answer_text(value: Any) -> str:
    """Return an answer as JSON.

    Args:
        value: The answer.

    Raises:
        TypeError: If JSON cannot contain it.
        ValueError: If it has more bytes than Step Functions accepts.
    """
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"an answer must be JSON: {error}") from None
    if size > LARGEST_ANSWER:
        raise ValueError(
            f"an answer may have {LARGEST_ANSWER:,} bytes as JSON, and this one has {size:,}: "
            "store it, and answer where it is"
        )
    return text


def answered(given: Any, context: Callable[[], Any]) -> Any:
    """Return an answer as AWS passes it on.

    Args:
        given: The answer, an exception to raise, or a function that returns the answer.
        context: Returns what the function receives.

    Raises:
        Exception: If the step is refused, or the answer is not JSON.
    """
    if isinstance(given, BaseException) or (
        isinstance(given, type) and issubclass(given, BaseException)
    ):
        raise given
    return json.loads(answer_text(given(context()) if callable(given) else given))


def check_error(error: Any, message: Any) -> None:
    """Raise an error unless a name and a text can refuse a step.

    Args:
        error: Name of the error.
        message: The error's text.

    Raises:
        TypeError: If they are not strings.
        ValueError: If the name is empty or too long.
    """
    if not isinstance(error, str) or not isinstance(message, str):
        raise TypeError("an error and its message must be strings")
    if not error or len(error) > _ERROR_LENGTH:
        raise ValueError(f"the name of an error has 1 to {_ERROR_LENGTH} characters")
