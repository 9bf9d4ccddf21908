"""The files of a map's results are read in parts, in bounded memory."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf.runtime import maps, store, streams

if TYPE_CHECKING:
    from collections.abc import Iterator


def record(index: int, envelope: Any) -> dict[str, str]:
    return {
        "Input": json.dumps({"index": index, "item": {"value": 'a"}],['}}),
        "Output": json.dumps({"result": envelope}),
    }


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Objects of a bucket, whose parts are those that are requested."""
    known: dict[str, bytes] = {}

    def parts_of(uri: str, size: int) -> Iterator[bytes]:
        for at in range(0, len(known[uri]), size):
            yield known[uri][at : at + size]

    monkeypatch.setattr(store, "read", known.__getitem__)
    monkeypatch.setattr(store, "opened", known.__getitem__)
    monkeypatch.setattr(store, "client", lambda: None)
    monkeypatch.setattr(store, "parts_of", parts_of)
    return known


def written(files: dict[str, bytes], *contents: Any) -> dict[str, Any]:
    """Write files of results with their manifest; return its envelope."""
    listed = [{"Key": f"SUCCEEDED_{number}.json"} for number in range(len(contents))]
    for one, content in zip(listed, contents, strict=True):
        files[f"s3://b/{one['Key']}"] = json.dumps(content, ensure_ascii=False).encode()
    files["s3://b/manifest.json"] = json.dumps({"ResultFiles": {"SUCCEEDED": listed}}).encode()
    return {"map": {"Bucket": "b", "Key": "manifest.json"}}


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_results_are_read_in_order(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Parts of any length may end within a record or a character; failed items are left out."""
    monkeypatch.setattr(streams, "_REQUEST", size)
    records = [record(n, {"value": ["é😀", n, "]}"]}) for n in range(50) if n % 7]
    random.Random(size).shuffle(records)
    found = streams.streamed(written(files, records[:9], [], records[9:]))
    expected = [["é😀", n, "]}"] for n in range(50) if n % 7]
    assert list(found) == list(found) == expected


def test_a_file_that_ends_early_is_an_error(files: dict[str, bytes]) -> None:
    """Half a record is never left out."""
    envelope = written(files, [record(0, {"value": 1}), record(1, {"value": 2})])
    files["s3://b/SUCCEEDED_0.json"] = files["s3://b/SUCCEEDED_0.json"][:-20]
    with pytest.raises(ValueError, match="ends within"):
        list(streams.streamed(envelope))


def test_few_objects_are_read_ahead(files: dict[str, bytes]) -> None:
    """The number of objects in memory depends on their size."""
    opened: list[str] = []
    records = [record(n, {"ref": f"s3://b/{n}.json.gz"}) for n in range(60)]
    envelope = written(files, records)

    def read(group: Any) -> Any:
        (one,) = group
        opened.append(one["ref"])
        return [({"value": len(opened)}, {one["ref"]: b"x" * 4 * 2**20})]

    streams._read, before = read, streams._read
    try:
        most = 0
        for count, _ in enumerate(streams.streamed(envelope), 1):
            most = max(most, len(opened) - count)
    finally:
        streams._read = before
    assert most <= 8


def test_many_results_need_little_memory(files: dict[str, bytes]) -> None:
    """50,000 small results need the positions of their envelopes, and no list."""
    contents = [
        [
            {
                "Input": json.dumps({"Items": [{"index": n} for n in range(at, at + 500)]}),
                "Output": json.dumps(
                    {"result": {"batch": [{"value": n} for n in range(at, at + 500)]}}
                ),
            }
            for at in range(start, start + 5_000, 500)
        ]
        for start in range(0, 50_000, 5_000)
    ]
    envelope = written(files, *contents)
    del contents
    tracemalloc.start()
    try:
        assert sum(streams.streamed(envelope)) == sum(range(50_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 7.5 * 2**20


def test_a_full_disk_is_an_error_with_a_remedy(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the option that gives more space."""
    import errno
    import tempfile

    class Full:
        def __init__(self, _: int) -> None: ...

        def write(self, _: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Full)
    with pytest.raises(OSError, match="ephemeral_storage="):
        list(streams.streamed(written(files, [record(0, {"value": 1})])))


def test_an_array_is_written_as_before() -> None:
    """The parts of an array are the JSON of the list of envelopes."""
    values = [1, "é", (2,), {"a": [None]}, "x" * 100_000]
    for items in ([], values, values * 20):
        stored: list[str] = []

        def write(form: str, data: Any, stored: list[str] = stored) -> str:
            stored.append(form)
            return f"s3://b/{len(stored)}"

        parts = list(maps.in_array(iter(items), 200_000, write, "n"))
        kept = len(stored)
        stored.clear()
        assert b"".join(parts) == json.dumps(maps.packed_items(items, 200_000, write)).encode()
        assert len(stored) == kept


def test_an_array_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Step Functions reads files of at most 10 GB."""
    monkeypatch.setattr(maps, "LARGEST_ARRAY", 300_000)
    items = ("x" * 1_000 for _ in range(10**9))
    with pytest.raises(ValueError, match="take more than 300,000 bytes"):
        for _ in maps.in_array(items, 10_000, lambda form, data: "", "texts"):
            pass
