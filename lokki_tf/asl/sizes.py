"""The largest inline size of each result with which no state can exceed its limit.

Every state that contains several results has a capacity: a step's input, a branch's output, what a
Parallel state assigns, the execution's output, all variables together. Each result gets the largest
share with which no capacity is exceeded in the worst case, equal for all results that compete
(max-min fairness): all shares grow together until a capacity is used up; the shares in it are then
fixed, and the others continue to grow.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError

from .quotas import STATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

# The longest reference: scheme, bucket (63), prefix, step and execution name (80 each), the name of
# an object (64) or of a part of one (32 + 1 + 15 + 1 + 32), folders, the format's suffix, and the
# JSON around it.
REFERENCE_BYTES = 420
LEAST_PARAMETERS = 16_384
ANSWER_BYTES = 65_536  # of an answer from outside, if there is so much room
ENVELOPE_BYTES = len('{"value": }')


@dataclass(frozen=True, slots=True)
class Capacity:
    """A state, or part of one, that contains several results.

    Args:
        what: A text for the error, ``the input of 'train'`` for example.
        size: Bytes for the results.
        results: How often it contains each result, by node name.
        takes_parameters: Whether the execution's input, with the flow's parameters, is added.
        failures: Bytes that are reserved beside ``size`` for failures in place of results.
    """

    what: str
    size: int
    results: Counter[str]
    takes_parameters: bool = False
    failures: int = 0


def parameter_bytes(capacities: Iterable[Capacity]) -> int:
    """Return the most bytes of an execution's input from which steps read parameters.

    That is half of each capacity that contains it, or less to leave room for references to all
    results there, but at least :data:`LEAST_PARAMETERS`.

    Args:
        capacities: All capacities.
    """
    rooms = (
        max(LEAST_PARAMETERS, min(one.size // 2, one.size - one.results.total() * REFERENCE_BYTES))
        for one in capacities
        if one.takes_parameters
    )
    return min(rooms, default=STATE_BYTES)


def inline_limits(
    capacities: Sequence[Capacity],
    results: Iterable[str],
    references: Mapping[str, int] = MappingProxyType({}),
    answers: Collection[str] = (),
) -> dict[str, int]:
    """Return the longest inline JSON, in bytes, of each result.

    Args:
        capacities: All capacities.
        results: All nodes' names.
        references: The longest references of nodes in bytes, if they are known.
        answers: Nodes whose results come from outside and cannot be in the bucket: they get at
            least :data:`ANSWER_BYTES`, or what references to the other results leave.

    Raises:
        LimitError: If a capacity is too small for references.
    """
    shares = _shares(capacities, results, references)
    if any(shares[name] < ANSWER_BYTES for name in answers):
        first = _shares(_without(capacities, references, answers), answers, references)
        whole = {name: int(min(share, ANSWER_BYTES)) for name, share in first.items()}
        others = [name for name in results if name not in whole]
        shares = {**whole, **_shares(_left(capacities, whole), others, references)}
    return {name: int(share) - ENVELOPE_BYTES for name, share in shares.items()}


def _left(capacities: Iterable[Capacity], fixed: Mapping[str, int]) -> list[Capacity]:
    """Return the capacities that remain beside results of fixed sizes."""
    found: list[Capacity] = []
    for one in capacities:
        taken = sum(fixed[name] * n for name, n in one.results.items() if name in fixed)
        others = {name: n for name, n in one.results.items() if name not in fixed}
        found.append(replace(one, size=one.size - taken, results=Counter(others)))
    return found


def _without(
    capacities: Iterable[Capacity], references: Mapping[str, int], answers: Collection[str]
) -> list[Capacity]:
    """Return the capacities without room for references to all results but answers."""
    found: list[Capacity] = []
    for one in capacities:
        taken, kept = 0, Counter[str]()
        for name, times in one.results.items():
            if name in answers:
                kept[name] = times
            else:
                taken += times * references.get(name, REFERENCE_BYTES)
        found.append(replace(one, size=max(0, one.size - taken), results=kept))
    return found


def _too_many(capacity: Capacity, count: int, longest: int) -> LimitError:
    if 0 < count * longest <= capacity.size + capacity.failures:
        return LimitError(
            f"{capacity.what} contains {count} results, and failures of caught steps in place of "
            f"them can have {capacity.failures:,} bytes; Step Functions allows {STATE_BYTES:,} "
            "there",
            remedy="let fewer of these steps have catch=, or let each be followed by a step that "
            "takes its result and returns what is needed of it",
        )
    return LimitError(
        f"{capacity.what} contains {count} results; Step Functions allows "
        f"{max(0, capacity.size // longest)} there",
        remedy="combine some in intermediate steps, or use a map",
    )


def _shares(
    capacities: Sequence[Capacity], results: Iterable[str], references: Mapping[str, int]
) -> dict[str, float]:
    shares: dict[str, float] = {}
    holding: dict[str, list[int]] = {name: [] for name in results}
    room: list[float] = []
    rising: list[int] = []
    for index, capacity in enumerate(capacities):
        count = sum(capacity.results.values())
        longest = max((references.get(one, REFERENCE_BYTES) for one in capacity.results), default=0)
        if count * longest > capacity.size:
            raise _too_many(capacity, count, longest)
        room.append(capacity.size)
        rising.append(count)
        for name in capacity.results:
            holding[name].append(index)
    level = {
        index: room[index] / rising[index] for index in range(len(capacities)) if rising[index]
    }
    fullest = [(share, index) for index, share in level.items()]
    heapq.heapify(fullest)
    while fullest:
        share, index = heapq.heappop(fullest)
        if level.get(index) != share:
            continue  # an entry that was made before the capacity changed
        for name in capacities[index].results:
            if name in shares:
                continue
            shares[name] = share
            for other in holding[name]:
                times = capacities[other].results[name]
                room[other] -= times * share
                rising[other] -= times
                if rising[other]:
                    level[other] = room[other] / rising[other]
                    heapq.heappush(fullest, (level[other], other))
                else:
                    level.pop(other, None)
    return shares
