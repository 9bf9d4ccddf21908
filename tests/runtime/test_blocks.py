"""Large values in blocks: what they are afterwards, what they cost in memory, what damages them."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import weakref
import zlib
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.runtime import blocks, store
from lokki_tf.runtime.blocks import BLOCK, LARGE, SMALL, Blocks, CorruptObjectError
from lokki_tf.runtime.envelope import PICKLE, form_of, freeze, name_of, serialize, thaw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lokki_tf.testing import LocalAws

RANDOM = np.random.default_rng(0)
COUNT = LARGE  # of numbers: each array has several blocks


class Tagged(np.ndarray):
    """An array with an attribute, which plain pickle loses too."""


@dataclass
class Model:
    name: str
    weights: Any
    again: Any


def floats() -> Any:
    return RANDOM.random(COUNT)


def table() -> pd.DataFrame:
    words = RANDOM.choice(["one", "two", "größer"], COUNT)
    return pd.DataFrame(
        {
            "id": np.arange(COUNT),
            "price": floats(),
            "kind": pd.Categorical(words),
            "word": words,
            "whole": pd.array([1, None] * (COUNT // 2), dtype="Int64"),
            "arrow": pd.array(words, dtype=pd.ArrowDtype(pa.string())),
            "zone": pd.date_range("2024-01-01", periods=COUNT, freq="s", tz="Europe/Berlin"),
            "flag": RANDOM.random(COUNT) > 0.5,
            "object": [("a", 1)] * COUNT,
        }
    )


def read_only() -> Any:
    array = floats()
    array.flags.writeable = False
    return array


def of_records() -> Any:
    array = np.zeros(COUNT, dtype=[("id", "i8"), ("name", "U3")])
    array["id"] = np.arange(COUNT)
    return array


def mapped_file() -> Any:
    from tempfile import TemporaryFile

    array = np.memmap(TemporaryFile(), dtype="f4", mode="w+", shape=(COUNT, 2))  # noqa: SIM115
    array[:] = RANDOM.random((COUNT, 2))
    return array


def shared() -> Model:
    weights = floats()
    return Model("model", weights, weights)


ODD: dict[str, Callable[[], Any]] = {
    "floats": floats,
    "read-only": read_only,
    "every second": lambda: RANDOM.random(4 * COUNT)[::2],
    "backwards": lambda: RANDOM.random(4 * COUNT)[::-1],
    "part of a matrix": lambda: RANDOM.random((2000, 2000))[10:1500, 10:1500],
    "Fortran order": lambda: np.asfortranarray(RANDOM.random((700, 500))),
    "strided Fortran order": lambda: np.asfortranarray(RANDOM.random((3000, 1000)))[::2],
    "big-endian": lambda: floats().astype(">f8"),
    "odd length": lambda: RANDOM.integers(0, 9, BLOCK + 13, dtype="u1"),
    "halves": lambda: RANDOM.random(4 * COUNT).astype("f2"),
    "complex": lambda: floats() + 1j,
    "times": lambda: np.arange(COUNT).astype("M8[s]"),
    "strided times": lambda: np.arange(4 * COUNT).astype("M8[s]")[::3],
    "texts": lambda: RANDOM.choice(["a", "öü"], COUNT),
    "records": of_records,
    "strided records": lambda: np.repeat(of_records(), 3)[::3],
    "objects": lambda: np.array([("a", n) for n in range(COUNT)], dtype=object),
    "empty": lambda: np.empty((0, 7)),
    "no dimensions": lambda: np.array(3.5),
    "several": lambda: {"a": floats(), "b": [floats(), "text"], "empty": np.empty(0)},
    "many short ones": lambda: [RANDOM.random(12_000 + n) for n in range(60)],
    "many short matrices": lambda: [
        np.asarray(RANDOM.random((90, 130)).astype(kind), order=order)
        for kind in ("f4", "f8", "c16")
        for order in "CF"
        for _ in range(9)
    ],
    "memory-mapped": mapped_file,
    "subclass": lambda: floats().view(Tagged),
    "masked": lambda: np.ma.masked_less(floats(), 0.5),
    "matrix of zeros": lambda: np.zeros((1000, 1000)),
    "one array twice": shared,
    "bytes": lambda: os.urandom(3 * BLOCK + 1),
    "bytearray": lambda: bytearray(os.urandom(SMALL + 7)),
    "text": lambda: ("große Texte " * SMALL, b"."),
    "many objects": lambda: [(n, str(n)) for n in range(200_000)],
    "data frame": table,
    "part of a data frame": lambda: table()[["price", "id"]][::2],
    "series": lambda: table()["kind"],
    "index": lambda: pd.MultiIndex.from_arrays([np.arange(COUNT), floats()]),
    "arrow table": lambda: pa.Table.from_pandas(table().drop(columns="object")),
    "polars frame": lambda: pl.DataFrame(
        {
            "id": np.arange(8 * COUNT),
            "word": RANDOM.choice(["x", "yz"], 8 * COUNT),
        }
    ).with_columns(pl.concat_list("id", "id").alias("list")),
    "polars categories": lambda: pl.DataFrame(
        {"kind": pl.Series(RANDOM.choice(["x", "yz"], 8 * COUNT)).cast(pl.Categorical)}
    ),
    "polars series": lambda: pl.Series("numbers", np.arange(16 * COUNT)),
    "small polars frame": lambda: pl.DataFrame({"n": [1, None]}),
}


def assert_same(one: Any, other: Any) -> None:
    """Compare values with all that belongs to them."""
    assert type(one) is type(other)
    if isinstance(one, (pd.DataFrame, pd.Series, pd.MultiIndex)):
        assert one.equals(other)
        if isinstance(one, pd.DataFrame):
            assert (one.dtypes == other.dtypes).all()
    elif isinstance(one, (pl.DataFrame, pl.Series, pa.Table)):
        assert one.equals(other)
        assert getattr(one, "schema", None) == getattr(other, "schema", None)
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        np.testing.assert_array_equal(one, other)
        assert np.ma.getmaskarray(one).tolist() == np.ma.getmaskarray(other).tolist()
        flags = [
            (array.flags.f_contiguous, array.flags.c_contiguous, array.flags.writeable)
            for array in (one, other)
        ]
        assert flags[0] == flags[1]
    elif isinstance(one, Model):
        assert_same(one.weights, other.weights)
        assert one.again is one.weights
        assert other.again is other.weights
    elif isinstance(one, dict):
        assert [*one] == [*other]
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list) and one and isinstance(one[0], np.ndarray):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_same(*pair)
    else:
        assert one == other


@pytest.mark.parametrize("name", ODD)
def test_values_are_what_plain_pickle_makes_of_them(name: str) -> None:
    """A value in blocks is the same afterwards as one that was pickled and loaded."""
    import pickle

    value = ODD[name]()
    form, data = serialize(value)
    plain = pickle.loads(pickle.dumps(value, protocol=5))
    assert_same(plain, thaw(form, data))
    assert serialize(value) == (form, data)


def test_the_original_is_not_shared() -> None:
    """Changing a value does not change what was loaded, nor the other way round."""
    value = floats()
    loaded = thaw(*serialize(value))
    loaded[0] = -1
    value[1] = -2
    assert value[0] >= 0
    assert loaded[1] >= 0


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.binary(max_size=9)
    | st.sampled_from([2 * LARGE, BLOCK, BLOCK + 1, SMALL - 1]).map(lambda n: b"%d" % n * n)
    | st.integers(0, 3 * LARGE).map(lambda n: bytearray(n % 251 for _ in range(n))),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
))  # fmt: skip
def test_random_values_survive(value: Any) -> None:
    """Any nesting of small and large values is the same afterwards."""
    assert thaw(*serialize(value)) == value


def test_small_values_are_plain_pickles() -> None:
    """A value below a mebibyte without large buffers is one gzipped pickle, as in version 0.1."""
    import pickle

    value = {1: "text", 2: np.arange(100)}
    form, data = serialize(value)
    assert form == PICKLE
    assert pickle.loads(zlib.decompress(data, 31))[1] == "text"


def test_numbers_become_small() -> None:
    """Counted, rounded and repeated numbers are compressed; random ones are stored as they are."""
    sizes = {
        name: len(serialize(value)[1]) / value.nbytes
        for name, value in {
            "counted": np.arange(COUNT),
            "times": np.arange(COUNT) * 1_000_000 + 10**15,
            "few": RANDOM.integers(0, 100, COUNT),
            "random": floats(),
        }.items()
    }
    assert sizes["counted"] < 0.01
    assert sizes["times"] < 0.03
    assert sizes["few"] < 0.15
    assert 1 < sizes["random"] < 1.001


def damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damaged_objects_are_errors() -> None:
    """A changed, shortened, lengthened or unknown object is never loaded as another value."""
    value = [floats(), np.arange(COUNT)]
    form, data = serialize(value)
    length = blocks.length_of_index(data)
    plain = len(data) - length
    for at in (0, COUNT, plain - 1):
        with pytest.raises((CorruptObjectError, zlib.error)):
            thaw(form, damaged(data, at))
    other_kind = data[:plain] + data[plain:].replace(b"buffer", b"slices")
    assert name_of(form, other_kind) != name_of(form, data)
    for other in (data[:-1], data[1:], b"\0" + data, data[:100], data + b"\0"):
        with pytest.raises(CorruptObjectError):
            thaw(form, other)
    newer = data[plain:].replace(b'"format": 1', b'"format": 2')
    with pytest.raises(CorruptObjectError, match="deploy the pipeline again"):
        thaw(form, data[:plain] + newer)


def test_a_block_that_would_grow_is_refused() -> None:
    """The size in the index limits what a compressed block may become."""
    form, data = serialize(np.zeros(COUNT))
    bomb = zlib.compress(bytes(50 * BLOCK))
    length = blocks.length_of_index(data)
    index = json.loads(data[len(data) - length : -blocks.FOOTER])
    index["blocks"] = [[0, index["streams"][0][1], len(bomb), 1], [1, COUNT * 8, len(bomb), 1]]
    index["sha256"] = "00" * 64
    text = json.dumps(index).encode()
    forged = bomb + bomb + text + len(text).to_bytes(8, "big") + blocks.MAGIC
    with pytest.raises(CorruptObjectError, match="block 0 has been changed"):
        thaw(form, forged)


def test_the_name_depends_on_the_value_alone() -> None:
    """Equal values have one name, and a name tells them from every other value."""
    names = [name_of(*freeze(np.arange(n))) for n in (COUNT, COUNT, COUNT + 1)]
    assert names[0] == names[1] != names[2]
    form, data = serialize(np.arange(COUNT))
    assert name_of(form, data) == names[0]


class Viewed:
    """A view of memory, of which the pickle has a buffer."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Viewed, (pickle.PickleBuffer(self.data),)


@pytest.mark.parametrize("value", [{"a": floats()}, {"a": Viewed(memoryview(bytes(LARGE)))}])
def test_a_serialized_value_is_not_kept(value: dict[str, Any]) -> None:
    """Its memory is free when nothing refers to it: the garbage collector is not needed."""
    kept = weakref.ref(value["a"])
    gc.disable()
    try:
        form, data = serialize(value)
        value.clear()
        assert kept() is None
        assert type(thaw(form, data)["a"]) in (np.ndarray, Viewed)
    finally:
        gc.enable()


MEASURED = """
import os, sys, threading, time
import numpy as np
from mmap import ACCESS_READ, mmap
from lokki_tf.runtime.envelope import freeze, thaw

def resident():
    with open("/proc/self/statm") as file:
        _, whole, shared, *_ = map(int, file.read().split())
    return (whole - shared) * os.sysconf("SC_PAGE_SIZE")

class Peak:
    def __enter__(self):
        self.start, self.most, self.on = resident(), 0, True
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        return self
    def look(self):
        while self.on:
            self.most = max(self.most, resident() - self.start)
            time.sleep(0.0005)
    def __exit__(self, *_):
        self.on = False
        self.watch.join()

random = np.random.default_rng(0)
size = 12_000_000
kind, path = sys.argv[1:]
if kind == "floats":
    value = random.random(size)
elif kind == "integers":
    value = random.integers(0, 1000, size)
elif kind == "bytes":
    value = random.bytes(size * 8)
elif kind == "strided":
    value = random.random(2 * size)[::2]
elif kind == "pandas":
    import pandas as pd
    half = size // 4
    value = pd.DataFrame({"a": np.arange(half), "b": random.random(half), "c": random.random(half),
                          "d": pd.Categorical(random.integers(0, 9, half))})
elif kind == "arrow":
    import pyarrow as pa
    value = pa.table({"a": np.arange(size // 2), "b": random.random(size // 2)})
elif kind == "polars":
    import polars as pl
    value = pl.DataFrame({"a": np.arange(size // 2), "b": random.random(size // 2)})
freeze(value[:10])  # so that modules and threads are not counted
with Peak() as writing:
    form, data = freeze(value)
    with open(path, "wb") as file:
        for chunk in data.stored():
            file.write(chunk)
    del data
del value
before = resident()
with Peak() as reading:
    with open(path, "rb") as file:
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
    value = thaw(form, memoryview(mapped))
result = resident() - before
size = {"pandas": size // 4 * 25}.get(kind, size * 8)
print(writing.most, reading.most - size)
"""


@pytest.mark.parametrize(
    "kind", ["floats", "integers", "bytes", "strided", "pandas", "arrow", "polars"]
)
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux reports it")
def test_little_memory_is_needed(tmp_path: Path, kind: str) -> None:
    """Writing 96 MB takes at most 64 MiB above the value, reading as much above the result."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, kind, tmp_path / "value"],
        capture_output=True,
        text=True,
        check=True,
        cwd=os.getcwd(),
    )
    writing, reading = map(int, done.stdout.split())
    assert writing < 64 * 2**20
    assert reading < 64 * 2**20


def test_a_value_that_does_not_fit_is_an_error_before_lambda_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A function whose memory is too small for a value says so, with sizes."""
    form, data = serialize(np.zeros(100 * COUNT))
    monkeypatch.setenv(blocks.MEMORY, "128")
    with pytest.raises(MemoryError, match=r"a value of 200 MiB does not fit: .* 128 MiB are left"):
        thaw(form, data)
    monkeypatch.setenv(blocks.MEMORY, "10240")
    assert len(thaw(form, data)) == 100 * COUNT


def test_mapped_files_are_read(tmp_path: Path) -> None:
    """Blocks are read from a file without copies of its parts."""
    value = [floats(), floats()]
    form, data = freeze(value)
    assert isinstance(data, Blocks)
    path = tmp_path / "value"
    with path.open("wb") as file:
        file.writelines(data.stored())
    assert path.read_bytes() == bytes(data)
    with path.open("rb") as file:
        mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
    assert_same(thaw(form, memoryview(mapped)), value)


@pytest.fixture
def folder(local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of a bucket of the local AWS, which the store uses."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket="blocks-of-values")
    monkeypatch.setattr(store, "client", lambda: s3)
    yield "s3://blocks-of-values/x/runs/step/run"
    for one in s3.list_objects_v2(Bucket="blocks-of-values").get("Contents", ()):
        s3.delete_object(Bucket="blocks-of-values", Key=one["Key"])
    s3.delete_bucket(Bucket="blocks-of-values")


@pytest.mark.parametrize("count", [LARGE // 8, COUNT, 6 * COUNT])
def test_objects_are_sent_and_read_in_parts(folder: str, count: int) -> None:
    """Objects of one request, of one part and of several parts arrive as they were sent."""
    value = {"array": RANDOM.random(count), "text": "x"}
    form, data = freeze(value)
    uri = store.keep(folder, form, data)
    assert uri.endswith(".blocks")
    assert_same(thaw(form, store.opened(uri)), value)
    assert store.read(uri) == bytes(data)
    assert store.keep(folder, form, data) == uri


def test_an_object_under_a_wrong_name_is_refused(folder: str) -> None:
    """Blocks that replace others in the bucket are refused, small and large ones."""
    for count in (COUNT, 6 * COUNT):
        uri = store.keep(folder, *freeze(RANDOM.random(count)))
        store.write(uri, freeze(RANDOM.random(count))[1])
        with pytest.raises(store.UntrustedReferenceError, match="has been changed"):
            store.opened(uri)


def stored_together(folder: str, values: list[Any]) -> list[str]:
    """Store values as a batch does, and return the references."""
    with store.Uploads(folder) as uploads:
        return [uploads.keep(*freeze(value)) for value in values]


def test_small_values_are_parts_of_one_object(folder: str) -> None:
    """JSON, pickles and small blocks are in one object; large values have objects of their own."""
    values = [["x"] * 9, (1, 2), RANDOM.random(LARGE // 8), RANDOM.random(COUNT), b"", "é" * 99]
    uris = stored_together(folder, values)
    objects = [store.part_of(uri)[0] for uri in uris]
    assert objects == [objects[0], objects[0], objects[0], uris[3], objects[0], objects[0]]
    assert list(store.together(uris, str)) == [uris[:3], [uris[3]], uris[4:]]
    opened = store.open_all(uris)
    for uri, value in zip(uris, values, strict=True):
        assert_same(thaw(form_of(uri), opened[uri]), value)
        assert_same(thaw(form_of(uri), store.opened(uri)), value)


def test_parts_begin_a_new_object_when_one_is_full(folder: str) -> None:
    """Objects of parts, and requests for parts, have a limited size."""
    uris = stored_together(folder, [RANDOM.bytes(900_000) for _ in range(9)])
    assert [len(group) for group in store.together(uris, str)] == [4, 4, 1]


def test_a_part_that_was_changed_is_refused(folder: str) -> None:
    """What replaces a part in the bucket is not read, alone or with others."""
    uris = stored_together(folder, [b"one", b"two"])
    store.write(store.part_of(uris[0])[0], store.read(uris[0]) * 2)
    assert store.read(uris[0])
    with pytest.raises(store.UntrustedReferenceError, match="has been changed"):
        store.read(uris[1])
    with pytest.raises(store.UntrustedReferenceError, match="has been changed"):
        store.open_all(uris)


def test_an_object_that_several_items_take_is_read_again(folder: str) -> None:
    """Items of a batch may have the same object."""
    uris = stored_together(folder, [b"one", b"two", b"three"])
    items = store.Items([*uris, *uris])
    for wanted in ([uris[1]], [uris[0], uris[0]], uris, [uris[2]]):
        assert items.take(wanted) == store.open_all(wanted)
