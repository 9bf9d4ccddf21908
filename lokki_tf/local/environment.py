"""Environment variables of steps, in a process whose threads share one environment.

In AWS each step has an environment of its own. Here, while a step runs that declares variables,
``os.environ`` shows them to that step alone, to the threads that it starts and to the programs
that it starts by :mod:`subprocess`. What such a step sets or deletes concerns it alone as well.
C libraries, ``time`` for ``TZ`` among them, and ``os.system`` read the process's own environment,
which does not change; a worker process, which runs one step at a time, sets the variables there.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any


class _Overlay:
    """What differs from the process's environment for one call of a step."""

    __slots__ = ("gone", "own")

    def __init__(self, own: dict[str, str], gone: set[str]) -> None:
        self.own = own
        self.gone = gone


_overlay: ContextVar[_Overlay | None] = ContextVar("lokki_tf environment", default=None)
_lock = threading.Lock()
_users = 0
_originals: tuple[Any, Any, Any] | None = None
_bytes: Any = getattr(os, "environb", None)  # Windows has none


class _Overlaid(os._Environ[str]):
    """``os.environ`` while there are overlays; only the class of the object changes."""

    def __getitem__(self, key: str) -> str:
        overlay = _overlay.get()
        if overlay is not None:
            if key in overlay.own:
                return overlay.own[key]
            if key in overlay.gone:
                raise KeyError(key)
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: str) -> None:
        overlay = _overlay.get()
        if overlay is None:
            super().__setitem__(key, value)
            return
        self.encodekey(key), self.encodevalue(value)
        overlay.own[key] = value
        overlay.gone.discard(key)

    def __delitem__(self, key: str) -> None:
        overlay = _overlay.get()
        if overlay is None:
            super().__delitem__(key)
            return
        _ = self[key]
        overlay.own.pop(key, None)
        overlay.gone.add(key)

    def __iter__(self) -> Iterator[str]:
        overlay = _overlay.get()
        if overlay is None:
            return super().__iter__()
        own, gone = dict(overlay.own), set(overlay.gone)
        rest = (key for key in super().__iter__() if key not in own)
        return iter([*own, *(key for key in rest if key not in gone)])

    def __len__(self) -> int:
        return len(list(iter(self)))


class _OverlaidBytes(os._Environ[bytes]):
    """``os.environb`` while there are overlays: ``os.environ`` as bytes."""

    def __getitem__(self, key: bytes) -> bytes:
        try:
            return os.fsencode(os.environ[os.fsdecode(key)])
        except KeyError:
            raise KeyError(key) from None

    def __setitem__(self, key: bytes, value: bytes) -> None:
        os.environ[os.fsdecode(key)] = os.fsdecode(value)

    def __delitem__(self, key: bytes) -> None:
        try:
            del os.environ[os.fsdecode(key)]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[bytes]:
        return map(os.fsencode, os.environ)

    def __len__(self) -> int:
        return len(os.environ)


@contextmanager
def overlaid(variables: Mapping[str, str]) -> Iterator[None]:
    """Let ``os.environ`` show variables to what runs inside, in any thread.

    Args:
        variables: Values by name.
    """
    outer = _overlay.get()
    own, gone = ({}, set()) if outer is None else (outer.own, outer.gone)
    _install()
    token = _overlay.set(_Overlay({**own, **variables}, gone.difference(variables)))
    try:
        yield
    finally:
        _overlay.reset(token)
        _uninstall()


@contextmanager
def replaced(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the process, which does nothing else meanwhile, and restore all of them.

    Args:
        variables: Values by name.
    """
    before = dict(os.environ)
    os.environ.update(variables)
    _set_zone()
    try:
        yield
    finally:
        for name in set(os.environ).difference(before):
            del os.environ[name]
        os.environ.update(before)
        _set_zone()


def _set_zone() -> None:
    """Let ``time`` take the zone of the variable ``TZ``."""
    if hasattr(time, "tzset"):  # Windows has none
        time.tzset()


def _install() -> None:
    global _users, _originals
    with _lock:
        _users += 1
        if _users == 1:
            _originals = type(os.environ), threading.Thread.start, subprocess.Popen.__init__
            os.environ.__class__ = _Overlaid
            if _bytes is not None:
                _bytes.__class__ = _OverlaidBytes
            threading.Thread.start = _start  # type: ignore[assignment,method-assign]
            subprocess.Popen.__init__ = _popen  # type: ignore[assignment,method-assign]


def _uninstall() -> None:
    global _users
    with _lock:
        _users -= 1
        if not _users and _originals is not None:
            os.environ.__class__ = _originals[0]
            if _bytes is not None:
                _bytes.__class__ = _originals[0]
            threading.Thread.start = _originals[1]  # type: ignore[method-assign]
            subprocess.Popen.__init__ = _originals[2]  # type: ignore[method-assign]


def _start(thread: threading.Thread) -> None:
    """Start a thread with the overlay of the one that starts it."""
    overlay = _overlay.get()
    assert _originals is not None
    if overlay is not None:
        thread.run = partial(_within, overlay, thread.run)  # type: ignore[method-assign]
    _originals[1](thread)


def _within(overlay: _Overlay, run: Any) -> None:
    _overlay.set(overlay)
    run()


_ENV = 10  # the position of env among the arguments of Popen


def _popen(process: Any, *args: Any, **options: Any) -> None:
    """Start a program with the environment that the step sees, unless it is given another."""
    assert _originals is not None
    if len(args) <= _ENV and options.get("env") is None and _overlay.get() is not None:
        options["env"] = dict(os.environ)
    _originals[2](process, *args, **options)
