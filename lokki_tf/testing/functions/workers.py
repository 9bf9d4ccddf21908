"""Start worker processes through a fork server, and exchange messages with them.

Each worker has a socket for messages and a pipe for its log.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

_HEAD = struct.Struct(">II")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


class WorkerDied(Exception):
    """The process ended before it answered.

    Args:
        status: The exit status; negative for a signal.
        log: The output of the process.
    """

    def __init__(self, status: int, log: str) -> None:
        super().__init__(f"exit status {status}")
        self.status = status
        self.log = log


class TookTooLong(Exception):
    """The worker did not answer in time and was killed.

    Args:
        log: The output of the process.
    """

    def __init__(self, log: str) -> None:
        super().__init__()
        self.log = log


@dataclass(frozen=True)
class Recipe:
    """The code and settings of a worker. Functions with equal recipes share workers.

    Args:
        handler: The handler as ``module.function``.
        code: The folder of the unpacked zip.
        path: The entries of ``sys.path`` before the standard library.
        environment: The environment variables of the process.
        ascii: Whether the runtime writes JSON in ASCII only.
        memory_size: The function's memory in MB.
    """

    handler: str
    code: str
    path: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    ascii: bool
    memory_size: int


@dataclass(frozen=True)
class Answer:
    """A worker's answer to one message.

    Args:
        failed: Whether the body is the JSON of an error.
        body: The JSON of the result or of the error.
        log: The output of the worker since the message before.
    """

    failed: bool
    body: bytes
    log: str


class ForkServer:
    """The process that forks workers.

    Args:
        sdk: The folder with the packages of Lambda's runtime.
    """

    def __init__(self, sdk: Path) -> None:
        self._channel, theirs = socket.socketpair()
        self._lock = Lock()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", "-X", "utf8"),
                *(str(_BOOTSTRAP), str(theirs.fileno()), str(sdk)),
            ],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    def fork(self, control: socket.socket, log: int) -> int:
        """Start a worker and return its process id.

        Args:
            control: The worker's end of the socket for messages.
            log: The file descriptor of the worker's stdout and stderr.
        """
        with self._lock:
            socket.send_fds(self._channel, [b"fork".ljust(64)], [control.fileno(), log])
            return self._number()

    def reap(self, pid: int) -> int:
        """Wait for a worker that is ending, and return its exit status."""
        with self._lock:
            self._channel.sendall(f"reap {pid}".encode().ljust(64))
            return self._number()

    def close(self) -> None:
        """Stop the fork server and with it all workers."""
        self._channel.close()
        self._process.wait()

    def _number(self) -> int:
        found: int = struct.unpack(">q", self._channel.recv(8, socket.MSG_WAITALL))[0]
        return found


class Worker:
    """One worker process."""

    def __init__(self, fork_server: ForkServer, recipe: Recipe) -> None:
        self.recipe = recipe
        self._fork_server = fork_server
        self._channel, theirs = socket.socketpair()
        self._log, log = os.pipe()
        self._streams: dict[str, str] = {}
        self.pid = fork_server.fork(theirs, log)
        theirs.close()
        os.close(log)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._log, selectors.EVENT_READ)

    def set_up(self, timeout: float) -> Answer:
        """Load the function's module.

        Raises:
            WorkerDied: If the process ended.
            TookTooLong: If the timeout was exceeded.
        """
        setup = {
            "handler": self.recipe.handler,
            "code": self.recipe.code,
            "path": self.recipe.path,
            "environment": dict(self.recipe.environment),
            "ascii": self.recipe.ascii,
        }
        self._send(setup, b"")
        return self._answer(timeout, mark=None)

    def call(self, header: Mapping[str, Any], event: bytes, timeout: float) -> Answer:
        """Let the function handle one event.

        Raises:
            WorkerDied: If the process ended.
            TookTooLong: If the timeout was exceeded.
        """
        self._send(header, event)
        return self._answer(timeout, mark=header["mark"])

    @property
    def ended(self) -> bool:
        """Whether the process ended while it was idle."""
        return any(key.fd != self._log for key, _ in self._selector.select(0))

    def stream_of(self, function: str, new: str) -> str:
        """Return the log stream of a function in this process; at the first call it is ``new``."""
        return self._streams.setdefault(function, new)

    def kill(self) -> int:
        """Kill the process and return its exit status."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self.close()

    def close(self) -> int:
        """Close the connection, wait for the process to end, and return its exit status."""
        self._selector.close()
        self._channel.close()
        os.close(self._log)
        status = self._fork_server.reap(self.pid)
        for folder in Path(self.recipe.code).parent.glob(f"tmp-{self.pid}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        return status

    def _send(self, header: Mapping[str, Any], body: bytes) -> None:
        text = json.dumps(header).encode()
        try:
            self._channel.sendall(_HEAD.pack(len(text), len(body)) + text + body)
        except OSError:
            raise WorkerDied(self.kill(), "") from None

    def _answer(self, timeout: float, mark: str | None) -> Answer:
        reading = _Reading(mark)
        deadline = time.monotonic() + timeout
        while not reading.complete:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                self.kill()
                raise TookTooLong(reading.log_text())
            for key, _ in ready:
                if key.fd == self._log:
                    reading.log += os.read(self._log, 1 << 16)
                elif part := self._received():
                    reading.answer += part
                else:
                    reading.log += self._rest_of_log()
                    raise WorkerDied(self.close(), reading.log_text())
        return reading.result()

    def _received(self) -> bytes:
        """Return the bytes that have arrived; empty if the process has ended."""
        try:
            return self._channel.recv(1 << 20)
        except ConnectionResetError:
            return b""

    def _rest_of_log(self) -> bytes:
        os.set_blocking(self._log, False)
        rest = b""
        with suppress(BlockingIOError):
            while part := os.read(self._log, 1 << 16):
                rest += part
        return rest


class _Reading:
    """The received parts of an answer and of the log. The log ends with a mark."""

    def __init__(self, mark: str | None) -> None:
        self.answer = bytearray()
        self.log = bytearray()
        self._mark = None if mark is None else mark.encode()

    @property
    def complete(self) -> bool:
        if len(self.answer) < _HEAD.size:
            return False
        header, body = _HEAD.unpack_from(self.answer)
        whole = len(self.answer) >= _HEAD.size + header + body
        return bool(whole and (self._mark is None or self._mark in self.log))

    def log_text(self) -> str:
        text = bytes(self.log)
        if self._mark is not None:
            text = text.replace(self._mark, b"")
        return text.decode("utf-8", "replace")

    def result(self) -> Answer:
        header, _ = _HEAD.unpack_from(self.answer)
        begin = _HEAD.size + header
        fields = json.loads(self.answer[_HEAD.size : begin])
        return Answer(fields["failed"], bytes(self.answer[begin:]), self.log_text())
