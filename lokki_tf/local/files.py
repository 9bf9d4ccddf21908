"""Files that steps of a strict run write and read, held against what AWS has.

Here all steps share the files of one computer. In AWS each has its own, and in Lambda only ``/tmp``
can be written. The paths come from Python's audit events, so they are those that were opened,
however they were computed. Of looking whether there is a file there is no event, so
``os.stat`` is another function while a step runs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from lokki_tf.model import Step

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = ("os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.truncate", "sqlite3.connect")
_MAKING = ("os.rename", "os.link", "os.symlink")  # a file, at the second path
_KINDS: tuple[set[Any], ...] = (os.supports_fd, os.supports_dir_fd, os.supports_follow_symlinks)
_NO_FILES = ("/dev/", "/proc/", sys.prefix, sys.base_prefix)


class _Current(threading.local):
    """What runs in this thread."""

    watch: FileWatch | None = None
    step: Step | None = None


_current = _Current()
_installed = threading.Lock()
_lock = threading.Lock()
_watched = 0
_stat = os.stat


class FileWatch:
    """Warns of files that a step writes where Lambda cannot, or reads where it has them not."""

    def __init__(self) -> None:
        self._writers: dict[str, Step] = {}
        self._reported: set[tuple[str, str]] = set()
        if _installed.acquire(blocking=False):  # once: a hook cannot be removed
            sys.addaudithook(_on_event)

    @contextmanager
    def of(self, step: Step) -> Iterator[None]:
        """Watch what this thread opens while it calls a step's function."""
        before = _current.watch, _current.step
        _current.watch, _current.step = self, step
        _watch_stat(1)
        try:
            yield
        finally:
            _watch_stat(-1)
            _current.watch, _current.step = before

    def opened(self, step: Step, path: str, *, writes: bool) -> None:
        """Warn of a path, once a step and path.

        Args:
            step: The step that opens it.
            path: The absolute path.
            writes: Whether it is opened for writing, or changed.
        """
        if path.startswith(_NO_FILES) or path.endswith(".pyc"):
            return
        if writes:
            self._writers.setdefault(path, step)
            if not step.is_job and not _is_temporary(path):
                self._warn(step, path, f"writes {path}: in Lambda only /tmp can be written")
        elif self._writers.get(path, step) is not step:
            other = f"which step {self._writers[path].name!r} has written"
            self._warn(step, path, f"reads {path}, {other}: in AWS each step has files of its own")

    def _warn(self, step: Step, path: str, says: str) -> None:
        if (step.name, path) not in self._reported:
            self._reported.add((step.name, path))
            text, place = f"step {step.name!r} {says}", step.place
            warnings.warn_explicit(text, RuntimeWarning, place.file, place.line or 1)


def _watch_stat(change: int) -> None:
    """Replace ``os.stat`` while any step is watched."""
    global _watched
    with _lock:
        _watched += change
        os.stat = _noticed if _watched else _stat


@wraps(_stat)
def _noticed(path: Any, *args: Any, **options: Any) -> os.stat_result:
    found = _stat(path, *args, **options)
    _on_path(path, writes=False)
    return found


for _functions in _KINDS:  # as shutil asks
    if _stat in _functions:
        _functions.add(_noticed)


def _on_event(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        _on_path(args[0], writes=bool(args[2] & _WRITE_FLAGS))
    elif event in _CHANGING:
        _on_path(args[0], writes=True)
    if event in _MAKING:
        _on_path(args[1], writes=True)


def _on_path(path: Any, *, writes: bool) -> None:
    watch, step = _current.watch, _current.step
    if watch is None or step is None:
        return
    if not isinstance(path, str | bytes | os.PathLike) or path == ":memory:":
        return
    _current.watch = None  # a warning reads files itself
    try:
        watch.opened(step, os.path.abspath(os.fsdecode(path)), writes=writes)
    finally:
        _current.watch = watch


def _is_temporary(path: str) -> bool:
    folders = ("/tmp", "/private/tmp", tempfile.gettempdir())  # Lambda's, and here
    return any(path == one or path.startswith(f"{one}/") for one in folders)
