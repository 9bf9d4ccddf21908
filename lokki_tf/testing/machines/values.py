"""JSON values: how they are written, and how large AWS counts them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value. Nothing in this package changes one in place, so they are shared, never copied."""

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump(value: Json) -> str:
    """Write a value as compact JSON, the form in which AWS counts its bytes."""
    return _encoder.encode(value)


def size(text: str) -> int:
    """Return the length of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def load(text: str | bytes) -> Json:
    """Read JSON strictly: ``NaN`` and ``Infinity`` are no JSON.

    Raises:
        ValueError: if the text is no JSON.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def is_integer(value: Json) -> bool:
    """Return whether a value is an integer; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Json) -> bool:
    """Return whether a value is a number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def moment_text(moment: datetime) -> str:
    """Write a moment as AWS does in JSON."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
