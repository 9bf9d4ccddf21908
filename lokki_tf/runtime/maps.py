"""Maps: a list is written item by item, and the results are read in order.

The step whose result is mapped writes an array of envelopes, one per item. Each item, or batch of
items, gets its own execution. Their results are in files that a manifest lists, in no order.
"""

from __future__ import annotations

import json
from itertools import islice

from .envelope import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from .envelope import Envelope, Frozen

RESULT = "result"  # the key under which an item's execution returns its envelope
_ENVELOPE = 24  # an envelope's own characters: {"result":{"value":}} and a comma
_GATHERED = 24  # {"result":{"gathered":[]}}
_CHUNK = 64 * 2**10  # characters of an array that are written together
LARGEST_ARRAY = 10 * 10**9
"""Bytes of an array. Source: Step Functions Developer Guide, "ItemReader (Map)": a file in S3 may
have 10 GB."""


def items_of(value: Any, what: str) -> Iterable[Any]:
    """Return the items of a value that is mapped: itself, or an iterator.

    Args:
        value: The value.
        what: The value, for the error.

    Raises:
        TypeError: If it is not iterable.
    """
    try:
        items = iter(value)
    except TypeError:
        got = type(value).__name__
        if got == "Failure":
            got = f"a Failure: {value}"
        raise TypeError(f"{what} is mapped, so it must be a list, got {got}") from None
    return value if hasattr(value, "__len__") else items  # type: ignore[no-any-return]


def in_array(
    items: Iterable[Any], inline: int, write: Callable[[str, Frozen], str], node: str
) -> Iterator[bytes]:
    """Yield the array that the map reads, in parts; no more than one item is in memory.

    Args:
        items: The items.
        inline: Longest JSON of an item that is in the array itself.
        write: As of :func:`.envelope.pack`, for longer items.
        node: The node with the result, for the error.

    Raises:
        ValueError: If the array is longer than Step Functions reads.
    """
    held, size, before = [], 0, "["
    total = count = 0
    for item in items:
        text = before + json.dumps(pack(item, inline, write))
        before = ", "
        held.append(text)
        size += len(text)
        count += 1
        if size >= _CHUNK:
            yield "".join(held).encode()
            total += size
            held, size = [], 0
            if total > LARGEST_ARRAY:
                raise ValueError(
                    f"the first {count:,} items of {node!r} take more than {LARGEST_ARRAY:,} bytes "
                    "in the file from which Step Functions reads them, which is the most that it "
                    "reads; return fewer items, several of them in a list for example"
                )
    yield ("".join(held) + ("]" if count else "[]")).encode()


def in_state(
    items: Iterable[Any],
    layout: Mapping[str, Any],
    node: str,
    packed: Callable[[list[Any], int], list[Envelope]],
) -> dict[str, Any]:
    """Return the array for an inline map, and the limits of each item.

    Args:
        items: The items.
        layout: The limits for all items: ``room``, in bytes, for the array, and the same for the
            results; ``within``, if these are part of the result of an outer map's item; ``events``
            of the execution's history, of which an item needs ``each``. If the items contain inline
            maps, ``inner`` is their number; ``least`` is the size of an item's result, if it is
            known.
        node: The node with the result, for the error.
        packed: Returns the envelopes of items for a largest size of their JSON.

    Raises:
        ValueError: If there are more items than fit.
    """
    if "events" in layout:  # not in events of older state machines
        items = _few(items, layout["events"] // layout["each"], node)
    items = list(items)
    given = of_each(layout, len(items))
    envelopes = packed(items, max(0, given["Room"]))
    size = len(json.dumps(envelopes))
    if size > _room(layout) or given["Room"] < layout.get("least", 0):
        raise ValueError(
            f"{len(items):,} items of {node!r} do not fit into one state, as mode='inline' "
            f"requires; remove mode=, so that the items are in the bucket"
        )
    return {"Array": envelopes, **given}


def of_each(layout: Mapping[str, Any], count: int) -> dict[str, int]:
    """Return the limits of each of a number of items of an inline map.

    Args:
        layout: As for :func:`in_state`.
        count: The number of items.

    Returns:
        ``Room``: bytes of its JSON, and of its result's; ``Events`` of maps inside.
    """
    given = {"Room": _room(layout) // max(1, count) - _ENVELOPE}
    if "inner" in layout:
        left = layout["events"] // max(1, count) - layout["each"]
        given["Events"] = left // layout["inner"]
    return given


def _room(layout: Mapping[str, Any]) -> int:
    room: int = layout["room"]
    return min(room, layout["within"] - _GATHERED) if "within" in layout else room


def _few(items: Iterable[Any], most: int, node: str) -> list[Any]:
    """Return items as a list; of an iterator, no more are taken than are needed to refuse it."""
    if hasattr(items, "__len__"):
        taken = list(items)
        count = f"{len(taken):,}"
    else:
        taken = list(islice(items, most + 1))
        count = f"more than {most:,}"
    if len(taken) > most:
        raise ValueError(
            f"{count} items of {node!r} do not fit into one execution, as mode='inline' "
            f"requires: with their retries {most:,} have room among the 25,000 events at which "
            "Step Functions ends an execution; remove mode=, so that each item is a separate "
            "execution"
        )
    return taken


def refuse_long_reference(uri: str, share: int, node: str) -> None:
    """Raise an error if not even the reference to an item's result fits into the state.

    Args:
        uri: Where the result is stored.
        share: Bytes that the item's result may have.
        node: The node with the result, for the error.

    Raises:
        ValueError: If the reference is longer.
    """
    if len(uri) > share:
        raise ValueError(
            f"the result of {node!r} does not fit into one state with those of the other items, "
            f"as mode='inline' requires: each has {share:,} bytes; remove mode=, so that the "
            f"results are in the bucket"
        )


def packed_items(
    items: list[Any], inline: int, write: Callable[[str, Frozen], str]
) -> list[Envelope]:
    """Return the envelopes of items; longer ones are stored.

    Args:
        items: The items.
        inline: Longest JSON of an item that is in its envelope.
        write: As of :func:`.envelope.pack`.
    """
    return [pack(item, inline, write) for item in items]


def expanded(
    envelope: Envelope,
    read: Callable[[str], bytes],
    read_all: Callable[[Iterable[str]], dict[str, bytes]],
) -> Envelope:
    """Replace results of maps by lists of envelopes, and results of jobs by their envelopes.

    Args:
        envelope: Any envelope.
        read: Returns the bytes of a URI.
        read_all: Returns the bytes of several URIs.
    """
    if "at" in envelope:
        return expanded(json.loads(read(envelope["at"])), read, read_all)
    if "map" in envelope:
        found = sorted(results_by_index(envelope["map"], read, read_all).items())
        return _as_list([one for _, one in found], read, read_all)
    if "gathered" in envelope:
        results = [one[RESULT] for one in envelope["gathered"]]
        return _as_list(results, read, read_all)
    if "make" in envelope:
        items = {key: expanded(one, read, read_all) for key, one in envelope["items"].items()}
        return {**envelope, "items": items}
    return envelope


def _as_list(
    results: list[Envelope],
    read: Callable[[str], bytes],
    read_all: Callable[[Iterable[str]], dict[str, bytes]],
) -> Envelope:
    # Results of jobs are read in parallel: one after another they would take long.
    answers = read_all(one["at"] for one in results if "at" in one)
    known = [json.loads(answers[one["at"]]) if "at" in one else one for one in results]
    items = {str(index): expanded(one, read, read_all) for index, one in enumerate(known)}
    return {"make": "list", "items": items}


def result_files(manifest: dict[str, str], read: Callable[[str], bytes]) -> list[str]:
    """Return the URIs of the files with the results of the items that succeeded.

    Args:
        manifest: Bucket and key of the manifest of a map's run.
        read: Returns the bytes of a URI.
    """
    bucket = manifest["Bucket"]
    listed = json.loads(read(f"s3://{bucket}/{manifest['Key']}"))["ResultFiles"]
    return [f"s3://{bucket}/{one['Key']}" for one in listed["SUCCEEDED"]]


def results_by_index(
    manifest: dict[str, str],
    read: Callable[[str], bytes],
    read_all: Callable[[Iterable[str]], dict[str, bytes]],
) -> dict[int, Envelope]:
    """Return the envelopes of the items that succeeded, by index.

    Args:
        manifest: Bucket and key of the manifest of a map's run.
        read: Returns the bytes of a URI.
        read_all: Returns the bytes of several URIs.
    """
    files = result_files(manifest, read)
    return dict(
        one
        for data in read_all(files).values()
        for record in json.loads(data)
        for one in results_in(record)
    )


def results_in(record: dict[str, Any]) -> Iterable[tuple[int, Envelope]]:
    """Return the indices of the items of a child execution, each with its envelope.

    Args:
        record: What the map's run has written about the execution.
    """
    given, output = json.loads(record["Input"]), json.loads(record["Output"])[RESULT]
    if "Items" not in given:
        return [(given["index"], output)]
    indices = [one["index"] for one in given["Items"]]
    # A batch whose process ended has failed as a whole.
    return zip(indices, output.get("batch") or [output] * len(indices))
