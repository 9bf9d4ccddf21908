"""Deflate (RFC 1951), the same bytes on every machine.

As tight as zlib at its best, and a good deal slower; but step code is small, and the bytes of
a zip decide whether Terraform uploads a function again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby

from .huffman import code_lengths, codes

_SHORTEST, _LONGEST, _WINDOW, _TRIES = 3, 258, 32_768, 64
_END = 256
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_REPEATS = {16: 2, 17: 3, 18: 7}  # extra bits of the symbols for repeated code lengths


def _bases(extra: list[int], first: int) -> list[tuple[int, int]]:
    """The first value and the number of extra bits of each symbol."""
    found, base = [], first
    for bits in extra:
        found.append((base, bits))
        base += 1 << bits
    return found


_LENGTHS = [*_bases([0] * 8 + [n // 4 for n in range(4, 24)], _SHORTEST), (_LONGEST, 0)]
_DISTANCES = _bases([0, 0] + [n // 2 for n in range(28)], 1)


def _symbols_by_value(bases: list[tuple[int, int]], most: int) -> list[int]:
    symbols = [0] * (most + 1)
    for symbol, (base, bits) in enumerate(bases):
        for value in range(base, min(base + (1 << bits), most + 1)):
            symbols[value] = symbol
    return symbols


_LENGTH_SYMBOL = _symbols_by_value(_LENGTHS, _LONGEST)
_DISTANCE_SYMBOL = _symbols_by_value(_DISTANCES, _WINDOW)


@lru_cache(maxsize=256)
def deflated(data: bytes) -> bytes:
    """The data, compressed.

    Args:
        data: Any bytes; a megabyte takes a second or two.
    """
    parts = list(_parts(data))
    literals, distances = Counter({_END: 1}), Counter[int]()
    for length, distance in parts:
        literals[257 + _LENGTH_SYMBOL[length] if distance else length] += 1
        if distance:
            distances[_DISTANCE_SYMBOL[distance]] += 1
    literal_lengths = code_lengths(literals, 286, 15)
    distance_lengths = code_lengths(distances, 30, 15)
    out = _Bits()
    out.write(0b101, 3)  # one block, the last, with codes of its own
    _write_codes(out, literal_lengths, distance_lengths)
    _write_parts(out, parts, codes(literal_lengths), codes(distance_lengths))
    return out.ended()


class _Bits:
    """Bytes that are written a few bits at a time, the lowest first."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._bits = 0
        self._count = 0

    def write(self, bits: int, count: int) -> None:
        self._bits |= bits << self._count
        self._count += count
        while self._count >= 8:
            self._bytes.append(self._bits & 255)
            self._bits >>= 8
            self._count -= 8

    def ended(self) -> bytes:
        if self._count:
            self._bytes.append(self._bits)
        return bytes(self._bytes)


def _write_codes(out: _Bits, literals: Sequence[int], distances: Sequence[int]) -> None:
    """Writes the lengths of the codes, themselves in a code."""
    literals, distances = _trimmed(literals, 257), _trimmed(distances, 1)
    runs = list(_runs((*literals, *distances)))
    lengths = code_lengths(Counter(symbol for symbol, _ in runs), 19, 7)
    ordered = _trimmed([lengths[symbol] for symbol in _ORDER], 4)
    out.write(len(literals) - 257, 5)
    out.write(len(distances) - 1, 5)
    out.write(len(ordered) - 4, 4)
    for length in ordered:
        out.write(length, 3)
    written = codes(lengths)
    for symbol, extra in runs:
        out.write(*written[symbol])
        out.write(extra, _REPEATS.get(symbol, 0))


def _trimmed(lengths: Sequence[int], least: int) -> Sequence[int]:
    used = max((index + 1 for index, length in enumerate(lengths) if length), default=0)
    return lengths[: max(used, least)]


def _runs(lengths: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Code lengths as symbols with extra bits: repeats have symbols of their own."""
    for length, run in groupby(lengths):
        left = len(list(run))
        if length:
            yield length, 0
            left -= 1
        while left >= 3:
            if length:
                count, symbol, least = min(left, 6), 16, 3
            elif left >= 11:
                count, symbol, least = min(left, 138), 18, 11
            else:
                count, symbol, least = left, 17, 3
            yield symbol, count - least
            left -= count
        yield from [(length, 0)] * left


def _write_parts(
    out: _Bits,
    parts: Iterable[tuple[int, int]],
    literals: Sequence[tuple[int, int]],
    distances: Sequence[tuple[int, int]],
) -> None:
    for length, distance in parts:
        if not distance:
            out.write(*literals[length])
            continue
        symbol = _LENGTH_SYMBOL[length]
        base, extra = _LENGTHS[symbol]
        out.write(*literals[257 + symbol])
        out.write(length - base, extra)
        symbol = _DISTANCE_SYMBOL[distance]
        base, extra = _DISTANCES[symbol]
        out.write(*distances[symbol])
        out.write(distance - base, extra)
    out.write(*literals[_END])


def _parts(data: bytes) -> Iterator[tuple[int, int]]:
    """The data as (byte, 0) for what stands for itself and (length, distance) for repeats."""
    places: dict[bytes, list[int]] = {}
    at = 0
    while at < len(data):
        length, distance = _repeat(data, at, places)
        places.setdefault(data[at : at + _SHORTEST], []).append(at)
        # A longer repeat that begins one byte on is worth the byte.
        if length and _repeat(data, at + 1, places)[0] <= length:
            yield length, distance
            for passed in range(at + 1, at + length):
                places.setdefault(data[passed : passed + _SHORTEST], []).append(passed)
            at += length
        else:
            yield data[at], 0
            at += 1


def _repeat(data: bytes, at: int, places: dict[bytes, list[int]]) -> tuple[int, int]:
    """The longest part of the data before a position that stands there again."""
    best, distance = 0, 0
    limit = min(_LONGEST, len(data) - at)
    if limit < _SHORTEST:
        return 0, 0
    for place in places.get(data[at : at + _SHORTEST], ())[: -_TRIES - 1 : -1]:
        if at - place > _WINDOW or best == limit:
            break
        if data[place + best] != data[at + best]:
            continue
        length = _SHORTEST
        while length < limit and data[place + length] == data[at + length]:
            length += 1
        if length > best:
            best, distance = length, at - place
    return best, distance
