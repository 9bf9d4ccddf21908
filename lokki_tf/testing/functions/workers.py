"""Start worker processes through a fork server, and exchange messages with them.

Each worker has a socket for messages and a pipe for its log.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from lokki_tf.testing.functions.deployed import Call, Function, new_stream

_HEAD = struct.Struct(">36sdII")
_ANSWER = struct.Struct(">?I")
_SHORT = 0.05
"""Seconds in which the log is not read while a worker handles an event, since it is complete when
the answer is sent. A pipe has 64 KiB, so a longer log needs a reader."""
_PIPE_BYTES = 1 << 16
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
        os.set_blocking(self._log, False)
        self._streams: dict[str, str] = {}
        self._called: tuple[Function, str] | None = None
        self.pid = fork_server.fork(theirs, log)
        theirs.close()
        os.close(log)
        self._answers, self._all = select.poll(), select.poll()
        for poll in (self._answers, self._all):
            poll.register(self._channel, select.POLLIN)
        self._all.register(self._log, select.POLLIN)

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
        self._send("", 0.0, json.dumps(setup).encode(), b"")
        return self._answer(timeout, mark=None)

    def call(self, call: Call) -> Answer:
        """Let the function handle one event.

        Raises:
            WorkerDied: If the process ended.
            TookTooLong: If the timeout was exceeded.
        """
        function, stream = call.function, call.stream
        described = b""
        if self._called != (function, stream):
            self._called = function, stream
            described = json.dumps(_described(function, stream)).encode()
        deadline = time.time() + function.timeout
        self._send(call.request_id, deadline, described, call.event)
        return self._answer(function.timeout, mark=f"\0{call.request_id}\0")

    @property
    def ended(self) -> bool:
        """Whether the process ended while it was idle."""
        return bool(self._answers.poll(0))

    def stream_of(self, function: Function) -> str:
        """Return the log stream of a function in this process."""
        stream = self._streams.get(function.name)
        if stream is None:
            stream = self._streams[function.name] = new_stream(function.version)
        return stream

    def kill(self) -> int:
        """Kill the process and return its exit status."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self.close()

    def close(self) -> int:
        """Close the connection, wait for the process to end, and return its exit status."""
        self._channel.close()
        os.close(self._log)
        status = self._fork_server.reap(self.pid)
        for folder in Path(self.recipe.code).parent.glob(f"tmp-{self.pid}-*"):
            shutil.rmtree(folder, ignore_errors=True)
        return status

    def _send(self, request_id: str, deadline: float, first: bytes, second: bytes) -> None:
        head = _HEAD.pack(request_id.encode(), deadline, len(first), len(second))
        try:
            self._channel.sendall(b"".join((head, first, second)))
        except OSError:
            raise WorkerDied(self.kill(), "") from None

    def _answer(self, timeout: float, mark: str | None) -> Answer:
        reading = _Reading(mark)
        deadline = time.monotonic() + timeout
        ready = self._answers.poll(min(timeout, _SHORT) * 1000)
        while True:
            if any(fd != self._log for fd, _ in ready):
                part = self._received()
                if not part:
                    reading.log += self._rest_of_log()
                    raise WorkerDied(self.close(), reading.log_text())
                reading.answer += part
            reading.log += self._rest_of_log()
            if reading.complete:
                return reading.result()
            ready = self._all.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                self.kill()
                raise TookTooLong(reading.log_text())

    def _received(self) -> bytes:
        """Return the bytes that have arrived; empty if the process has ended."""
        try:
            return self._channel.recv(1 << 20)
        except ConnectionResetError:
            return b""

    def _rest_of_log(self) -> bytes:
        """Return the part of the log that has arrived."""
        rest = b""
        with suppress(BlockingIOError):
            while part := os.read(self._log, _PIPE_BYTES):
                rest += part
                if len(part) < _PIPE_BYTES:
                    break
        return rest


class _Reading:
    """The received parts of an answer and of the log. The log ends with a mark."""

    def __init__(self, mark: str | None) -> None:
        self.answer = bytearray()
        self.log = bytearray()
        self._mark = None if mark is None else mark.encode()

    @property
    def complete(self) -> bool:
        if len(self.answer) < _ANSWER.size:
            return False
        whole = len(self.answer) >= _ANSWER.size + _ANSWER.unpack_from(self.answer)[1]
        return whole and (self._mark is None or self._mark in self.log)

    def log_text(self) -> str:
        text = bytes(self.log)
        if self._mark is not None:
            text = text.replace(self._mark, b"")
        return text.decode("utf-8", "replace")

    def result(self) -> Answer:
        failed, _ = _ANSWER.unpack_from(self.answer)
        return Answer(failed, bytes(self.answer[_ANSWER.size :]), self.log_text())


def _described(function: Function, stream: str) -> dict[str, object]:
    """Return a function's data for the context object and the environment of a worker."""
    return {
        "name": function.name,
        "version": function.version,
        "arn": function.arn,
        "memory_size": function.memory_size,
        "log_group": function.log_group,
        "log_stream": stream,
        "environment": {
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        },
    }
