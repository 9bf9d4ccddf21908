"""Text in pictures: width in columns, shortening, and escaping for XML."""

from __future__ import annotations

import re
import unicodedata
from html import escape

CHARACTER = 7.3  # width in a monospaced font of size 12, rounded up
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def columns(text: str) -> int:
    """Return the number of columns that the text takes in a monospaced font."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0  # combines with the character before it
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, most: int) -> str:
    """Shorten a text to a number of columns; ``…`` replaces what is left out.

    Args:
        text: Any text.
        most: The largest number of columns, at least 1.
    """
    if columns(text) <= most:
        return text
    left = most - 1
    for index, character in enumerate(text):
        left -= _columns(character)
        if left < 0:
            return text[:index] + "…"
    return text


def writable(text: str) -> str:
    """Replace each character that XML 1.0 does not allow with ``U+FFFD``."""
    return _UNWRITABLE.sub("\ufffd", text)


def markup(text: str) -> str:
    """Escape a text for use between XML tags."""
    return escape(writable(text), quote=False)


def number(value: float) -> str:
    """Format a coordinate or length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
