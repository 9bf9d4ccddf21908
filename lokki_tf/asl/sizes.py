"""How large a result may be to travel inline, so that no state can ever overflow.

Every place where results meet has a capacity: a step's input, a branch's output, what a
Parallel state assigns, the execution's output, all variables together. Each result gets
the largest share with which every such place holds in the worst case, the same for all
results that compete (max-min fairness): shares rise together until a place is full, what
is in that place stays, the rest rises on.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError

from .quotas import STATE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# The longest reference: scheme, bucket (63), prefix, step and execution name (80 each), SHA-256
# (64), folders, also those of items, the format's suffix, and the JSON around it.
REFERENCE_BYTES = 420
LEAST_PARAMETERS = 16_384
ENVELOPE_BYTES = len('{"value": }')


@dataclass(frozen=True, slots=True)
class Capacity:
    """A state, or part of one, that contains several results.

    Args:
        what: For the error, ``the input of 'train'`` for example.
        size: Bytes for the results.
        results: How often it contains each, by node name.
        takes_parameters: Whether the execution's input, with the flow's parameters, is added.
    """

    what: str
    size: int
    results: Counter[str]
    takes_parameters: bool = False


def parameter_bytes(places: Iterable[Capacity]) -> int:
    """The most bytes that an execution's input may have where steps look up parameters.

    That is half of each place that has them, but leaves room for references to all results there
    as long as it is more than :data:`LEAST_PARAMETERS`.

    Args:
        places: All capacities that bind.
    """
    rooms = (
        max(LEAST_PARAMETERS, min(one.size // 2, one.size - one.results.total() * REFERENCE_BYTES))
        for one in places
        if one.takes_parameters
    )
    return min(rooms, default=STATE_BYTES)


def inline_limits(
    places: Sequence[Capacity],
    results: Iterable[str],
    references: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, int]:
    """The longest inline JSON, in bytes, of each result.

    Args:
        places: All capacities that bind.
        results: All nodes' names.
        references: The longest references of nodes in bytes, where they are known.

    Raises:
        LimitError: If a place cannot even hold references.
    """
    shares = _shares(places, results, references)
    return {name: int(share) - ENVELOPE_BYTES for name, share in shares.items()}


def _shares(
    places: Sequence[Capacity], results: Iterable[str], references: Mapping[str, int]
) -> dict[str, float]:
    shares: dict[str, float] = {}
    holding: dict[str, list[int]] = {name: [] for name in results}
    room: list[float] = []
    rising: list[int] = []
    for index, place in enumerate(places):
        count = sum(place.results.values())
        longest = max((references.get(one, REFERENCE_BYTES) for one in place.results), default=0)
        if count * longest > place.size:
            raise LimitError(
                f"{place.what} takes {count} results, and Step Functions has room there for "
                f"{max(0, place.size // longest)}",
                remedy="combine some in steps between, or write the many as a map",
            )
        room.append(place.size)
        rising.append(count)
        for name in place.results:
            holding[name].append(index)
    level = {index: room[index] / rising[index] for index in range(len(places)) if rising[index]}
    fullest = [(share, index) for index, share in level.items()]
    heapq.heapify(fullest)
    while fullest:
        share, index = heapq.heappop(fullest)
        if level.get(index) != share:
            continue  # an entry from before the place changed
        for name in places[index].results:
            if name in shares:
                continue
            shares[name] = share
            for other in holding[name]:
                times = places[other].results[name]
                room[other] -= times * share
                rising[other] -= times
                if rising[other]:
                    level[other] = room[other] / rising[other]
                    heapq.heappush(fullest, (level[other], other))
                else:
                    level.pop(other, None)
    return shares
