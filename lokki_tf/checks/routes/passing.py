"""What the steps of a routed pipeline are handed, over all ways from the first one.

Sets of names are the bits of a number. For each step two of them are found, as data-flow
analysis does it: what is in the state on every way in (where ways meet, what they share), and
what is in it on some way (where they meet, all). A step is looked at again only when its set
changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import and_, or_
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lokki_tf.model import Route, Routes, Transition

_ANYTHING = 1
"""The bit for what a run may give besides what its first step names."""

_SEARCHES = 128
"""How many names' ways are kept; steps that are next to each other often lack the same."""


class _Way(NamedTuple):
    """A transition, in bits.

    Args:
        target: The next step.
        keeps: What of the state goes on.
        adds: What is put into it.
        transition: Where it comes from.
    """

    target: str
    keeps: int
    adds: int
    transition: Transition

    def after(self, state: int) -> int:
        """What is handed on."""
        return state & self.keeps | self.adds


class Passing:
    """What each step is handed.

    The first step is handed what it requires; what else a run gives is not known.

    Args:
        routes: The pipeline.
        start: The step that a run starts with, one of the pipeline's.
    """

    def __init__(self, routes: Routes, start: str) -> None:
        self.routes = routes
        self.start = start
        self._bits = _numbered(routes)
        self._ways = {route.step.name: self._ways_of(route) for route in routes.routes}
        self._into: dict[str, list[tuple[str, _Way]]] = {name: [] for name in self._ways}
        for name, ways in self._ways.items():
            for way in ways:
                self._into[way.target].append((name, way))
        first = routes.by_name[start]
        self._given = self._required(first)
        anything = _ANYTHING if first.takes_more else 0
        self._surely = self._spread(self._given, and_)
        self._possibly = self._spread(self._set(first.takes) | anything, or_)
        self._without = lru_cache(_SEARCHES)(self._search)

    @property
    def reached(self) -> tuple[Route, ...]:
        """The steps that a run may come to, in the order of their registration."""
        return tuple(route for route in self.routes.routes if route.step.name in self._possibly)

    def missing(self, route: Route) -> tuple[str, ...]:
        """What a step requires and is not handed on some way in."""
        return self._names(self._required(route) & ~self._surely[route.step.name])

    def never_handed(self, route: Route) -> tuple[str, ...]:
        """What a step is handed on no way in; where a run may give it, it is."""
        possibly = self._possibly[route.step.name]
        return () if possibly & _ANYTHING else self._names(self._set(route.takes) & ~possibly)

    def strange(self, route: Route) -> Iterator[tuple[str, Transition, tuple[str, ...]]]:
        """The ways into a step on which it may be handed what it does not take.

        Yields:
            The step before, the transition, and the names.
        """
        if route.takes_more:
            return
        taken = self._set(route.takes) | _ANYTHING
        for before, way in self._into[route.step.name]:
            strange = way.after(self._possibly.get(before, 0)) & ~taken
            if before in self._possibly and strange:
                yield before, way.transition, self._names(strange)

    def way_without(
        self, route: Route, name: str
    ) -> tuple[tuple[str, ...], Transition, tuple[str, ...]]:
        """A shortest way to a step on which it is not handed something that may be missing.

        Args:
            route: The step.
            name: What is missing.

        Returns:
            The steps before it, the last transition, and all that is missing on that way.
        """
        origins = self._without(name)
        callers: list[str] = []
        taken: list[_Way] = []
        at = route.step.name, False
        while (origin := origins[at]) is not None:
            at, way = origin
            callers.append(at[0])
            taken.append(way)
        state = self._given
        for way in reversed(taken):
            state = way.after(state)
        missing = self._names(self._required(route) & ~state)
        return tuple(reversed(callers)), taken[0].transition, missing

    def _search(self, name: str) -> dict[tuple[str, bool], tuple[tuple[str, bool], _Way] | None]:
        """Of each step, with something in the state or without it, how a run first comes there."""
        bit = self._bits[name]
        first = self.start, bool(self._given & bit)
        found: dict[tuple[str, bool], tuple[tuple[str, bool], _Way] | None] = {first: None}
        waiting = deque(found)
        while waiting:
            at = waiting.popleft()
            for way in self._ways[at[0]]:
                after = way.target, bool(way.after(bit if at[1] else 0) & bit)
                if after not in found:
                    found[after] = at, way
                    waiting.append(after)
        return found

    def _spread(self, given: int, join: Callable[[int, int], int]) -> dict[str, int]:
        """What each step is handed, where ``join`` says what becomes of two ways in."""
        found = {self.start: given}
        waiting = deque(found)
        queued = set(found)
        while waiting:
            name = waiting.popleft()
            queued.discard(name)
            for way in self._ways[name]:
                after, before = way.after(found[name]), found.get(way.target)
                joined = after if before is None else join(before, after)
                if joined != before:
                    found[way.target] = joined
                    if way.target not in queued:
                        queued.add(way.target)
                        waiting.append(way.target)
        return found

    def _ways_of(self, route: Route) -> Sequence[_Way]:
        ways: dict[tuple[str, int, int], _Way] = {}
        for one in route.transitions:
            if one.target is not None and one.target in self.routes.by_name:
                keeps = 0 if one.clears else ~self._set(one.removes)
                adds = self._set(one.updates)
                ways.setdefault((one.target, keeps, adds), _Way(one.target, keeps, adds, one))
        return tuple(ways.values())

    def _required(self, route: Route) -> int:
        return self._set(name for name, required in route.takes.items() if required)

    def _set(self, names: Mapping[str, bool] | Sequence[str] | Iterator[str]) -> int:
        bits = 0
        for name in names:
            bits |= self._bits[name]
        return bits

    def _names(self, bits: int) -> tuple[str, ...]:
        return tuple(sorted(name for name, bit in self._bits.items() if bits & bit)) if bits else ()


def _numbered(routes: Routes) -> dict[str, int]:
    """A bit for each name that is taken, put in or taken out anywhere."""
    names: dict[str, int] = {}
    for route in routes.routes:
        given = [name for one in route.transitions for name in (*one.removes, *one.updates)]
        for name in (*route.takes, *given):
            names.setdefault(name, _ANYTHING << len(names) + 1)
    return names
