"""Large buffers that processes of a run share instead of copying them through pipes.

The buffers of arrays and tables are outside of their pickles. Each is written into a file once, in
memory if there is a file system for that, and mapped by every process that needs it. A process has
its own copy of the pages that it changes, so steps remain as independent as with copies. A file is
deleted when this process no longer needs it, and all of a run's files at its end.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

LARGE = 2**20
"""Bytes of a buffer from which on it is in a file."""
_IN_MEMORY = Path("/dev/shm")
_PREFIX = "lokki-"


class Packed(NamedTuple):
    """A pickle, and the files with its buffers.

    Args:
        data: The pickle.
        files: Path and size in bytes of each buffer.
    """

    data: bytes
    files: tuple[tuple[str, int], ...] = ()


@contextmanager
def shared_folders() -> Iterator[tuple[str, ...]]:
    """Make the folders for the buffers of a run: in memory, and on disk if that is full."""
    if sys.platform == "win32":  # mapped files cannot be deleted there
        yield ()
        return
    where = [_IN_MEMORY] if os.access(_IN_MEMORY, os.W_OK) else []
    where.append(Path(tempfile.gettempdir()))
    for folder in where:
        _remove_abandoned(folder)
    made = tuple(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=one) for one in where)
    try:
        yield made
    finally:
        for one in made:
            shutil.rmtree(one, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove folders of processes that were killed."""
    for one in folder.glob(f"{_PREFIX}[0-9]*-*"):
        owner = one.name.split("-")[1]
        if owner.isdigit() and not _runs(int(owner)):
            shutil.rmtree(one, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def pack(value: Any, folders: tuple[str, ...] = (), *, changes: bool = False) -> Packed:
    """Pickle a value for another process.

    Args:
        value: The value.
        folders: Where large buffers are written, in this order; without one they are in the pickle.
        changes: Whether buffers may have been changed since they were written or mapped, as steps
            do; then they are written again.

    Raises:
        Exception: Any error of pickle.
    """
    from lokki_tf.runtime.envelope import dump, pickled  # imported here: it imports json

    if not folders:
        return Packed(pickled(value))
    files: list[tuple[str, int]] = []

    def is_inside(buffer: pickle.PickleBuffer) -> bool:
        try:
            view = buffer.raw()
        except BufferError:
            return True
        file = _file_of(view, folders, changes) if view.nbytes >= LARGE else None
        if file is not None:
            files.append((file, view.nbytes))
        return file is None

    out = io.BytesIO()
    dump(value, out, is_inside)
    return Packed(out.getvalue(), tuple(files))


def unpack(packed: Packed, *, owns: bool = False) -> Any:
    """Return the value.

    Args:
        packed: The result of :func:`pack`.
        owns: Whether its files are deleted when this process no longer needs them.

    Raises:
        Exception: Any error of pickle.
    """
    return pickle.loads(packed.data, buffers=[_mapped(*file, owns) for file in packed.files])


_known: dict[tuple[int, int], str] = {}
"""The files of buffers in the memory of this process, by their addresses and sizes."""


def _mapped(path: str, size: int, owns: bool) -> mmap.mmap:
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    address = _address(memoryview(mapped)) if owns else None
    if address is not None:
        _note(address, size, path, mapped)
    return mapped


def _file_of(view: memoryview, folders: tuple[str, ...], changes: bool) -> str | None:
    """Return the file with a buffer's bytes, written if there is none yet."""
    address = None if changes else _address(view)
    known = None if address is None else _known.get((address, view.nbytes))
    if known is not None and Path(known).parent.as_posix() in folders:
        return known
    for folder in folders:
        try:
            path = _written(view, folder)
        except OSError:  # it is full
            continue
        if address is not None:
            _note(address, view.nbytes, path, view.obj)
        return path
    return None


def _written(view: memoryview, folder: str) -> str:
    """Write a buffer into a new file; return its path."""
    number, path = tempfile.mkstemp(dir=folder)
    try:
        with open(number, "wb") as file:
            file.write(view)
    except BaseException:
        os.unlink(path)
        raise
    return path


def _note(address: int, size: int, path: str, owner: Any) -> None:
    """Note the file of a buffer for as long as the object that has it exists."""
    key = (address, size)
    with suppress(TypeError):  # not every object can be observed
        weakref.finalize(owner, _forget, key, path, os.getpid()).atexit = False
        _known[key] = path


def _forget(key: tuple[int, int], path: str, process: int) -> None:
    if os.getpid() == process:  # forked processes inherit the object
        _known.pop(key, None)
        with suppress(OSError):
            os.unlink(path)


def _address(view: memoryview) -> int | None:
    """Return where a buffer is in memory, if that can be found out."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        return int(numpy.frombuffer(view, "u1").__array_interface__["data"][0])
    if view.readonly:
        return None
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(view))
