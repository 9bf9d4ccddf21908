"""A pool of idle worker processes, shared by functions with the same code and settings."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Condition

from lokki_tf.testing.functions.sandboxes import Sandbox
from lokki_tf.testing.functions.workers import ForkServer, Recipe, Worker
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.images.programs import Program


class Pool:
    """Worker processes, each borrowed for one event at a time.

    Args:
        sdk: The folder with the packages of Lambda's runtime.
        launcher: Starts the programs of images.
        most: The largest number of processes at a time.
    """

    def __init__(self, sdk: Path, launcher: Launcher, most: int = 64) -> None:
        self._fork_server = ForkServer(sdk)
        self._launcher = launcher
        self._most = most
        self._count = 0
        self._idle: OrderedDict[int, Worker | Sandbox] = OrderedDict()
        self._free = Condition()

    def borrow(self, recipe: Recipe | Program) -> tuple[Worker | Sandbox, bool]:
        """Return a worker for a recipe, and whether it is new, so that it must be set up.

        The call waits while the largest number of processes is busy.

        Raises:
            CannotStart: If the program of an image cannot be started.
        """
        # Only outside of the lock is anything done that lets other threads run: those that call
        # functions at the same time would all wait for each other.
        while True:
            worker = self._taken(recipe)
            if worker is None:
                break
            if worker.recipe != recipe:  # its place is taken by a new one
                worker.close()
                break
            if not worker.ended:
                return worker, False
            worker.close()
            self.lost()
        try:
            if isinstance(recipe, Program):
                return Sandbox(self._launcher, recipe), True
            return Worker(self._fork_server, recipe), True
        except BaseException:
            self.lost()
            raise

    def _taken(self, recipe: Recipe | Program) -> Worker | Sandbox | None:
        """Return an idle worker: one for the recipe, else None if there may be one more.

        Else the one that has been idle for the longest time.
        """
        with self._free:
            while True:
                found = (each for each in reversed(self._idle.values()) if each.recipe == recipe)
                worker = next(found, None)
                if worker is not None:
                    return self._idle.pop(id(worker))
                if self._count < self._most:
                    self._count += 1
                    return None
                if self._idle:
                    return self._idle.popitem(last=False)[1]
                self._free.wait()

    def give_back(self, worker: Worker | Sandbox) -> None:
        """Return a worker to the pool for the next event."""
        with self._free:
            self._idle[id(worker)] = worker
            self._free.notify()

    def lost(self) -> None:
        """Record that a borrowed worker has ended."""
        with self._free:
            self._count -= 1
            self._free.notify()

    def clear(self) -> None:
        """Stop all idle workers."""
        with self._free:
            while self._idle:
                self._idle.popitem()[1].close()
                self._count -= 1

    def close(self) -> None:
        """Stop the fork server and with it all worker processes."""
        self._fork_server.close()
