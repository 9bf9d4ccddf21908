"""The arguments that steps of a routed pipeline receive, over all paths from the first step.

Sets of names are bits of an integer. For each step a data-flow analysis computes two sets: the
names that are in the state on every path (the intersection where paths join), and those on some
path (the union). A step is visited again only if its set has changed.
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
"""The bit for names that a run may receive in addition to those of its first step."""

_SEARCHES = 128
"""Number of names whose paths are cached; adjacent steps often lack the same one."""


class _Way(NamedTuple):
    """A transition, as sets of names.

    Args:
        target: The next step.
        keeps: Names of the state that are kept.
        adds: Names that are added to it.
        transition: The transition of the model.
    """

    target: str
    keeps: int
    adds: int
    transition: Transition

    def after(self, state: int) -> int:
        """Return the state after the transition."""
        return state & self.keeps | self.adds


class Passing:
    """The names of arguments that each step receives.

    The first step receives its required arguments; other names that a run receives are unknown.

    Args:
        routes: The pipeline.
        start: The step of the pipeline that a run starts with.
    """

    def __init__(self, routes: Routes, start: str) -> None:
        self.routes = routes
        self.start = start
        self._bits = _numbered(routes)
        self._ways = {route.name: self._ways_of(route) for route in routes.routes}
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
        """The steps that a run can reach, in the order of their registration."""
        return tuple(route for route in self.routes.routes if route.name in self._possibly)

    def missing(self, route: Route) -> tuple[str, ...]:
        """Return the required arguments of a step that are missing on some path."""
        return self._names(self._required(route) & ~self._surely[route.name])

    def never_passed(self, route: Route) -> tuple[str, ...]:
        """Return the arguments of a step that it receives on no path, the run's input included."""
        possibly = self._possibly[route.name]
        return () if possibly & _ANYTHING else self._names(self._set(route.takes) & ~possibly)

    def unexpected(self, route: Route) -> Iterator[tuple[str, Transition, tuple[str, ...]]]:
        """Yield the transitions to a step that pass names for which it has no parameter.

        Yields:
            The step before, the transition, and the names.
        """
        if route.takes_more:
            return
        taken = self._set(route.takes) | _ANYTHING
        for before, way in self._into[route.name]:
            unexpected = way.after(self._possibly.get(before, 0)) & ~taken
            if before in self._possibly and unexpected:
                yield before, way.transition, self._names(unexpected)

    def way_without(
        self, route: Route, name: str
    ) -> tuple[tuple[str, ...], Transition, tuple[str, ...]]:
        """Return a shortest path to a step on which it does not receive a required argument.

        Args:
            route: The step.
            name: The missing argument.

        Returns:
            The steps before it, the last transition, and all arguments that are missing on that
                path.
        """
        origins = self._without(name)
        callers: list[str] = []
        taken: list[_Way] = []
        at = route.name, False
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
        """Return how each pair of a step and "has the name in its state" is first reached."""
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
        """Return the names that each step receives; ``join`` combines the states of two paths."""
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
    """Return a bit for each name that any step receives, adds or removes."""
    names: dict[str, int] = {}
    for route in routes.routes:
        given = [name for one in route.transitions for name in (*one.removes, *one.updates)]
        for name in (*route.takes, *given):
            names.setdefault(name, _ANYTHING << len(names) + 1)
    return names
