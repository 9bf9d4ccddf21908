"""Large values of a state are files beside its database, written once."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import StateManager, flow, step
from lokki_tf.errors import StateError
from lokki_tf.local.state import digest_of
from lokki_tf.runtime.blocks import CorruptObjectError
from lokki_tf.runtime.envelope import serialize, thaw

LARGE = random.Random(0).randbytes(3_000_000)
OTHER = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def files(path: Path) -> list[os.DirEntry[str]]:
    folder = f"{path}.values"
    return list(os.scandir(folder)) if os.path.isdir(folder) else []


def test_equal_values_are_one_file_that_is_written_once(path: Path) -> None:
    """The database stays small, and an equal value leaves the file as it is."""
    with StateManager(path) as state:
        state.set("a", LARGE)
        (file,) = files(path)
        os.utime(file.path, (1, 1))
        state.set("b", LARGE)
        assert [one.stat().st_mtime for one in files(path)] == [1]
        assert state.get("a") == state.get("b") == LARGE
        assert state.get_all() == {"a": LARGE, "b": LARGE}
    assert path.stat().st_size < 100_000


def test_a_file_is_deleted_with_the_last_entry(path: Path) -> None:
    """Deleting, replacing, expiring and clearing remove what nothing refers to, nothing else."""
    now = [0.0]
    with StateManager(path, clock=lambda: now[0]) as state:
        for key in ("a", "b"):
            state.set(key, LARGE)
        state.set("c", OTHER, ttl=5)
        assert state.delete("a")
        assert len(files(path)) == 2
        now[0] = 6.0
        assert state.get("c") is None
        state.set("d", 1, ttl=5)
        assert len(files(path)) == 1
        state.set("b", "small")
        assert files(path) == []
        state.set("a", OTHER)
        state.clear()
        assert files(path) == []


def test_small_and_compressed_values_are_in_the_database(path: Path) -> None:
    """Only values with at least 1 MiB when serialized are files."""
    with StateManager(path) as state:
        state.set("a", "x" * 5_000_000)
        state.set("b", LARGE[:900_000])
        assert files(path) == []
        state.set("c", [LARGE.hex()])
        assert len(files(path)) == 1
        assert state.get("c") == [LARGE.hex()]


def test_values_of_an_earlier_version_are_read(path: Path) -> None:
    """Large values that are in the database are read, and replaced by files."""
    form, data = serialize(LARGE)
    with StateManager(path) as state:
        state.set("a", 1)
        state.keep("step", "json.gz", b"", digest="")
    with closing(sqlite3.connect(path)) as raw:
        digest = digest_of(form, data)
        raw.execute("UPDATE entries SET form = ?, data = ?, digest = ?", (form, data, digest))
        raw.commit()
    with StateManager(path) as state:
        assert state.get("a") == LARGE
        kept = state.recall("step")
        assert kept is not None
        assert (kept.form, kept.data) == (form, data)
        state.set("a", LARGE)
        assert len(files(path)) == 1
        assert state.get("a") == LARGE


@pytest.mark.parametrize("damage", ["missing", "cut off", "empty", "changed"])
def test_damaged_files_are_never_values(path: Path, damage: str) -> None:
    """A step runs again, and a value of the user's is an error or missing."""
    with StateManager(path) as state:
        state.set("a", LARGE)
        form, data = serialize(LARGE)
        state.keep("step", form, data, digest=digest_of(form, data))
        (file,) = files(path)
        content = Path(file.path).read_bytes()
        os.chmod(file.path, 0o600)
        if damage == "missing":
            os.unlink(file.path)
        else:
            changed = bytearray(content)
            changed[1_000] ^= 1
            left = {"cut off": content[:-9], "empty": b"", "changed": bytes(changed)}
            Path(file.path).write_bytes(left[damage])
        with pytest.raises(StateError, match="cannot be read"):
            state.get("a")
        kept = state.recall("step")
        if kept is not None:  # blocks are verified as they are read
            with pytest.raises(CorruptObjectError):
                thaw(kept.form, kept.data)
        assert (kept is None) == (damage != "changed")


def test_only_the_user_can_read_the_files(path: Path) -> None:
    """The folder and its files have the rights of the database."""
    with StateManager(path) as state:
        state.set("a", LARGE)
    assert os.stat(f"{path}.values").st_mode & 0o077 == 0
    assert [one.stat().st_mode & 0o077 for one in files(path)] == [0]


def test_threads_may_set_and_delete_the_same_value(path: Path) -> None:
    """A value that is set after a deletion began is not lost with it."""

    def change(number: int) -> None:
        for _ in range(5):
            state.set(str(number), LARGE)
            assert state.get(str(number)) == LARGE
            if number:
                state.delete(str(number))

    with StateManager(path) as state:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(change, range(3)))
        assert state.get_all() == {"0": LARGE}
        assert len(files(path)) == 1


KILLED = """
import os, sys
from lokki_tf import StateManager
from lokki_tf.local import large_values
state = StateManager(sys.argv[1])
state.set("first", b"a" + os.urandom(2_000_000))
large_values.LargeValues.named = lambda *_: os._exit(9)
state.set("first", b"b" + os.urandom(2_000_000))
"""


def test_a_killed_process_loses_nothing(path: Path) -> None:
    """A process that ends between the file and its entry leaves the previous value."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == 9
    with StateManager(path) as state:
        assert state.get("first")[:1] == b"a"
        assert len(files(path)) == 2
        (unfinished,) = (one for one in files(path) if one.name.endswith(".new"))
        os.utime(unfinished.path, (1, 1))
        state.set("first", 2)
        assert files(path) == []


@step
def large(number: int) -> bytes:
    return random.Random(number).randbytes(2_000_000)


@step
def length(value: bytes) -> int:
    return len(value)


@pytest.mark.parametrize("way", [{}, {"strict": True}, {"executor": "process"}], ids=str)
def test_results_of_runs_are_files(path: Path, way: dict[str, Any]) -> None:
    """A later run takes a large result from its file, and equal results are one file."""

    @flow
    def kept() -> Any:
        return length(large(1)), length(large(1))

    with StateManager(path) as state:
        runs = [kept.local_run(state=state, **way) for _ in range(2)]
        assert len(files(path)) == 1
    assert set(runs[1].status.values()) == {"cached"}
    assert set(runs[1].result.values()) == {2_000_000}
