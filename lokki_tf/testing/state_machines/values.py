"""Read, write and measure JSON values."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value. It must not be changed in place, because states share values without copying."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump(value: Json) -> str:
    """Return a value as compact JSON. AWS measures sizes in this form."""
    return _encoder.encode(value)


def size(text: str) -> int:
    """Return the number of bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def load(text: str | bytes) -> Json:
    """Parse JSON strictly: ``NaN`` and ``Infinity`` are refused.

    Raises:
        ValueError: If the text is not valid JSON.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    return _decoder.decode(text)


def is_integer(value: Json) -> bool:
    """Return whether a value is an integer and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Json) -> bool:
    """Return whether a value is a number and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def timestamp(value: Json) -> datetime | None:
    """Return the time that a text in the profile of ISO 8601 that ASL uses (RFC 3339) contains.

    Returns:
        The time, or None if the value is not such a text.
    """
    if not isinstance(value, str) or not _TIMESTAMP.match(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def moment_text(moment: datetime) -> str:
    """Return a time in the format that AWS uses in JSON."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
