"""JSON values: how they are written, and how large AWS counts them."""

from __future__ import annotations

import json
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


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
