"""Start Python programs of images as forks of a process that has loaded boto3.

Starting an interpreter and loading boto3 with two of its services takes 0.5 s of processor time,
which most jobs need. ``forked_programs.py`` runs in the process that forks.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from lokki_tf.testing.settings import SDK_PACKAGES

_SCRIPT = Path(__file__).with_name("forked_programs.py")


class Forks:
    """The process that forks; it is started with the first program.

    Args:
        environment: Its environment variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def start(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> Fork:
        """Start a program.

        Args:
            arguments: The Python file and its arguments.
            folder: The working directory.
            environment: All of its environment variables.
            output: The file descriptor of its stdout and stderr.
        """
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
        }
        with self._lock:
            if self._channel is None:
                self._channel = self._started()
            return Fork(self._asked(request, [output]), self)

    def reap(self, pid: int) -> int:
        """Return the exit status of a program that has ended, as ``Popen`` does."""
        with self._lock:
            return self._asked({"reap": pid}, [])

    def close(self) -> None:
        """Stop all programs and the process."""
        with self._lock:
            if self._channel is not None and self._process is not None:
                self._channel.close()
                self._process.wait()

    def _started(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "utf8", str(_SCRIPT), str(theirs.fileno())],
                env=self._environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return ours

    def _asked(self, request: Mapping[str, object], fds: list[int]) -> int:
        assert self._channel is not None
        text = json.dumps(request).encode()
        socket.send_fds(self._channel, [struct.pack(">I", len(text))], fds)
        self._channel.sendall(text)
        answer = self._channel.recv(8, socket.MSG_WAITALL)
        if not answer:
            raise OSError("the process that starts programs has ended")
        found: int = struct.unpack(">q", answer)[0]
        return found


class Fork:
    """A running program, with the methods of ``Popen`` that are needed.

    Args:
        pid: Its process, which is the leader of a group.
        forks: What has started it.
    """

    def __init__(self, pid: int, forks: Forks) -> None:
        self.pid = pid
        self._forks = forks
        self._ended = os.pidfd_open(pid)
        self._lock = Lock()
        self._status: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the program's end and return its exit status.

        Args:
            timeout: The longest time to wait, in seconds.

        Raises:
            TimeoutExpired: If it is still running after that time.
        """
        if self._status is not None:
            return self._status
        poll = select.poll()
        poll.register(self._ended, select.POLLIN)
        if not poll.poll(None if timeout is None else timeout * 1000):
            raise subprocess.TimeoutExpired([], timeout or 0)
        with self._lock:
            if self._status is None:
                self._status = self._forks.reap(self.pid)
                os.close(self._ended)
        return self._status


def can_fork(arguments: Sequence[str], app: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a fork does the same as a new interpreter.

    It does not if the program is no Python file, has its own version of a package that is loaded,
    or sets variables that an interpreter reads when it starts.

    Args:
        arguments: The command line.
        app: The image's folder.
        environment: The program's own environment variables.
    """
    return (
        hasattr(os, "pidfd_open")
        and arguments[0] == sys.executable
        and len(arguments) > 1
        and arguments[1].endswith(".py")
        and not any(name.startswith("PYTHON") for name in environment)
        and not any(
            name.partition(".")[0] in SDK_PACKAGES
            for _, folders, files in os.walk(app)
            for name in (*folders, *files)
        )
    )
