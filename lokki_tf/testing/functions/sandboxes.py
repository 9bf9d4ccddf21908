"""Run the programs of functions with container images, which use Lambda's Runtime API."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from lokki_tf.testing.functions.deployed import Call, Function, new_stream
from lokki_tf.testing.functions.runtime_api import RuntimeApi, Said
from lokki_tf.testing.functions.workers import Answer, TookTooLong, WorkerDied
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.images.programs import Program

_POLL_SECONDS = 0.02
_SIGNALS = 128
"""An exit code above this value is the sum of this value and the number of a signal."""


class Sandbox:
    """The running program of an image, with the same methods as ``Worker``.

    Args:
        launcher: Starts the program.
        recipe: The program.

    Raises:
        CannotStart: If the program cannot be started.
    """

    def __init__(self, launcher: Launcher, recipe: Program) -> None:
        self.recipe = recipe
        self._launcher = launcher
        self._lines: list[str] = []
        self._lock = Lock()
        version = recipe.environment.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        self._stream = new_stream(version)
        self._api = RuntimeApi()
        own = {
            "AWS_LAMBDA_LOG_STREAM_NAME": self._stream,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }
        try:
            program = replace(recipe, environment={**recipe.environment, **own})
            self._running = launcher.start(program, self._print)
        except BaseException:
            self._api.close()
            raise

    def set_up(self, timeout: float) -> Answer:
        """Wait until the program requests its first event.

        Raises:
            WorkerDied: If the program ended.
            TookTooLong: If the timeout was exceeded.
        """
        deadline = time.monotonic() + timeout
        while not self._api.asked(_POLL_SECONDS):
            self._check(deadline)
        said = self._api.said(0)
        failed = said is not None
        return Answer(failed, _description(said) if said else b"", self._log())

    def call(self, call: Call) -> Answer:
        """Let the program handle one event.

        Raises:
            WorkerDied: If the program ended.
            TookTooLong: If the timeout was exceeded.
        """
        timeout = call.function.timeout
        deadline = time.monotonic() + timeout
        self._api.offer(call.request_id, call.function.arn, time.time() + timeout, call.event)
        while (said := self._api.said(_POLL_SECONDS)) is None:
            self._check(deadline)
        return Answer(said.failed, said.body, self._log())

    @property
    def ended(self) -> bool:
        """Whether the program ended while it was idle."""
        return self._running.wait(0) is not None

    def stream_of(self, function: Function) -> str:
        """Return the log stream of the program, which is the same for all its functions."""
        return self._stream

    def close(self) -> int:
        """Stop the program and return its exit status."""
        code = self._running.stop(grace=0)
        self._launcher.forget(self._running)
        self._api.close()
        return code

    def _check(self, deadline: float) -> None:
        code = self._running.wait(0)
        if code is not None and self._api.said(0) is None:
            self.close()
            raise WorkerDied(_SIGNALS - code if code > _SIGNALS else code, self._log())
        if time.monotonic() > deadline:
            self.close()
            raise TookTooLong(self._log())

    def _print(self, lines: Sequence[str]) -> None:
        with self._lock:
            self._lines += lines

    def _log(self) -> str:
        self._running.settle()
        with self._lock:
            lines, self._lines = self._lines, []
        return "".join(f"{line}\n" for line in lines)


def _description(said: Said) -> bytes:
    """Return the JSON of an error that the program posted before its first event."""
    try:
        json.loads(said.body)["errorType"]
    except (ValueError, KeyError, TypeError):
        text = said.body.decode("utf-8", "replace")
        return json.dumps({"errorType": "Runtime.Unknown", "errorMessage": text}).encode()
    return said.body
