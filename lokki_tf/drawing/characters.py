"""Text in pictures: how wide it is, what fits, and how XML takes it."""

from __future__ import annotations

import re
import unicodedata
from xml.sax.saxutils import escape

CHARACTER = 7.3  # width in a monospaced font of size 12, rounded up
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def columns(text: str) -> int:
    """How many characters' places the text takes in a monospaced font."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0  # stands on the character before it
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, most: int) -> str:
    """The text, or its beginning and ``…`` where it takes more places than that.

    Args:
        text: Any text.
        most: Most places, at least 1.
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
    """The text, with a mark for every character that no file of text may hold."""
    return _UNWRITABLE.sub("\ufffd", text)


def markup(text: str) -> str:
    """The text as XML has it between tags."""
    return escape(writable(text))


def number(value: float) -> str:
    """A number, precise enough for a picture."""
    return f"{value:.1f}".removesuffix(".0")
