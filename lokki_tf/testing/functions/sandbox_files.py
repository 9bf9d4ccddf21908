"""Replace Python's file functions in a worker process, to give a function its own ``/tmp``.

In Lambda, functions can write to ``/tmp`` only, and each execution environment has its own. In a
worker process, the functions of ``os`` and ``open`` are replaced as follows. Paths in ``/tmp`` are
mapped to a folder of the function. Writing to the function's code raises the ``OSError`` of a
read-only file system. Folders made by a test with ``tempfile`` or pytest's ``tmp_path`` are not
mapped, so that tests can read what functions write there. C code that opens files itself and child
processes access the real ``/tmp``.

Like :mod:`.bootstrap`, this module runs in the worker processes and is never imported.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

TMP = "/tmp"  # the only folder that functions can write to in Lambda
_OF_TESTS = re.compile(r"/tmp/(pytest-of-[^/]+|tmp[a-z0-9_]{8})(?=/|$)")
_READING = ("stat", "lstat", "listdir", "scandir", "readlink", "access", "chdir", "statvfs")
_WRITING = ("mkdir", "rmdir", "remove", "unlink", "chmod", "chown", "utime", "truncate", "mkfifo")
_WRITING_TWO = ("rename", "replace", "link")
_make_folder = os.mkdir
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Folders:
    """The folders of the current function. Paths are not mapped while ``own`` is empty."""

    own = ""
    code: tuple[str, ...] = ()
    python: tuple[str, ...] = ()


def enter(own: str, code: Iterable[str]) -> None:
    """Map ``/tmp`` to a function's folder from now on.

    Args:
        own: The folder, created if necessary in its parent folder, whose paths are not mapped.
        code: The folders of the function's code, which become read-only.
    """
    with contextlib.suppress(FileExistsError):
        _make_folder(own)
    _Folders.code = tuple(code)
    python = (sys.prefix, sys.base_prefix, *sys.path)
    _Folders.python = (os.path.dirname(own), *filter(None, python))
    _Folders.own = own


def install() -> None:
    """Replace the functions of ``os`` and ``io`` that open, list and change files."""
    for name in _READING:
        _replace(name, 1, writes=False)
    for name in _WRITING:
        _replace(name, 1, writes=True)
    for name in _WRITING_TWO:
        _replace(name, 2, writes=True)
    _replace_symlink()
    _replace_open()


def _replace(name: str, paths: int, *, writes: bool) -> None:
    original = getattr(os, name)

    @functools.wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        if not _Folders.own or any(key.endswith("dir_fd") for key in kwargs):
            return original(*args, **kwargs)
        found = [_path(one, writes=writes) for one in args[:paths]]
        for key in ("path", "src", "dst"):
            if key in kwargs:
                kwargs[key] = _path(kwargs[key], writes=writes)
        return original(*found, *args[paths:], **kwargs)

    setattr(os, name, replaced)


def _replace_symlink() -> None:
    original = os.symlink

    @functools.wraps(original)
    def symlink(src: Any, dst: Any, *args: Any, **kwargs: Any) -> None:
        original(src, _path(dst, writes=True) if _Folders.own else dst, *args, **kwargs)

    os.symlink = symlink


def _replace_open() -> None:
    open_file, open_descriptor = io.open, os.open

    @functools.wraps(open_file)
    def replaced(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if _Folders.own and isinstance(mode, str):
            file = _path(file, writes=bool(set(mode) & set("wax+")))
        return open_file(file, mode, *args, **kwargs)

    @functools.wraps(open_descriptor)
    def replaced_descriptor(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if _Folders.own and kwargs.get("dir_fd") is None:
            path = _path(path, writes=bool(flags & _WRITE_FLAGS))
        return open_descriptor(path, flags, *args, **kwargs)

    builtins.open = io.open = replaced
    os.open = replaced_descriptor


def _path(path: Any, *, writes: bool) -> Any:
    """Return the real path for a path that a function uses.

    Raises:
        OSError: If the function writes to a read-only folder.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        return path  # a file descriptor, or a value for which the original function raises an error
    given = os.fspath(path)
    full = os.path.abspath(os.fsdecode(given))
    if writes and _within(full, _Folders.code):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), given)
    if not _within(full, (TMP,)) or _within(full, _Folders.python) or _is_of_test(full):
        return path
    moved = _Folders.own + full[len(TMP) :]
    return os.fsencode(moved) if isinstance(given, bytes) else moved


def _is_of_test(path: str) -> bool:
    """Whether a path is in a folder that a test has made and the function has not."""
    match = _OF_TESTS.match(path)
    if match is None:
        return False
    return _exists(match[0]) and not _exists(_Folders.own + match[0][len(TMP) :])


def _exists(path: str, stat: Callable[..., Any] = os.stat) -> bool:
    try:
        stat(path)
    except OSError:
        return False
    return True


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
