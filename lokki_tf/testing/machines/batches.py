"""``ItemBatcher``: several items become the input of one child."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lokki_tf.testing.machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.machines.frame import StateRun
from lokki_tf.testing.machines.limits import PAYLOAD_BYTES
from lokki_tf.testing.machines.map_fields import number
from lokki_tf.testing.machines.templates import fill
from lokki_tf.testing.machines.values import Json, dump, size


@dataclass(frozen=True)
class Batch:
    """The input of one child.

    Args:
        input: its input.
        items: how many items are in it.
    """

    input: Json
    items: int


def batches_of(run: StateRun, value: Json, items: list[Json]) -> list[Batch]:
    """Return the inputs of the children: the items, or batches of them.

    Args:
        run: the visit of the Map state.
        value: what its paths look into.
        items: the items after ``ItemSelector``.

    Raises:
        StateFailure: if an item alone is larger than a batch may be.
    """
    batcher = run.state.get("ItemBatcher")
    if batcher is None:
        return [Batch(item, 1) for item in items]
    common = {}
    if "BatchInput" in batcher:
        common = {"BatchInput": fill(batcher["BatchInput"], run.view(value))}
    most = int(number(run, value, "MaxItemsPerBatch", 0, batcher))
    length = int(number(run, value, "MaxInputBytesPerBatch", 0, batcher)) or PAYLOAD_BYTES
    groups = _groups(items, most, length - size(dump({**common, "Items": []})))
    return [Batch({**common, "Items": group}, len(group)) for group in groups]


def _groups(items: list[Json], most: int, room: int) -> Iterator[list[Json]]:
    group: list[Json] = []
    used = 0
    for item in items:
        length = size(dump(item)) + 1
        if length > room:
            raise StateFailure(
                RUNTIME, f"An item of {length} bytes does not fit into a batch of {room} bytes"
            )
        if group and (len(group) == most or used + length > room):
            yield group
            group, used = [], 0
        group.append(item)
        used += length
    if group:
        yield group
