"""``ItemBatcher`` of a Distributed Map: groups items, so that one child receives several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.limits import PAYLOAD_BYTES
from lokki_tf.testing.state_machines.map_fields import number
from lokki_tf.testing.state_machines.queries import filled
from lokki_tf.testing.state_machines.values import Json, dump, size


@dataclass(frozen=True)
class Batch:
    """The input of one child execution.

    Args:
        input: The child's input.
        items: The number of items in the input.
    """

    input: Json
    items: int


def batches_of(run: StateRun, value: Json, items: Iterable[Json]) -> Iterator[Batch]:
    """Yield the inputs of the child executions: single items, or batches of items.

    Args:
        run: The visit of the Map state.
        value: The value that ``$`` refers to in the state's paths.
        items: The items after ``ItemSelector``.

    Raises:
        StateFailure: If a single item exceeds ``MaxInputBytesPerBatch``.
    """
    batcher = run.state.get("ItemBatcher")
    if batcher is None:
        yield from (Batch(item, 1) for item in items)
        return
    common = {}
    if "BatchInput" in batcher:
        common = {"BatchInput": filled(run, batcher["BatchInput"], value, "ItemBatcher/BatchInput")}
    most = int(number(run, value, "MaxItemsPerBatch", 0, batcher, place="ItemBatcher/"))
    length = (
        int(number(run, value, "MaxInputBytesPerBatch", 0, batcher, place="ItemBatcher/"))
        or PAYLOAD_BYTES
    )
    groups = _groups(items, most, length - size(dump({**common, "Items": []})))
    yield from (Batch({**common, "Items": group}, len(group)) for group in groups)


def _groups(items: Iterable[Json], most: int, room: int) -> Iterator[list[Json]]:
    group: list[Json] = []
    used = 0
    for item in items:
        length = size(dump(item)) + 1
        if length > room:
            raise StateFailure(
                RUNTIME, f"An item has {length} bytes, but a batch may have at most {room} bytes"
            )
        if group and (len(group) == most or used + length > room):
            yield group
            group, used = [], 0
        group.append(item)
        used += length
    if group:
        yield group
