"""Large buffers that processes share: one copy, independent steps, nothing left over."""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lokki_tf import Pipeline, step
from lokki_tf.local import shared

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="buffers are copied on Windows")
COUNT = 4 * shared.LARGE  # of floats: 32 MiB


@step
def made(seed: int = 0) -> Any:
    return np.random.default_rng(seed).random(COUNT)


@step
def changed(array: Any) -> float:
    """Change the own copy; return what it was before."""
    before = float(array.sum())
    array[:] = 0
    return before


@step
def first_file(array: Any, number: int) -> tuple[int, str]:
    """The file that the array is mapped from, as Linux names it."""
    address = array.__array_interface__["data"][0]
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= address < end:
            return number, line.split()[-1] if "/" in line else ""
    raise AssertionError


@step
def gathered(*values: Any) -> list[Any]:
    return list(values)


@step
def held(array: Any, number: int) -> tuple[float, int, int]:
    """Read a whole array together with seven other processes.

    Returns:
        Its sum, and the bytes of its memory: this process's share, and what only this one has.
    """
    total = float(array.sum())
    address = array.__array_interface__["data"][0]
    ALL_HOLD_IT.wait(60)
    figures = dict.fromkeys(("Pss", "Private_Dirty"), 0)
    is_its = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            start, end = (int(part, 16) for part in name.split("-"))
            is_its = start <= address < end
        elif is_its and name[:-1] in figures:
            figures[name[:-1]] += int(rest[0]) * 1024
    ALL_HOLD_IT.wait(60)
    return total, figures["Pss"], figures["Private_Dirty"]


ALL_HOLD_IT: Any = get_context("fork" if sys.platform == "linux" else None).Barrier(8)


def left_over() -> list[str]:
    folders = [Path("/dev/shm"), Path(os.environ.get("TMPDIR", "/tmp"))]
    own = f"lokki-{os.getpid()}-*"
    return [str(one) for folder in folders if folder.exists() for one in folder.glob(own)]


def test_steps_are_independent() -> None:
    """A step that changes a shared array in place changes it for no other step, nor for the run."""
    array = made()
    steps = [changed(array) for _ in range(3)]
    run = Pipeline("independent", steps=[gathered(array, *steps)]).local_run(executor="process")
    value, *sums = run.result
    assert sums == [float(value.sum())] * 3
    value[0] = -1  # the result can be changed
    assert left_over() == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads how Linux maps memory")
def test_a_result_is_written_once() -> None:
    """All steps that take an array map the file into which the step that made it has written it."""
    array = made(1)
    takers = [first_file(array, n) for n in range(4)]
    files = Pipeline("once", steps=[gathered(*takers)]).local_run(executor="process").result
    assert [number for number, _ in files] == [0, 1, 2, 3]
    names = {name for _, name in files}
    assert len(names) == 1
    assert "/lokki-" in names.pop()


@pytest.mark.skipif(sys.platform != "linux", reason="reads how Linux maps memory")
def test_eight_processes_have_one_copy() -> None:
    """The memory of an array that eight processes read at the same time is that of one array."""
    array = made(2)
    pipeline = Pipeline("held", steps=[gathered(*(held(array, n) for n in range(8)))])
    found = pipeline.local_run(executor="process", max_workers=8).result
    assert {total for total, _, _ in found} == {float(made.__wrapped__(2).sum())}
    assert sum(share for _, share, _ in found) <= 1.05 * COUNT * 8
    assert sum(own for _, _, own in found) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads how Linux maps memory")
def test_a_literal_is_written_once() -> None:
    """An array of the pipeline itself is written once for all steps that take it."""
    array = np.arange(COUNT, dtype=float)
    takers = [first_file(array, n) for n in range(4)]
    files = Pipeline("literal", steps=[gathered(*takers)]).local_run(executor="process").result
    assert len({name for _, name in files}) == 1


def test_an_array_that_a_step_has_changed_is_written_again() -> None:
    """A worker that returns one array several times, changed, returns each state of it."""

    @step
    def counted(number: int, before: Any = None) -> Any:
        KEPT[:] = number
        return KEPT

    one = counted(1)
    two = counted(2, one)
    run = Pipeline("states", steps=[gathered(one, two)]).local_run(
        executor="process", max_workers=1
    )
    assert [float(array[0]) for array in run.result] == [1, 2]


KEPT = np.zeros(COUNT)


def test_files_end_with_their_values(tmp_path: Path) -> None:
    """A buffer's file is deleted when the run no longer needs the value."""
    folders = (str(tmp_path),)
    packed = shared.pack(np.zeros(COUNT), folders, changes=True)
    ((path, size),) = packed.files
    assert (os.path.getsize(path), len(packed.data) < 1000) == (size, True)
    value = shared.unpack(packed, owns=True)
    assert shared.pack(value, folders).files == packed.files
    del value
    assert not Path(path).exists()


def test_full_folders_are_no_error(tmp_path: Path) -> None:
    """Where no file can be written, the buffer is in the next folder, or in the pickle."""
    import resource
    import signal

    value = np.arange(COUNT)
    missing, usable = str(tmp_path / "missing"), str(tmp_path)
    ((path, _),) = shared.pack(value, (missing, usable), changes=True).files
    assert Path(path).parent == tmp_path
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    usual = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (shared.LARGE, limits[1]))
    try:
        packed = shared.pack(value, (usable,), changes=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    assert packed.files == ()
    assert (shared.unpack(packed) == value).all()
    assert [str(one) for one in tmp_path.iterdir()] == [path]


def test_folders_of_killed_runs_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run removes what a killed one has left in memory; what lives is kept."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    gone, lives = tmp_path / "lokki-999999999-x", tmp_path / f"lokki-{os.getpid()}-y"
    gone.mkdir()
    lives.mkdir()
    with shared.shared_folders() as folders:
        assert not gone.exists()
        assert lives.exists()
        assert all(Path(one).is_dir() for one in folders)
    assert not any(Path(one).exists() for one in folders)
