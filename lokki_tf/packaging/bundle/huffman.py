"""Huffman codes of bounded length, the same for the same counts."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence


def code_lengths(counts: Mapping[int, int], symbols: int, longest: int) -> list[int]:
    """The length of each symbol's code; 0 for symbols that do not occur.

    Args:
        counts: How often symbols occur.
        symbols: How many symbols there are.
        longest: Most bits that a code may have.
    """
    weights = {symbol: count for symbol, count in sorted(counts.items()) if count}
    for spare in range(symbols):  # one symbol alone has no code, and readers refuse that
        if len(weights) < 2:
            weights.setdefault(spare, 1)
    lengths = _depths(weights)
    while max(lengths.values()) > longest:
        weights = {symbol: weight // 2 + 1 for symbol, weight in weights.items()}
        lengths = _depths(weights)
    return [lengths.get(symbol, 0) for symbol in range(symbols)]


def _depths(weights: Mapping[int, int]) -> dict[int, int]:
    """How deep each symbol lies in the tree that joins the lightest two again and again."""
    heap: list[tuple[int, int, tuple[int, ...]]]
    heap = [(weight, symbol, (symbol,)) for symbol, weight in weights.items()]
    heapq.heapify(heap)
    depths = dict.fromkeys(weights, 0)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        members = first[2] + second[2]
        for symbol in members:
            depths[symbol] += 1
        heapq.heappush(heap, (first[0] + second[0], min(first[1], second[1]), members))
    return depths


def codes(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """The canonical codes of some lengths, bits reversed as deflate writes them, and lengths."""
    found, code = [(0, 0)] * len(lengths), 0
    for bits in range(1, max(lengths) + 1):
        for symbol, length in enumerate(lengths):
            if length == bits:
                found[symbol] = int(f"{code:0{bits}b}"[::-1], 2), bits
                code += 1
        code <<= 1
    return found
