"""Points in time as RFC 3339 texts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime


def moment(text: str) -> datetime:
    """Return the time of an RFC 3339 text in UTC.

    Args:
        text: With ``Z`` or an offset.
    """
    from datetime import datetime, timezone

    utc = timezone.utc  # noqa: UP017  # Python 3.9
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(utc)
