"""Run programs of images in containers, through a Docker API such as that of podman."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any

from lokki_tf.testing.images.programs import GRACE_SECONDS, CannotStart, Lines, Program, Running

_PING_SECONDS = 5
_REQUEST_SECONDS = 3600
"""The request that waits for a container's end takes as long as the container runs."""
_SETTLE_SECONDS = 0.05
_LABEL = "lokki_tf.local_aws"


class Containers:
    """Starts containers through the Docker API that the environment variables configure.

    Args:
        owner: The value of the containers' label.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._found: Any = None
        self._looked = False
        self._lock = Lock()

    @property
    def available(self) -> bool:
        """Whether a Docker API is available."""
        return self._client is not None

    def has(self, image: str) -> bool:
        """Return whether the Docker API has an image locally."""
        if not self.available:
            return False
        from docker.errors import APIError, ImageNotFound

        try:
            self._client.images.get(image)
        except (ImageNotFound, APIError):
            return False
        return True

    def pull(self, image: str) -> None:
        """Pull an image from its registry.

        Raises:
            CannotStart: If the image cannot be pulled.
        """
        from docker.errors import APIError, DockerException

        try:
            self._client.images.pull(image)
        except APIError as error:
            said = error.explanation or error
            raise CannotStart(f"CannotPullContainerError: {said}") from None
        except DockerException as error:
            raise CannotStart(f"CannotPullContainerError: {error}") from None

    def start(self, program: Program, lines: Lines) -> Running:
        """Start a program.

        Raises:
            CannotStart: If the Docker API responds with an error.
        """
        from docker.errors import APIError

        try:
            # The container needs the host's network, because the local AWS listens on loopback.
            container = self._client.containers.create(
                program.image,
                command=None if program.command is None else list(program.command),
                entrypoint=None if program.entry_point is None else list(program.entry_point),
                environment=dict(program.environment),
                working_dir=program.working_directory,
                network_mode="host",
                labels={_LABEL: self._owner},
            )
            return Container(container, lines)
        except APIError as error:
            said = error.explanation or error
            raise CannotStart(f"CannotStartContainerError: {said}") from None

    @property
    def _client(self) -> Any:
        with self._lock:
            if not self._looked:
                self._looked = True
                self._found = _connect()
            return self._found


def _connect() -> Any:
    try:
        import docker
        from docker.errors import DockerException
    except ImportError:
        return None
    try:
        docker.from_env(timeout=_PING_SECONDS).ping()
        return docker.from_env(timeout=_REQUEST_SECONDS)
    except (DockerException, OSError):
        return None


class Container:
    """A program that runs in a container.

    Args:
        container: The container object of the Docker SDK.
        lines: Receives the program's output.
    """

    def __init__(self, container: Any, lines: Lines) -> None:
        self._container = container
        self._lines = lines
        self._code: int | None = None
        self._ended = Event()
        self._gone = Event()
        try:
            # Attach before the start, to receive the whole output.
            output = container.attach(stream=True, logs=True)
            container.start()
        except Exception:
            container.remove(force=True)
            raise
        self._reader = Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()
        Thread(target=self._watch, daemon=True).start()

    def wait(self, seconds: float) -> int | None:
        """Wait for the program's end and return its exit code; None after a timeout."""
        return self._code if self._ended.wait(seconds) else None

    def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Send SIGTERM, after a grace period SIGKILL, and return the exit code."""
        from docker.errors import APIError

        with suppress(APIError):  # the container may already have ended
            self._container.stop(timeout=int(grace))
        self._gone.wait()
        assert self._code is not None
        return self._code

    def settle(self) -> None:
        """Wait until the output so far has most likely been passed to ``lines``."""
        self._ended.wait(_SETTLE_SECONDS)

    def _watch(self) -> None:
        try:
            self._code = int(self._container.wait()["StatusCode"])
            self._reader.join(5)
        except Exception:  # the Docker API is unavailable, or the container was removed
            self._code = 255
        finally:
            self._ended.set()
            with suppress(Exception):
                self._container.remove(force=True)
            self._gone.set()

    def _read(self, output: Any) -> None:
        begun = b""
        for chunk in output:
            *whole, begun = (begun + chunk).split(b"\n")
            if whole:
                self._lines([line.decode("utf-8", "replace").rstrip("\r") for line in whole])
        if begun:
            self._lines([begun.decode("utf-8", "replace")])
