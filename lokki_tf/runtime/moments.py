"""Points in time as RFC 3339 texts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

PAST = "1970-01-01T00:00:00Z"
_YEAR = 366  # days; an execution ends after a year


def moment(text: str) -> datetime:
    """Return the time of an RFC 3339 text in UTC.

    Args:
        text: With ``Z`` or an offset.

    Raises:
        ValueError: If it is another text, or has no offset.
    """
    from datetime import datetime, timezone

    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} is a time without an offset from UTC")
    return found.astimezone(timezone.utc)  # noqa: UP017  # Python 3.9


def instant(value: Any) -> str:
    """Return a time as a text that a Wait state accepts, in whole seconds and not earlier.

    Args:
        value: An aware datetime, or an RFC 3339 text.

    Raises:
        TypeError: If it is something else.
        ValueError: If it has no zone, or is more than a year away.
    """
    from datetime import datetime, timedelta, timezone

    utc = timezone.utc  # noqa: UP017  # Python 3.9
    if isinstance(value, str):
        value = moment(value)
    if not isinstance(value, datetime):
        raise TypeError(
            "a wait requires an aware datetime, or its text in RFC 3339, got "
            f"{type(value).__name__}"
        )
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no zone")
    value = value.astimezone(utc)
    if value - datetime.now(utc) > timedelta(days=_YEAR):
        raise ValueError(f"{value} is more than a year away, when executions end")
    whole = value.replace(microsecond=0)
    return f"{whole + timedelta(seconds=whole < value):%Y-%m-%dT%H:%M:%SZ}"


def seconds_until(text: str) -> float:
    """Return the seconds until a time, 0 if it is past.

    Args:
        text: RFC 3339.
    """
    import time

    return max(0.0, moment(text).timestamp() - time.time())
