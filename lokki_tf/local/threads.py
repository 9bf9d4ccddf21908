"""Runs nodes in threads, and in the thread that called.

Each worker that ends a node goes on with one that is ready, so a chain never changes its
thread. Where more is ready, it calls a few others, and each of these, once it has come,
calls more: as many threads come to be as there are steps that wait, and while steps
compute without pause (so that no other thread could run anyway) hardly any do.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import copy_context
from time import sleep
from typing import Any

from .journal import clock
from .schedule import Schedule, Timers
from .work import Work

MOST_THREADS = 256
MOST_CALLED = 8  # workers on their way at once
# Elsewhere than on POSIX, Ctrl-C does not end a wait for a lock: wait in pieces there.
_PIECE = None if os.name == "posix" else 0.25


def in_order(work: Work) -> None:
    """Run the nodes one after another, in the order of the graph, in this thread."""
    for index in range(len(work.nodes)):
        delay = work.attempt(index)
        while delay is not None:
            sleep(min(delay, threading.TIMEOUT_MAX))
            delay = work.attempt(index)
        if work.journal.stopping:
            return


class Threads:
    """One run in threads of its own.

    The threads are daemons: after Ctrl-C nobody waits for a step that sleeps.

    Args:
        work: What is called.
        schedule: Who is ready.
        limit: Most nodes that run at once.
        borrow: Whether the calling thread runs nodes too. It must not where an event loop
            runs in it, or steps could not start one of their own.
    """

    def __init__(self, work: Work, schedule: Schedule, limit: int, *, borrow: bool) -> None:
        self._work = work
        self._schedule = schedule
        self._limit = limit
        self._borrow = borrow
        self._context = copy_context()
        self._error: BaseException | None = None
        self._helpers: list[threading.Thread] = []
        # Reentrant, since Ctrl-C may come right after it was taken, and then it is taken
        # again to end the run. All below is read and written under it.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._ended = threading.Condition(self._lock)
        self._over = False
        self._ready = deque(schedule.first())
        self._timers = Timers()
        self._watched: float | None = None  # until when some idle worker sleeps at most
        self._workers = int(borrow)
        self._busy = 0
        self._idle = 0
        # Workers on their way, who have not yet looked what there is to do:
        self._woken = 0
        self._starting = 0

    def run(self) -> None:
        """Run until all nodes have ended, or until those have that ran when one failed.

        Raises:
            KeyboardInterrupt: At once, whatever other threads do.
        """
        try:
            if self._borrow:
                self._take_part()
            else:
                self._workers = self._starting = 1
                self._start_helpers(1)
                with self._lock:
                    while not self._over:
                        self._ended.wait(_PIECE)
            if self._error is not None:
                raise self._error
        except BaseException:
            self._abandon()
            raise

    def _take_part(self) -> None:
        """Run nodes until nothing is left to run."""
        index = self._next(None, None)
        while index is not None:
            delay = self._work.attempt(index)
            index = self._next(index, delay)

    def _help(self) -> None:
        try:
            self._take_part()
        except BaseException as error:  # KeyboardInterrupt in a step, or a fault of ours
            with self._lock:
                self._error = self._error or error
                self._finish()

    def _next(self, ended: int | None, delay: float | None) -> int | None:
        """What this worker runs next; waits for it.

        Args:
            ended: What it has just run.
            delay: Seconds after which that is to be tried again.
        """
        with self._lock:
            if ended is not None:
                self._busy -= 1
                if delay is None:
                    self._ready.extend(self._schedule.ended(ended))
                else:
                    self._timers.add(clock() + delay, ended)
            elif self._starting:
                self._starting -= 1
            index = self._pick()
            new = self._call_others() if self._ready or self._timers else 0
        if new:
            self._start_helpers(new)
        return index

    def _pick(self) -> int | None:
        while not self._over:
            if self._work.journal.stopping:
                self._ready.clear()
                self._timers.clear()
            elif self._timers:
                self._ready.extend(self._timers.due(clock()))
            if self._ready:
                self._busy += 1
                return self._ready.popleft()
            if not self._busy and not self._timers:
                self._finish()
                return None
            self._sleep()
        return None

    def _sleep(self) -> None:
        """Wait until something changes, or until the next node's retry is due."""
        due, seconds = self._timers.earliest(), _PIECE
        if self._is_unwatched(due):
            self._watched, seconds = due, self._timers.wait(clock())
        self._idle += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._idle -= 1
            if self._woken:
                self._woken -= 1
            if self._watched == due:
                self._watched = None

    def _is_unwatched(self, due: float | None) -> bool:
        return due is not None and (self._watched is None or due < self._watched)

    def _call_others(self) -> int:
        """Wake workers for what is left to do; returns how many to start besides."""
        if self._over:
            return 0
        wanted = len(self._ready) or int(self._is_unwatched(self._timers.earliest()))
        wanted = min(wanted, MOST_CALLED) - self._woken - self._starting
        if wanted <= 0:
            return 0
        wake = min(wanted, self._idle - self._woken)
        if wake:
            self._woken += wake
            self._changed.notify(wake)
        start = min(wanted - wake, self._limit - self._workers)
        self._starting += start
        self._workers += start
        return start

    def _start_helpers(self, count: int) -> None:
        for left in range(count, 0, -1):
            name = f"lokki_tf-{len(self._helpers) + 1}"
            # In a copy of the caller's context, so that steps see its context variables.
            helper = Helper(name, self._context.copy().run, self._help)
            try:
                helper.start()
            except RuntimeError:  # the system gives no more: go on with those there are
                with self._lock:
                    self._workers -= left
                    self._starting -= left
                    self._limit = self._workers
                    if not self._workers:
                        raise
                return
            self._helpers.append(helper)

    def _finish(self) -> None:
        self._over = True
        self._changed.notify_all()
        self._ended.notify_all()

    def _abandon(self) -> None:
        """End without waiting: idle threads leave, busy ones as soon as they can."""
        self._work.journal.stopping = True
        with self._lock:
            self._finish()
        if self._helpers:
            interrupt(self._helpers)


class Helper(threading.Thread):
    """A thread whose start does not wait until it runs.

    That wait costs two switches of threads, and on a busy machine milliseconds. Should a
    Python come whose threads have no ``_started``, they will start as they always do.
    """

    def __init__(self, name: str, target: Callable[..., Any], *args: Any) -> None:
        super().__init__(name=name, target=target, args=args, daemon=True)
        self._started = _Unawaited()


class _Unawaited(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:
        return True


def interrupt(threads: Iterable[threading.Thread]) -> None:
    """Raise KeyboardInterrupt in threads, each at its next Python instruction.

    So Ctrl-C in a notebook does not leave a step computing there; only one that sleeps,
    or waits for a network, goes on until it wakes.
    """
    import ctypes

    for thread in threads:
        if thread.is_alive() and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
            )
