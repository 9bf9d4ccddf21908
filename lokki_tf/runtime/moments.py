"""Points in time as RFC 3339 texts."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

EXAMPLE = "2030-01-31T09:00:00Z"
PAST = "1970-01-01T00:00:00Z"
_RFC_3339 = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)"
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
        ValueError: If the text has another form, it has no zone, or is more than a year away.
    """
    from datetime import datetime, timedelta, timezone

    utc = timezone.utc  # noqa: UP017  # Python 3.9
    if isinstance(value, str):
        # A Wait state accepts no other form of ISO 8601, and Python accepts several.
        match = re.fullmatch(_RFC_3339, value)
        if match is None:
            raise ValueError(f"{value!r} is not a time in RFC 3339, such as {EXAMPLE!r}")
        seconds, fraction, zone = match.groups(default="")
        value = moment(f"{seconds}.{fraction[:6]:0<6}{zone}")
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
