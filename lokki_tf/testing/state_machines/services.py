"""The interface between the interpreter and the account: services and callbacks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event, Lock
from time import monotonic
from typing import Any, Protocol
from uuid import uuid4

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.values import Json


@dataclass(frozen=True)
class Invocation:
    """The response of Lambda to an invocation.

    Args:
        payload: The JSON that the function returned, or that of its error.
        error: ``Unhandled`` if the function failed, otherwise None.
        version: The version of the function that ran.
        request_id: The id of the invocation.
        status: The HTTP status.
        log_tail: The last 4 KB of the invocation's log.
    """

    payload: bytes
    error: str | None = None
    version: str = "$LATEST"
    request_id: str = ""
    status: int = 200
    log_tail: bytes = b""


class ServiceError(Exception):
    """A service responded to a request with an error.

    Args:
        code: The error code, such as ``ResourceNotFoundException``.
        message: The error message of the service.
        status: The HTTP status.
        request_id: The id of the request.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, request_id: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class Services(Protocol):
    """The services of the account that tasks and Distributed Maps use."""

    @property
    def region(self) -> str:
        """The region's name."""

    def invoke(
        self, function: str, payload: bytes, *, qualifier: str | None = None, kind: str
    ) -> Invocation:
        """Invoke a Lambda function by name or ARN; ``kind`` is ``RequestResponse`` or ``Event``.

        Raises:
            ServiceError: If Lambda responds with an error.
        """

    def authorize(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Check a permission that Step Functions needs without making a visible API request.

        Raises:
            ServiceError: If the policies of the state machine's role do not allow the action.
        """

    def ending(self, service: str, resource: str) -> Event | None:
        """Return an event that is set when a job or execution has ended.

        Args:
            service: The service of the job or execution.
            resource: The id of the job or the ARN of the execution.

        Returns:
            The event, or None if the caller must poll the status.
        """

    def client(self, service: str) -> Any:
        """Return a boto3 client with the credentials of the state machine's role."""


@dataclass
class Callback:
    """A task that waits for ``SendTaskSuccess`` or ``SendTaskFailure`` with its token.

    Args:
        token: The task token.
        answered: Set when the task has a result or a failure.
        heard: Set for each request with the token, including heartbeats.
        output: The result.
        failure: The error name and the cause of a failure.
    """

    token: str
    answered: Event = field(default_factory=Event)
    heard: Event = field(default_factory=Event)
    output: Json = None
    failure: tuple[str | None, str | None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the task has a result or a failure."""
        return self.answered.is_set() or self.failure is not None

    def result(self) -> Json:
        """Return the result.

        Raises:
            StateFailure: If the answer is a failure.
        """
        if self.failure is not None:
            raise StateFailure(*self.failure)
        return self.output


@dataclass
class ActivityTask:
    """A task that waits for a worker of an activity.

    Args:
        callback: The callback by which the worker answers.
        input: The JSON of the task's input.
        started: Set when a worker has received the task.
        worker: The worker's name, or None.
        dropped: Whether the task has ended without a worker.
    """

    callback: Callback
    input: str
    started: Event = field(default_factory=Event)
    worker: str | None = None
    dropped: bool = False


class Callbacks:
    """The task tokens of all executions, and the tasks that wait for workers of activities."""

    def __init__(self) -> None:
        self._activities: dict[str, SimpleQueue[ActivityTask]] = defaultdict(SimpleQueue)
        self._waiting: dict[str, Callback] = {}
        self._opened: set[str] = set()
        self._lock = Lock()

    def open(self) -> Callback:
        """Return a callback with a new token."""
        callback = Callback(uuid4().hex)
        with self._lock:
            self._waiting[callback.token] = callback
            self._opened.add(callback.token)
        return callback

    def was_opened(self, token: str) -> bool:
        """Return whether a token belongs or has belonged to a task."""
        with self._lock:
            return token in self._opened

    def offer(self, activity: str, callback: Callback, text: str) -> ActivityTask:
        """Return a new task for the workers of an activity.

        Args:
            activity: The ARN of the activity.
            callback: The callback by which a worker answers.
            text: The JSON of the task's input.
        """
        task = ActivityTask(callback, text)
        self._activities[activity].put(task)
        return task

    def take(self, activity: str, worker: str | None, seconds: float) -> ActivityTask | None:
        """Return a task of an activity to a worker, or None if there is none in time."""
        deadline = monotonic() + seconds
        while True:
            try:
                task = self._activities[activity].get(timeout=max(deadline - monotonic(), 0))
            except Empty:
                return None
            if not task.dropped:
                task.worker = worker
                task.started.set()
                return task

    def close(self, callback: Callback) -> None:
        """Remove a callback, so that later answers with its token are refused."""
        with self._lock:
            self._waiting.pop(callback.token, None)

    def answer(self, token: str, change: Callable[[Callback], None]) -> bool:
        """Apply an answer or a heartbeat to the task that waits for a token.

        Args:
            token: The task token.
            change: A function that records the answer in the callback.

        Returns:
            Whether a task waits for the token.
        """
        with self._lock:
            callback = self._waiting.get(token)
            if callback is None:
                return False
            change(callback)
            if callback.answered.is_set() or callback.failure is not None:
                del self._waiting[token]  # before the task continues
        callback.heard.set()
        return True
