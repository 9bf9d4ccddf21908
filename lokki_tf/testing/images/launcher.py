"""Starts programs of images: in containers where they can be had, else as processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from lokki_tf.testing.images.containers import Containers
from lokki_tf.testing.images.processes import Process
from lokki_tf.testing.images.programs import CannotStart, Lines, Program, Running
from lokki_tf.testing.images.registry import Registry


class Launcher:
    """Starts programs and ends those that are left.

    An image that the Docker engine has runs in a container. Else the folder that the image is made
    of will do. What is neither here nor there is pulled.

    Args:
        owner: what the label of its containers says.
        containers: whether to look for a Docker API.
    """

    def __init__(self, owner: str, *, containers: bool = True) -> None:
        self.registry = Registry()
        self._containers = Containers(owner) if containers else None
        self._closed = False
        self._running: set[Running] = set()
        self._lock = Lock()

    def start(self, program: Program, lines: Lines) -> Running:
        """Start a program.

        Args:
            program: what to run.
            lines: where its output goes.

        Raises:
            CannotStart: if its image cannot be had, or refuses to start.
        """
        running = self._start(program, lines)
        with self._lock:
            self._running.add(running)
            closed = self._closed
        if closed:
            running.stop(grace=0)
            raise CannotStart("The local AWS has ended")
        return running

    def forget(self, running: Running) -> None:
        """Say that a program has ended."""
        with self._lock:
            self._running.discard(running)

    def close(self) -> None:
        """End all programs."""
        with self._lock:
            self._closed = True
            left = list(self._running)
            self._running.clear()
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda running: running.stop(grace=0), left))

    def _start(self, program: Program, lines: Lines) -> Running:
        containers = self._containers
        if containers is not None and containers.has(program.image):
            return containers.start(program, lines)
        folder = self.registry.find(program.image)
        if folder is not None:
            return Process(program, folder, lines)
        if containers is None or not containers.available:
            raise CannotStart(
                f"CannotPullContainerError: {program.image} is not found: no Docker API answers, "
                "and no folder is registered for it with register_image()"
            )
        containers.pull(program.image)
        return containers.start(program, lines)
