"""Run programs of images as processes, from the folders that the images were built from."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread

from lokki_tf.testing.images.forking import Fork, Forks, can_fork
from lokki_tf.testing.images.programs import GRACE_SECONDS, KILLED, CannotStart, Lines, Program
from lokki_tf.testing.images.registry import ImageFolder

ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Output must reach the log even if the process is killed.
    "PYTHONUNBUFFERED": "1",
    "TZ": ":UTC",
}
"""All variables of a process, before those of the program: none are inherited."""
_PYTHONS = ("python", "python3")
_CHUNK = 1 << 16  # bytes that are read at once


class Process:
    """A program that runs as a process, with all its children in one group.

    Args:
        program: The program.
        folder: The folder that the image was built from.
        lines: Receives the program's output.
        forks: Starts Python programs.

    Raises:
        CannotStart: If the operating system cannot start the process.
    """

    def __init__(self, program: Program, folder: ImageFolder, lines: Lines, forks: Forks) -> None:
        self._output, theirs = os.pipe()
        try:
            self._process = _started(program, folder, theirs, forks)
        except OSError as error:
            os.close(self._output)
            raise CannotStart(f"CannotStartContainerError: {error}") from None
        finally:
            os.close(theirs)
        self._stopped = False
        self._reader = _Reader(self._output, lines)

    def wait(self, seconds: float) -> int | None:
        """Wait for the program's end and return its exit code; None after a timeout."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._signal(signal.SIGKILL)  # as in a container, child processes end as well
        self._reader.finish()
        return _exit_code(status, self._stopped)

    def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Send SIGTERM, after a grace period SIGKILL, and return the exit code."""
        code = self.wait(0)
        if code is None:
            self._stopped = True
            self._signal(signal.SIGTERM)
            code = self.wait(grace)
        if code is None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            code = self.wait(0)
        assert code is not None
        return code

    def settle(self) -> None:
        """Wait until the output so far has been passed to ``lines``."""
        self._reader.settle()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


class _Reader:
    """Reads a pipe in a thread and passes on the lines.

    Args:
        pipe: The end of the pipe to read from; it is closed at the end of the output.
        lines: Receives the lines.
    """

    def __init__(self, pipe: int, lines: Lines) -> None:
        self._pipe = pipe
        self._lines = lines
        self._lock = Lock()
        self._open = True
        self._begun = b""  # the last line, while its end has not been read
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Wait until the pipe contains nothing that has not been passed on."""
        while True:
            with self._lock:
                if not self._open or not select.select([self._pipe], [], [], 0)[0]:
                    return
            time.sleep(0.001)

    def finish(self) -> None:
        """Wait for the end of the output."""
        self._thread.join(5)

    def _read(self) -> None:
        while self._open:
            select.select([self._pipe], [], [])
            with self._lock:
                self._take(os.read(self._pipe, _CHUNK))

    def _take(self, chunk: bytes) -> None:
        """Pass on the lines that a chunk completes; an empty chunk is the end of the output."""
        *whole, self._begun = (self._begun + chunk).split(b"\n")
        if not chunk:
            os.close(self._pipe)
            self._open = False
            whole, self._begun = [self._begun] if self._begun else [], b""
        if whole:
            self._lines([line.decode("utf-8", "replace").rstrip("\r") for line in whole])


def _started(
    program: Program, folder: ImageFolder, output: int, forks: Forks
) -> subprocess.Popen[bytes] | Fork:
    """Start a process that is the leader of a group of processes."""
    arguments, directory = _arguments(program, folder), _directory(program, folder)
    environment = {**ENVIRONMENT, **program.environment}
    if can_fork(arguments, folder.app, program.environment):
        return forks.start(arguments[1:], directory, environment, output)
    return subprocess.Popen(
        arguments,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


def _arguments(program: Program, folder: ImageFolder) -> list[str]:
    """Return the command line: the program's own entry point, or the image's."""
    command = list(program.command or ())
    if program.entry_point is None:
        return [sys.executable, str(folder.app / folder.entry), *command]
    first, *rest = program.entry_point
    # The image's Python does not exist on this computer, so use the Python that runs the tests.
    return [sys.executable if Path(first).name in _PYTHONS else first, *rest, *command]


def _directory(program: Program, folder: ImageFolder) -> Path:
    """Return the working directory, which in the image's folder may not exist."""
    if program.working_directory is None:
        return folder.app
    inside = folder.app / program.working_directory.lstrip("/")
    return inside if inside.is_dir() else folder.app


def _exit_code(status: int, stopped: bool) -> int:
    """Return the exit code that a container would have.

    Args:
        status: The exit code of the process; negative, the number of the signal that ended it.
        stopped: Whether :meth:`Process.stop` has ended it.
    """
    if status >= 0:
        return status
    # SIGTERM ends this process, but not the first process of a container: AWS then sends SIGKILL.
    return KILLED if stopped else 128 - status
