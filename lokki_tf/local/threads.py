"""Runs tasks in threads, and in the calling thread.

A worker that ends a node continues with one that is ready, so a chain of nodes stays in one thread.
If more nodes are ready, it wakes a few other workers, and each of these wakes more. So there are as
many threads as steps that wait, but hardly any while steps compute without pause, since no other
thread could run anyway.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from .calls import interrupt
from .frames import clock
from .schedule import Schedule
from .tasks import Task
from .work import Work

MOST_THREADS = 256
MOST_CALLED = 8  # largest number of workers that are starting at once
# A worker that needs this many seconds to start has found another one computing, which holds the
# interpreter for five milliseconds. More workers are of little use then, so they are started
# slowly.
LATE = 0.004
# Except on POSIX, Ctrl-C does not interrupt a wait for a lock: wait in short intervals there.
_PIECE = None if os.name == "posix" else 0.25


class Threads:
    """One run in its own threads.

    The threads are daemons: after Ctrl-C the process does not wait for a step that sleeps.

    Args:
        work: The work of the run.
        limit: Largest number of tasks that run at once.
        borrow: Whether the calling thread executes tasks too. It must not if an event loop runs in
            it, because steps could then not start their own.
    """

    def __init__(self, work: Work, limit: int, *, borrow: bool) -> None:
        self._work = work
        self._schedule = Schedule(work.journal.root, sweeps=True)
        self._limit = limit
        self._borrow = borrow
        self._context = copy_context()
        self._error: BaseException | None = None
        self._helpers: list[threading.Thread] = []
        # Reentrant, since Ctrl-C may interrupt the code that holds it, which then ends the run. It
        # protects all attributes below.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._ended = threading.Condition(self._lock)
        self._over = False
        self._timers = self._schedule.timers
        self._watched: float | None = None  # when the idle worker that wakes first does so
        self._workers = int(borrow)
        self._idle = 0
        # Workers that were woken and have not yet looked for a task:
        self._woken = 0
        self._starting = 0
        self._called = clock()  # when the latest of them were woken
        self._late = False  # whether the latest one that started had to wait

    def run(self) -> None:
        """Run until all nodes have ended, or, after a failure, those that had begun.

        Raises:
            KeyboardInterrupt: Immediately, even if other threads are busy.
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
        """Execute tasks until none is left."""
        task = self._next(None)
        while task is not None:
            task.carry_out(self._work)
            task = self._next(task)

    def _help(self) -> None:
        try:
            self._take_part()
        except BaseException as error:  # KeyboardInterrupt in a step, or a bug here
            with self._lock:
                self._error = self._error or error
                self._finish()

    def _next(self, ended: Task | None) -> Task | None:
        """Return the next task for this worker; wait for it.

        Args:
            ended: The task that it has just executed.
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
        """Wake workers for the remaining tasks; return how many to start in addition."""
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
            except RuntimeError:  # no more threads are allowed: continue with fewer
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
        """End without waiting: idle threads end, busy ones as soon as they can."""
        self._work.journal.root.stopped = True
        with self._lock:
            self._finish()
        if self._helpers:
            interrupt(self._helpers)


class Helper(threading.Thread):
    """A thread whose start does not wait until it runs.

    That wait costs two thread switches, which are milliseconds on a busy computer. In a Python
    whose threads have no ``_started``, they start as usual.
    """

    def __init__(self, name: str, target: Callable[..., Any], *args: Any) -> None:
        super().__init__(name=name, target=target, args=args, daemon=True)
        self._started = _Unawaited()


class _Unawaited(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:
        return True
