"""Maps: a list goes out item by item, and the results come back in order.

The step whose result is mapped writes an array of envelopes, one an item. Each item, or
batch of items, gets its own execution; what these return stands in files that a manifest
lists, in no order.
"""

from __future__ import annotations

import json

from .envelope import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .envelope import Envelope

RESULT = "result"  # the key under which an item's execution returns its envelope


def items_of(value: Any, node: str) -> list[Any]:
    """The items of a result that is mapped.

    Args:
        value: The result.
        node: Whose it is, for the error.

    Raises:
        TypeError: If it has no items.
    """
    try:
        return list(value)
    except TypeError:
        raise TypeError(
            f"the result of {node!r} is mapped, so it must be a list, and it is a "
            f"{type(value).__name__}"
        ) from None


def in_bucket(
    items: list[Any], inline: int, folder: str, write: Callable[[str, bytes], str]
) -> dict[str, Any]:
    """Writes the array that the map reads; returns where it is.

    Args:
        items: The items.
        inline: Longest JSON of an item that stands in the array itself.
        folder: URI of the folder for the array and for longer items.
        write: Stores bytes under a URI and returns it.
    """
    envelopes = _packed(items, inline, folder, write)
    uri = write(f"{folder}/items.json", json.dumps(envelopes).encode())
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def in_state(
    items: list[Any], room: int, node: str, folder: str, write: Callable[[str, bytes], str]
) -> dict[str, Any]:
    """The array for a map within the execution, and what each item's result may weigh.

    Args:
        items: The items.
        room: Bytes for the array, and again for the results.
        node: Whose result it is, for the error.
        folder: URI of the folder for longer items.
        write: Stores bytes under a URI and returns it.

    Raises:
        ValueError: If there are more items than fit.
    """
    share = room // max(1, len(items)) - 24  # an envelope's own characters
    envelopes = _packed(items, max(0, share), folder, write)
    if len(json.dumps(envelopes)) > room or share < 0:
        raise ValueError(
            f"{len(items)} items of {node!r} do not fit into one state, as mode='inline' wants; "
            "leave mode= out, and the items go through the bucket"
        )
    return {"Array": envelopes, "Room": share}


def _packed(
    items: list[Any], inline: int, folder: str, write: Callable[[str, bytes], str]
) -> list[Envelope]:
    def packed(index: int, item: Any) -> Envelope:
        return pack(item, inline, lambda form, data: write(f"{folder}/{index}.{form}", data))

    return [packed(index, item) for index, item in enumerate(items)]


def expanded(
    envelope: Envelope,
    read: Callable[[str], bytes],
    read_all: Callable[[Iterable[str]], dict[str, bytes]],
) -> Envelope:
    """The envelope with results of maps as lists of envelopes, and of jobs as they are.

    Args:
        envelope: Any.
        read: Gives the bytes of a URI.
        read_all: Gives the bytes of several.
    """
    if "at" in envelope:
        return expanded(json.loads(read(envelope["at"])), read, read_all)
    if "map" in envelope:
        return _as_list(_results(envelope["map"], read, read_all), read, read_all)
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
    # Answers of jobs side by side: one after another they would take long.
    answers = read_all(one["at"] for one in results if "at" in one)
    known = [json.loads(answers[one["at"]]) if "at" in one else one for one in results]
    items = {str(index): expanded(one, read, read_all) for index, one in enumerate(known)}
    return {"make": "list", "items": items}


def _results(
    place: dict[str, str],
    read: Callable[[str], bytes],
    read_all: Callable[[Iterable[str]], dict[str, bytes]],
) -> list[Envelope]:
    """Envelopes of the items that succeeded, by index, from the manifest of a map run."""
    bucket = place["Bucket"]
    manifest = json.loads(read(f"s3://{bucket}/{place['Key']}"))
    files = [f"s3://{bucket}/{one['Key']}" for one in manifest["ResultFiles"]["SUCCEEDED"]]
    found: list[tuple[int, Envelope]] = []
    for data in read_all(files).values():
        for record in json.loads(data):
            given, output = json.loads(record["Input"]), json.loads(record["Output"])[RESULT]
            if "Items" in given:
                indices = [one["index"] for one in given["Items"]]
                found.extend(zip(indices, output["batch"]))
            else:
                found.append((given["index"], output))
    return [envelope for _, envelope in sorted(found, key=lambda pair: pair[0])]
