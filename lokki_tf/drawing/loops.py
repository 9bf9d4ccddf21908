"""Levels for boxes whose arrows may form loops, which a depth-first search finds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Levels(NamedTuple):
    """Boxes in levels.

    Args:
        levels: Names from top to bottom; the first level has one name.
        back: The arrows that do not lead down.
    """

    levels: list[list[str]]
    back: frozenset[tuple[str, str]]


def cut(names: Sequence[str], arrows: Iterable[tuple[str, str]]) -> Levels:
    """Put each name one level below the lowest of its predecessors, loops left out.

    Args:
        names: All names, the one at the top first.
        arrows: Pairs of a name and one of its successors.
    """
    successors: dict[str, list[str]] = {name: [] for name in names}
    for before, after in arrows:
        successors[before].append(after)
    walk = _Walk(names[:1])
    for name in names:
        walk.go(name, successors)
    level = {name: min(number, 1) for number, name in enumerate(names)}
    for name in reversed(walk.left):
        for after in successors[name]:
            if (name, after) not in walk.back:
                level[after] = max(level[after], level[name] + 1)
    levels: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in walk.entered:
        levels[level[name]].append(name)
    return Levels(levels, frozenset(walk.back))


@dataclass(slots=True)
class _Walk:
    """A depth-first search that takes successors in their order.

    Args:
        top: An arrow to one of these names leads back, even if it closes no loop.
        entered: Names in the order in which the search found them.
        left: Names in the order in which the search had found all their successors.
        back: The arrows that close a loop.
    """

    top: Collection[str]
    entered: dict[str, None] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)
    back: set[tuple[str, str]] = field(default_factory=set)

    def go(self, start: str, successors: Mapping[str, Sequence[str]]) -> None:
        """Search from a name, unless it was already found."""
        path = [] if start in self.entered else [(start, iter(successors[start]))]
        self.entered[start] = None
        while path:
            name, onward = path[-1]
            after = next(onward, None)
            if after is None:
                self.left[name] = None
                path.pop()
            elif after in self.top or (after in self.entered and after not in self.left):
                self.back.add((name, after))
            elif after not in self.entered:
                self.entered[after] = None
                path.append((after, iter(successors[after])))
