"""Runs tasks in threads, and in the thread that called.

Each worker that ends a node goes on with one that is ready, so a chain never changes its
thread. Where more is ready, it calls a few others, and each of these, once it has come,
calls more: as many threads come to be as there are steps that wait, and while steps
compute without pause (so that no other thread could run anyway) hardly any do.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from .frames import clock
from .schedule import Schedule
from .tasks import Task
from .work import Work

MOST_THREADS = 256
MOST_CALLED = 8  # workers on their way at once
# Seconds after which a worker that comes has found another computing, which lets nobody
# else run for five milliseconds. More workers are of little use then, so they come slowly.
LATE = 0.004
# Elsewhere than on POSIX, Ctrl-C does not end a wait for a lock: wait in pieces there.
_PIECE = None if os.name == "posix" else 0.25


class Threads:
    """One run in threads of its own.

    The threads are daemons: after Ctrl-C nobody waits for a step that sleeps.

    Args:
        work: What is called.
        limit: Most tasks that run at once.
        borrow: Whether the calling thread carries out tasks too. It must not where an event loop
            runs in it, or steps could not start one of their own.
    """

    def __init__(self, work: Work, limit: int, *, borrow: bool) -> None:
        self._work = work
        self._schedule = Schedule(work.journal.root, sweeps=True)
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
        self._timers = self._schedule.timers
        self._watched: float | None = None  # until when some idle worker sleeps at most
        self._workers = int(borrow)
        self._idle = 0
        # Workers on their way, who have not yet looked what there is to do:
        self._woken = 0
        self._starting = 0
        self._called = clock()  # when the latest of them were
        self._late = False  # whether the latest who came had to wait

    def run(self) -> None:
        """Run until all has ended, or until that has which ran when a node failed.

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
        """Carry out tasks until none is left."""
        task = self._next(None)
        while task is not None:
            task.carry_out(self._work)
            task = self._next(task)

    def _help(self) -> None:
        try:
            self._take_part()
        except BaseException as error:  # KeyboardInterrupt in a step, or a fault of ours
            with self._lock:
                self._error = self._error or error
                self._finish()

    def _next(self, ended: Task | None) -> Task | None:
        """What this worker carries out next; waits for it.

        Args:
            ended: What it has just carried out.
        """
        with self._lock:
            if ended is not None:
                ended.settle(self._schedule)
            elif self._starting:
                self._starting -= 1
                self._arrive()
            task = self._pick()
            new = self._call_others()
        if new:
            self._start_helpers(new)
        return task

    def _pick(self) -> Task | None:
        while not self._over:
            task = self._schedule.pick()
            if task is not None:
                return task
            if self._schedule.is_over:
                self._finish()
                return None
            self._sleep()
        return None

    def _sleep(self) -> None:
        """Wait until something changes, or until the next retry is due."""
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
                self._arrive()
            if self._watched == due:
                self._watched = None

    def _arrive(self) -> None:
        self._late = clock() - self._called > LATE

    def _is_unwatched(self, due: float | None) -> bool:
        return due is not None and (self._watched is None or due < self._watched)

    def _call_others(self) -> int:
        """Wake workers for what is left to do; returns how many to start besides."""
        if self._over:
            return 0
        wanted = self._schedule.room(1 if self._late else MOST_CALLED)
        if not wanted and self._timers:
            wanted = int(self._is_unwatched(self._timers.earliest()))
        wanted -= self._woken + self._starting
        if wanted <= 0:
            return 0
        self._called = clock()
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
        self._work.journal.root.stopped = True
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
