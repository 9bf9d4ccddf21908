"""Measure how values are written to a file and read again, by lokki_tf and others in one run.

    python benchmarks/data.py [--megabytes 200] [--repeat 3] [--only values|processes]

- ``lokki_tf`` serializes and deserializes as functions in AWS do, without the network.
- ``gzip`` is what lokki_tf did before it had blocks: a pickle as one piece, gzipped at level 1.
- ``metaflow`` is the content-addressed store of Metaflow from PyPI, with files: a pickle, gzipped
  at level 3, under its SHA-1.
- ``joblib`` is ``joblib.dump`` and ``load``, without compression.
- ``pickle`` is ``pickle.dump`` with protocol 5 into a file, and ``load``: the limit.

After that, an array is made in one process and taken by eight calls in four processes: in
lokki_tf, with ``joblib.Parallel``, which maps large arguments from files, too, and with
``distributed``. The time is that from the end of making it until the last of the calls has read a
number of it; the limit is one copy of the array into new memory.

Each measurement is a process of its own, so that what one has loaded or cached does not help
another; they run in turn. Figures are the best of the repeats, and each of processes the median of
five. Memory is the largest that was in use at any time, above the value itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from statistics import median
from typing import Any

WAYS = ("lokki_tf", "gzip", "metaflow", "joblib", "pickle")
PACKAGES = {name: name for name in ("metaflow", "joblib", "distributed")}
KINDS = ("floats", "bytes", "frame", "arrow", "polars", "objects")
MIB = 2**20


def value_of(kind: str, size: int) -> Any:
    """Return a value of about ``size`` bytes."""
    import numpy as np

    random = np.random.default_rng(0)
    if kind == "floats":
        return random.random(size // 8)
    if kind == "bytes":
        return random.bytes(size)
    if kind == "objects":
        return [(n, str(n), {"n": n}) for n in range(size // 400)]
    rows = size // 40
    columns = {
        "id": np.arange(rows),
        "price": random.random(rows).round(2),
        "pieces": random.integers(0, 100, rows),
        "score": random.random(rows),
        "word": random.choice(["alpha", "beta", "gamma delta"], rows),
    }
    if kind == "arrow":
        import pyarrow as pa

        return pa.table(columns)
    if kind == "polars":
        import polars as pl

        return pl.DataFrame(columns)
    import pandas as pd

    times = pd.date_range("2024-01-01", periods=rows, freq="s")
    return pd.DataFrame({**columns, "time": times, "word": pd.Categorical(columns["word"])})


def writer_and_reader(
    way: str, folder: Path
) -> tuple[Callable[[Any], None], Callable[[], Any], Callable[[], int]]:
    """Return functions that write a value, read it, and return the stored bytes."""
    import pickle
    import zlib

    path = folder / "value"

    def size() -> int:
        return path.stat().st_size

    if way == "lokki_tf":
        from lokki_tf.runtime.envelope import BLOCKS, freeze, thaw

        forms: list[str] = []

        def write_value(value: Any) -> None:
            form, data = freeze(value)
            forms[:] = [form]
            with path.open("wb") as file:
                file.writelines([data] if isinstance(data, bytes) else data.stored())

        def read_value() -> Any:
            (form,) = forms
            if form != BLOCKS:
                return thaw(form, path.read_bytes())
            with path.open("rb") as file:
                mapped = mmap(file.fileno(), 0, access=ACCESS_READ)
            return thaw(form, memoryview(mapped))

        return write_value, read_value, size
    if way == "gzip":

        def write_gzip(value: Any) -> None:
            packer = zlib.compressobj(1, wbits=31)
            plain = pickle.dumps(value, protocol=5)
            path.write_bytes(packer.compress(plain) + packer.flush())

        return write_gzip, lambda: pickle.loads(zlib.decompress(path.read_bytes(), 31)), size
    if way == "metaflow":
        from metaflow.datastore.content_addressed_store import ContentAddressedStore
        from metaflow.plugins.datastores.local_storage import LocalStorage

        store = ContentAddressedStore("data", LocalStorage(str(folder)))
        keys: list[str] = []

        def save(value: Any) -> None:
            saved = store.save_blobs(iter([pickle.dumps(value, protocol=4)]))
            keys[:] = [one.key for one in saved]

        def read_saved() -> Any:
            [(_, blob)] = store.load_blobs(keys)
            return pickle.loads(blob)

        def all_files() -> int:
            return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())

        return save, read_saved, all_files
    if way == "joblib":
        import joblib

        return lambda value: joblib.dump(value, path), lambda: joblib.load(path), size

    def write(value: Any) -> None:
        with path.open("wb") as file:
            pickle.dump(value, file, protocol=5)

    def read() -> Any:
        with path.open("rb") as file:
            return pickle.load(file)

    return write, read, size


def resident() -> int:
    """Return the bytes of memory that this process has, without mapped files, on Linux."""
    _, whole, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (whole - shared) * os.sysconf("SC_PAGE_SIZE")


def measured(call: Callable[[], Any]) -> tuple[float, int, Any]:
    """Return seconds, the largest memory above that before, and the result of a call."""
    before, most, ended = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.001):
            most = max(most, resident() - before)

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - began
    most = max(most, resident() - before)
    ended.set()
    watching.join()
    return seconds, most, result


def measure(way: str, kind: str, size: int) -> dict[str, float]:
    """Write and read a value in this process; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        write, read, stored = writer_and_reader(way, Path(folder))
        small = value_of(kind, 4 * MIB)
        write(small)  # loads modules and starts threads
        read()
        value = value_of(kind, size)
        writing, above, _ = measured(partial(write, value))
        del value
        before = resident()
        reading, most, result = measured(read)
        held = resident() - before
        assert len(result)
        return {
            "write": writing,
            "read": reading,
            "above": above / MIB,
            "above_read": (most - held) / MIB,
            "size": stored() / 1e6,
        }


def made(size: int) -> tuple[Any, float]:
    """Return an array of random floats, and the time."""
    return value_of("floats", size), time.perf_counter()


def taken(sent: tuple[Any, float], _: int) -> float:
    """Read an array's last number; return the seconds since it was made in another process."""
    array, then = sent
    assert 0 <= array[-1] < 1
    return time.perf_counter() - then


def gathered(*values: Any) -> tuple[Any, ...]:
    """Return the arguments."""
    return values


def move(way: str, size: int) -> float:
    """Return the seconds until eight calls, in four processes, have an array of another process.

    They begin when the array is made, so that processes have been started. ``copy`` copies it into
    new memory, in one process.
    """
    with ExitStack() as stack:
        found = []
        if way == "joblib":
            from joblib import Parallel, delayed

            workers = stack.enter_context(Parallel(n_jobs=4))
        elif way == "distributed":
            from distributed import Client

            options = {"n_workers": 4, "threads_per_worker": 1, "dashboard_address": None}
            client = stack.enter_context(Client(**options))
        else:
            from lokki_tf import Pipeline, step

            sent, take = step(made)(size), step(taken)
            pipeline = Pipeline("taken", steps=[step(gathered)(*(take(sent, n) for n in range(8)))])
            array = value_of("floats", size)
        for _ in range(6):
            if way == "copy":
                found.append(measured(array.copy)[0])
            elif way == "joblib":
                [pair] = workers([delayed(made)(size)])
                found.append(max(workers(delayed(taken)(pair, n) for n in range(8))))
            elif way == "distributed":
                pair = client.submit(made, size, pure=False)
                calls = [client.submit(taken, pair, n, pure=False) for n in range(8)]
                found.append(max(client.gather(calls)))
            else:
                run = pipeline.local_run(executor="process", max_workers=4)
                found.append(max(run.result))
    # The first loads modules, and gets memory that the system has never given to a process.
    return median(found[1:])


def one_of(*given: str) -> Any:
    """Return what a measurement in a process of its own prints."""
    command = [sys.executable, __file__, *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def processes(size: int, repeat: int) -> None:
    """Print how long it takes until eight calls have an array of another process."""
    ways = ("copy", "lokki_tf", "joblib", "distributed")
    found: dict[str, list[float]] = {
        way: [] for way in ways if importlib.util.find_spec(PACKAGES.get(way, "json"))
    }
    megabytes = str(size // 10**6)
    for _ in range(repeat):
        for way, seconds in found.items():
            seconds.append(one_of("--move", way, "--megabytes", megabytes))
    print(f"\narray of {megabytes} MB to 8 calls in processes")
    for way, seconds in found.items():
        print(f"{way:11} {min(seconds):6.3f} s {min(seconds) / min(found['copy']):6.2f}×")


def main() -> None:
    """Print a table for each kind of value."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=("values", "processes"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--move", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.move:
        print(json.dumps(move(given.move, given.megabytes * 10**6)))
        return
    if given.one:
        way, kind = given.one
        print(json.dumps(measure(way, kind, given.megabytes * 10**6)))
        return
    ways = [way for way in WAYS if importlib.util.find_spec(PACKAGES.get(way, "json"))]
    for kind in KINDS if given.only != "processes" else ():
        found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(given.repeat):
            for way in ways:
                size = str(given.megabytes)
                found[way].append(one_of("--one", way, kind, "--megabytes", size))
        best = {
            way: {key: min(one[key] for one in rounds) for key in rounds[0]}
            for way, rounds in found.items()
        }
        print(f"\n{kind}, {given.megabytes} MB")
        head = ("", "write", "", "read", "", "above written", "above read", "stored")
        print("{:10} {:>8} {:>6} {:>8} {:>6} {:>14} {:>12} {:>10}".format(*head))
        for way, one in best.items():
            ratios = [one[key] / best["lokki_tf"][key] for key in ("write", "read")]
            print(
                f"{way:10} {one['write']:6.3f} s {ratios[0]:5.2f}× {one['read']:6.3f} s "
                f"{ratios[1]:5.2f}× {one['above']:10.0f} MiB {one['above_read']:8.0f} MiB "
                f"{one['size']:7.1f} MB"
            )
    if given.only != "values":
        processes(given.megabytes * 10**6, given.repeat)


if __name__ == "__main__":
    main()
