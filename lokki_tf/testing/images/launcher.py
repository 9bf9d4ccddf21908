"""Start programs of images, in containers or as processes, and stop them at the end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from lokki_tf.testing.images.containers import Containers
from lokki_tf.testing.images.forking import Forks
from lokki_tf.testing.images.processes import ENVIRONMENT, Process
from lokki_tf.testing.images.programs import CannotStart, Lines, Program, Running
from lokki_tf.testing.images.registry import Registry


class Launcher:
    """Starts programs of images.

    The first that is possible: a container if the Docker API has the image locally, a process if
    the image's folder is registered, a container after pulling the image.

    Args:
        owner: The value of the containers' label.
        containers: Whether to use a Docker API.
    """

    def __init__(self, owner: str, *, containers: bool = True) -> None:
        self.registry = Registry()
        self._containers = Containers(owner) if containers else None
        self._forks = Forks(ENVIRONMENT)
        self._closed = False
        self._running: set[Running] = set()
        self._lock = Lock()

    def start(self, program: Program, lines: Lines) -> Running:
        """Start a program.

        Args:
            program: The program.
            lines: Receives the program's output.

        Raises:
            CannotStart: If the image is not available or the program does not start.
        """
        running = self._start(program, lines)
        with self._lock:
            self._running.add(running)
            closed = self._closed
        if closed:
            running.stop(grace=0)
            raise CannotStart("the local AWS was closed")
        return running

    def forget(self, running: Running) -> None:
        """Record that a program has ended."""
        with self._lock:
            self._running.discard(running)

    def close(self) -> None:
        """Stop all programs."""
        with self._lock:
            self._closed = True
            left = list(self._running)
            self._running.clear()
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda running: running.stop(grace=0), left))
        self._forks.close()

    def _start(self, program: Program, lines: Lines) -> Running:
        containers = self._containers
        if containers is not None and containers.has(program.image):
            return containers.start(program, lines)
        folder = self.registry.find(program.image)
        if folder is not None:
            return Process(program, folder, lines, self._forks)
        if containers is None or not containers.available:
            raise CannotStart(
                f"CannotPullContainerError: {program.image} is not available: no Docker API was "
                "found, and no folder is registered for the image with register_image()"
            )
        containers.pull(program.image)
        return containers.start(program, lines)
