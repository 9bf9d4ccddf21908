"""Parts of a graph that are drawn in rows, because they are too wide or too deep.

Side-by-side parts have the same nodes before and after them; a chain is a sequence of parts, each
of which only the next follows. Both are found by reduction: chains and side-by-side parts are
joined until nothing changes. Source: J. Valdes, R. E. Tarjan, E. L. Lawler, "The recognition of
series parallel digraphs", SIAM Journal on Computing 11 (1982).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from .layers import GAP

DEEPEST = 24
"""The number of levels from which a chain is drawn in rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A part of a graph.

    Args:
        kind: ``one`` box, parts ``beside`` each other, or a ``chain`` of parts.
        name: Name of its first box.
        parts: Its parts; empty for a box.
        width: Its estimated width in pixels.
        levels: Its number of levels, of which a part that is drawn in rows counts as one.
    """

    kind: OneOf["one", "beside", "chain"]
    name: str
    parts: tuple[Block, ...]
    width: float
    levels: int

    def names(self) -> Iterator[str]:
        """Yield the names of all its boxes."""
        if not self.parts:
            yield self.name
        for part in self.parts:
            yield from part.names()


def wrapped(
    widths: Mapping[str, float], predecessors: Mapping[str, Sequence[str]], most: float
) -> list[Block]:
    """Return the parts that must be drawn in rows, and the boxes outside them, in their order.

    Args:
        widths: The width of each box.
        predecessors: The names before each box, which come earlier.
        most: The largest width of a picture.
    """
    blocks = _reduced(widths, predecessors, most)
    found = [one for block in blocks for one in _too_large(block, most)]
    position = {name: index for index, name in enumerate(widths)}
    return sorted(found, key=lambda one: max(position[name] for name in one.names()))


def _too_large(block: Block, most: float) -> Iterator[Block]:
    if block.kind == "one" or _is_too_large(block.kind, block.parts, most):
        yield block
    else:
        for part in block.parts:
            yield from _too_large(part, most)


def _is_too_large(kind: str, parts: Sequence[Block], most: float) -> bool:
    if kind == "beside":
        return _side_by_side(parts) > most
    return sum(part.levels for part in parts) > DEEPEST


def _side_by_side(parts: Iterable[Block]) -> float:
    return sum(part.width + GAP for part in parts) - GAP


def _joined(kind: OneOf["beside", "chain"], members: Sequence[Block], most: float) -> Block:
    parts = tuple(part for one in members for part in (one.parts if one.kind == kind else (one,)))
    if _is_too_large(kind, parts, most):
        return Block(kind, parts[0].name, parts, most, 1)
    if kind == "beside":
        levels = max(part.levels for part in parts)
        return Block(kind, parts[0].name, parts, _side_by_side(parts), levels)
    width = max(part.width for part in parts)
    return Block(kind, parts[0].name, parts, width, sum(part.levels for part in parts))


def _reduced(
    widths: Mapping[str, float], predecessors: Mapping[str, Sequence[str]], most: float
) -> list[Block]:
    """Join chains and side-by-side parts until nothing changes."""
    blocks = {name: Block("one", name, (), width, 1) for name, width in widths.items()}
    before = {name: dict.fromkeys(predecessors[name]) for name in widths}
    while True:
        count = len(blocks)
        blocks, before = _merged(blocks, before, chains(before), "chain", most)
        blocks, before = _merged(blocks, before, _beside(before), "beside", most)
        if len(blocks) == count:
            return list(blocks.values())


_Before = dict[str, dict[str, None]]


def _after(before: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, None]]:
    after: dict[str, dict[str, None]] = {name: {} for name in before}
    for name, others in before.items():
        for other in others:
            after[other][name] = None
    return after


def chains(before: Mapping[str, Mapping[str, object]]) -> list[list[str]]:
    """Return the longest sequences in which only the next one follows each, and only it.

    Args:
        before: The names before each name.
    """
    after = _after(before)
    following: dict[str, str] = {}
    for name, others in after.items():
        if len(others) == 1:
            (only,) = others
            if len(before[only]) == 1:
                following[name] = only
    chains, followers = [], set(following.values())
    for name in (one for one in before if one not in followers):
        chain = [name]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains.append(chain)
    return chains


def _beside(before: _Before) -> list[list[str]]:
    after = _after(before)
    groups: dict[tuple[frozenset[str], frozenset[str]], list[str]] = {}
    for name, others in before.items():
        groups.setdefault((frozenset(others), frozenset(after[name])), []).append(name)
    return list(groups.values())


def _merged(
    blocks: dict[str, Block],
    before: _Before,
    groups: Iterable[Sequence[str]],
    kind: OneOf["beside", "chain"],
    most: float,
) -> tuple[dict[str, Block], _Before]:
    """Join each group of blocks to one block, under the name of its first."""
    new = {name: group[0] for group in groups for name in group}
    members: dict[str, list[Block]] = {}
    links: _Before = {}
    for name, block in blocks.items():
        first = new[name]
        members.setdefault(first, []).append(block)
        others = (new[other] for other in before[name])
        links.setdefault(first, {}).update({other: None for other in others if other != first})
    made = {
        first: parts[0] if len(parts) == 1 else _joined(kind, parts, most)
        for first, parts in members.items()
    }
    return made, links
