"""Invoke functions as Lambda does: process reuse, time limits, error messages and log lines.

The stages: make a recipe of the function's code and settings, borrow a worker for the recipe, let
it handle the event, write the log, return the outcome.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from uuid import uuid4

from lokki_tf.testing.functions.bundles import Bundles
from lokki_tf.testing.functions.deployed import (
    Call,
    Function,
    Outcome,
    image_variables,
    zip_variables,
)
from lokki_tf.testing.functions.pool import Pool
from lokki_tf.testing.functions.sandboxes import Sandbox
from lokki_tf.testing.functions.workers import Answer, Recipe, TookTooLong, Worker, WorkerDied
from lokki_tf.testing.images.launcher import Launcher
from lokki_tf.testing.images.programs import Program

REQUEST_BYTES = 6_291_456
RESPONSE_BYTES = 6_291_556
_INIT_SECONDS = 60.0
"""Lambda allows 10 s. A busy computer that runs tests may need more."""
_ASCII_RUNTIMES = ("python3.8", "python3.9", "python3.10", "python3.11")
"""Runtimes that write JSON in ASCII. Later ones write UTF-8."""


_IMPORT_ERRORS = ("Runtime.ImportModuleError", "ImportError", "ModuleNotFoundError")

LogSink = Callable[[Function, str, Sequence[str]], None]
"""Writes a log. The arguments: the function, the log stream, the lines."""


class Runner:
    """Invokes functions.

    Args:
        environment: The environment variables of all functions: region, credentials, endpoint.
        sink: Writes the log of an invocation.
        launcher: Starts the programs of images.
        most: The largest number of worker processes at a time.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        sink: LogSink,
        launcher: Launcher,
        most: int = 64,
    ) -> None:
        self._environment = dict(environment)
        self._sink = sink
        self._bundles = Bundles()
        self._pool = Pool(self._bundles.sdk, launcher, most)
        self._recipes: dict[tuple[object, ...], Recipe] = {}
        self._latest: dict[str, tuple[Function, Recipe]] = {}
        self._lock = Lock()

    def invoke(self, function: Function, event: bytes) -> Outcome:
        """Invoke a function with an event and wait for the outcome.

        Raises:
            CannotStart: If the function's image is not available.
        """
        call = _Call(function, event, str(uuid4()))
        worker, new = self._pool.borrow(self._program(function) or self._recipe(function))
        call.stream = worker.stream_of(function)
        try:
            outcome = self._run(call, worker, new)
        except WorkerDied as end:
            self._pool.lost()
            outcome = call.died(end)
        except TookTooLong as end:
            self._pool.lost()
            outcome = call.timed_out(end.log)
        self._sink(function, call.stream, outcome.log.splitlines())
        return outcome

    def clear(self) -> None:
        """Remove all recipes and stop all idle workers."""
        self._pool.clear()
        with self._lock:
            self._recipes.clear()
            self._latest.clear()

    def close(self) -> None:
        """Stop all workers and delete the unpacked code."""
        self._pool.close()
        self._bundles.close()

    def _run(self, call: _Call, worker: Worker | Sandbox, new: bool) -> Outcome:
        log = ""
        if new:
            loaded = worker.set_up(_INIT_SECONDS)
            log = loaded.log
            if loaded.failed:
                worker.close()
                self._pool.lost()
                body = _with_pythons(call.function, call.with_id(loaded.body))
                return call.finished(Answer(True, body, log))
        call.begin()
        answer = worker.call(call)
        self._pool.give_back(worker)
        body = _with_pythons(call.function, answer.body) if answer.failed else answer.body
        return call.finished(Answer(answer.failed, body, log + answer.log))

    def _program(self, function: Function) -> Program | None:
        image = function.image
        if image is None:
            return None
        own = {**image_variables(function), "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group}
        return Program(
            image.uri,
            image.command,
            {**self._environment, **function.credentials, **own, **function.environment},
            image.entry_point,
            image.working_directory,
        )

    def _recipe(self, function: Function) -> Recipe:
        known, recipe = self._latest.get(function.arn, (None, None))
        if recipe is None or known != function:
            recipe = self._recipe_of(function)
            self._latest[function.arn] = function, recipe
        return recipe

    def _recipe_of(self, function: Function) -> Recipe:
        own = {**function.credentials, **zip_variables(function)}
        variables = {**self._environment, **own, **function.environment}
        environment = tuple(sorted(variables.items()))
        contents = (hash(function.code), tuple(hash(layer) for layer in function.layers))
        key = (*contents, function.handler, function.runtime, function.memory_size, environment)
        with self._lock:
            if key not in self._recipes:
                self._recipes[key] = self._new_recipe(function, environment)
            return self._recipes[key]

    def _new_recipe(self, function: Function, environment: tuple[tuple[str, str], ...]) -> Recipe:
        code = self._bundles.code(function.code)
        layers = self._bundles.layers(function.layers)
        path = tuple(self._bundles.search_path(code, layers))
        task_root = (
            ("LAMBDA_TASK_ROOT", str(code)),
            ("LAMBDA_RUNTIME_DIR", str(self._bundles.sdk)),
        )
        return Recipe(
            function.handler,
            str(code),
            path,
            environment + task_root,
            function.runtime in _ASCII_RUNTIMES,
            function.memory_size,
        )


def _with_pythons(function: Function, description: bytes) -> bytes:
    """Add both Python versions to an import error that a different version may have caused.

    Compiled modules of packages are built for one Python version. The local AWS runs all functions
    with its own version.
    """
    here, there = f"python{sys.version_info[0]}.{sys.version_info[1]}", function.runtime
    error = json.loads(description)
    compiled = any(b".so" in content for content in (function.code, *function.layers))
    if here == there or not compiled or error["errorType"] not in _IMPORT_ERRORS:
        return description
    error["errorMessage"] += (
        f" (the function's runtime is {there}, but the local AWS runs {here}, which cannot import "
        f"modules that were compiled for {there}; run the local AWS with {there})"
    )
    return json.dumps(error).encode()


@dataclass
class _Call(Call):
    """One invocation that is running."""

    _begun: float = field(default_factory=time.monotonic, init=False)

    def begin(self) -> None:
        """Start to measure the duration, after the function's module was loaded."""
        self._begun = time.monotonic()

    def with_id(self, description: bytes) -> bytes:
        """Add the request's id to the JSON of an error."""
        return json.dumps({**json.loads(description), "requestId": self.request_id}).encode()

    def finished(self, answer: Answer) -> Outcome:
        """Return the outcome for a worker's answer."""
        if len(answer.body) > RESPONSE_BYTES:
            message = (
                "Response payload size exceeded maximum allowed "
                f"payload size ({RESPONSE_BYTES} bytes)."
            )
            return self._failed("Function.ResponseSizeTooLarge", message, answer.log)
        error = "Unhandled" if answer.failed else None
        return Outcome(answer.body, error, self._framed(answer.log), self.request_id)

    def timed_out(self, log: str) -> Outcome:
        """Return the outcome for a function that exceeded its time limit."""
        said = f"Error: Task timed out after {self.function.timeout:.2f} seconds"
        return self._failed("Sandbox.Timedout", f"RequestId: {self.request_id} {said}", log)

    def died(self, end: WorkerDied) -> Outcome:
        """Return the outcome for a function whose process has ended."""
        how = f"exit status {end.status}" if end.status >= 0 else "signal: killed"
        said = f"Error: Runtime exited with error: {how}"
        kind = "Runtime.ExitError"
        return self._failed(kind, f"RequestId: {self.request_id} {said}", end.log)

    def _failed(self, kind: str, message: str, log: str) -> Outcome:
        payload = json.dumps({"errorType": kind, "errorMessage": message}).encode()
        log = f"{log.rstrip()}\n{message}" if log.strip() else message
        return Outcome(payload, "Unhandled", self._framed(log), self.request_id)

    def _framed(self, log: str) -> str:
        took = (time.monotonic() - self._begun) * 1000
        start = f"START RequestId: {self.request_id} Version: {self.function.version}"
        report = (
            f"REPORT RequestId: {self.request_id}\tDuration: {took:.2f} ms\t"
            f"Billed Duration: {int(took) + 1} ms\tMemory Size: {self.function.memory_size} MB\t"
        )
        lines = [start, *log.splitlines(), f"END RequestId: {self.request_id}", report]
        return "\n".join(lines)
