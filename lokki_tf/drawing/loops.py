"""Levels for boxes whose arrows may lead back: a walk from the top cuts the loops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Levels(NamedTuple):
    """Boxes in levels.

    Args:
        levels: Names from top to bottom; in the first stands one alone.
        back: The arrows that do not lead down.
    """

    levels: list[list[str]]
    back: frozenset[tuple[str, str]]


def cut(names: Sequence[str], arrows: Iterable[tuple[str, str]]) -> Levels:
    """Each name one level below the lowest of those that lead to it, loops apart.

    Args:
        names: All, that of the top first.
        arrows: What leads to what.
    """
    ways: dict[str, list[str]] = {name: [] for name in names}
    for before, after in arrows:
        ways[before].append(after)
    walk = _Walk(names[:1])
    for name in names:
        walk.go(name, ways)
    level = {name: min(number, 1) for number, name in enumerate(names)}
    for name in reversed(walk.left):
        for after in ways[name]:
            if (name, after) not in walk.back:
                level[after] = max(level[after], level[name] + 1)
    levels: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in walk.entered:
        levels[level[name]].append(name)
    return Levels(levels, frozenset(walk.back))


@dataclass(slots=True)
class _Walk:
    """A walk into the depth, the first way first.

    Args:
        top: An arrow to one of these leads back, even if nothing leads from there to where it
            begins.
        entered: Names in the order in which they were met.
        left: Names in the order in which all after them had been met.
        back: The arrows that close a loop.
    """

    top: Collection[str]
    entered: dict[str, None] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)
    back: set[tuple[str, str]] = field(default_factory=set)

    def go(self, start: str, ways: Mapping[str, Sequence[str]]) -> None:
        """Walks to all that has not been met."""
        path = [] if start in self.entered else [(start, iter(ways[start]))]
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
                path.append((after, iter(ways[after])))
