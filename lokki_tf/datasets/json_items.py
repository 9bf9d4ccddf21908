"""The items of JSON files, read one after another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from .failures import DatasetError

_ITEM_BYTES = 8 * 1024 * 1024
_AFTER = (*" \t\r\n,:]}",)
_SPACE = re.compile(r"[ \t\r\n]*")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def lines_of(lines: Iterable[str]) -> Iterator[Any]:
    """Yield the value of each line; lines of spaces are left out.

    Args:
        lines: The lines.

    Raises:
        DatasetError: If a line is not JSON, or is too long.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(line) > _ITEM_BYTES:
            raise DatasetError(f"line {number:,} has more than {_ITEM_BYTES:,} bytes")
        try:
            yield _decoder.decode(line.strip())
        except ValueError as error:
            raise DatasetError(f"line {number:,} is not JSON: {error}") from None


def items_in(chunks: Iterable[str]) -> Iterator[Any]:
    """Yield the items of a JSON array; of an object, each entry with its ``Key`` and ``Value``.

    Args:
        chunks: Parts of the text, one after another.

    Raises:
        DatasetError: If it is neither, is not JSON, or an item is too long.
    """
    text = _Text(iter(chunks))
    opening = text.next_character()
    if opening not in ("[", "{"):
        text.value()
        raise DatasetError("Attempting to map over non-iterable node.")  # AWS's text
    closing = "]" if opening == "[" else "}"
    text.skip()
    if text.next_character() == closing:
        text.skip()
    else:
        separator = ","
        while separator == ",":
            if opening == "[":
                yield text.value()
            else:
                key = text.value()
                if not isinstance(key, str) or text.next_character() != ":":
                    raise text.invalid()
                text.skip()
                yield {"Key": key, "Value": text.value()}
            separator = text.next_character()
            text.skip()
        if separator != closing:
            raise text.invalid()
    if text.next_character():
        raise text.invalid()


class _Text:
    """A text that is read in parts, of which only the present value is kept.

    Args:
        chunks: The parts.
    """

    def __init__(self, chunks: Iterator[str]) -> None:
        self._chunks = chunks
        self._buffer = ""
        self._position = 0

    def next_character(self) -> str:
        """Return the next character that is not a space, without taking it; empty at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._position)
            assert found is not None
            self._position = found.end()
            if self._position < len(self._buffer):
                return self._buffer[self._position]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Take a character."""
        self._position += 1

    def value(self) -> Any:
        """Take and return the next value."""
        self.next_character()
        wanted = 0
        while True:
            try:
                found, end = _decoder.raw_decode(self._buffer, self._position)
            except ValueError:
                found, end = None, len(self._buffer)
            # A value that is not complete goes on in the next part, and a number may: 12.5|e3.
            if self._buffer[end : end + 1] in _AFTER:
                self._position = end
                return found
            size = len(self._buffer) - self._position
            if size > _ITEM_BYTES:
                raise DatasetError(f"an item has more than {_ITEM_BYTES:,} bytes, or is not JSON")
            wanted = max(2 * size, wanted)
            if not self._more(wanted):
                break
        try:
            found, self._position = _decoder.raw_decode(self._buffer, self._position)
        except ValueError:
            raise self.invalid() from None
        return found

    def invalid(self) -> DatasetError:
        """Return the error for a text that is not JSON."""
        near = self._buffer[self._position : self._position + 40]
        return DatasetError(f"the file is not JSON, near {near!r}")

    def _more(self, size: int = 1) -> bool:
        """Read until a number of characters is left; return whether there were any."""
        parts = [self._buffer[self._position :]]
        left = size - len(parts[0])
        any_found = False
        while left > 0 or not any_found:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            any_found = any_found or bool(chunk)
            parts.append(chunk)
            left -= len(chunk)
        self._buffer, self._position = "".join(parts), 0
        return any_found
