"""What an execution needs of the account that it runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from lokki_tf.testing.machines.values import Json

if TYPE_CHECKING:
    from lokki_tf.testing.machines.execution import Execution


def _ignored(execution: Execution, settled: Event) -> None:
    settled.set()


@dataclass(frozen=True)
class Invocation:
    """What Lambda answered.

    Args:
        payload: the text that the function returned, or the description of its error.
        error: ``Unhandled`` if the function failed.
        version: the version that ran.
        request_id: the id of the invocation.
        status: the HTTP status.
    """

    payload: bytes
    error: str | None = None
    version: str = "$LATEST"
    request_id: str = ""
    status: int = 200


class ServiceError(Exception):
    """A service refused a request.

    Args:
        code: the error code, such as ``ResourceNotFoundException``.
        message: the service's words.
        status: the HTTP status.
        request_id: the id of the request.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, request_id: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id


class Services(Protocol):
    """The account, as tasks and maps use it."""

    @property
    def region(self) -> str:
        """The region's name."""

    def invoke(
        self, function: str, payload: bytes, *, qualifier: str | None = None, kind: str
    ) -> Invocation:
        """Invoke a Lambda function by name or ARN; ``kind`` is ``RequestResponse`` or ``Event``.

        Raises:
            ServiceError: if Lambda refuses.
        """

    def authorize(
        self, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Decide on what AWS does by the machine's role without a request of its own.

        Raises:
            ServiceError: if the role may not.
        """

    def ending(self, service: str, resource: str) -> Event | None:
        """Return what is set when something with this id has ended; None if it must be asked."""

    def client(self, service: str) -> Any:
        """Return a boto3 client, which acts by the machine's role."""


@dataclass
class Callback:
    """A task that waits for ``SendTaskSuccess`` or ``SendTaskFailure`` with its token."""

    token: str
    answered: Event = field(default_factory=Event)
    heard: Event = field(default_factory=Event)
    output: Json = None
    failure: tuple[str, str] | None = None


class Callbacks:
    """The task tokens of all executions."""

    def __init__(self) -> None:
        self._waiting: dict[str, Callback] = {}
        self._lock = Lock()

    def open(self) -> Callback:
        """Return a new token that can be answered."""
        callback = Callback(uuid4().hex)
        with self._lock:
            self._waiting[callback.token] = callback
        return callback

    def close(self, callback: Callback) -> None:
        """Forget a token: an answer comes too late from now on."""
        with self._lock:
            self._waiting.pop(callback.token, None)

    def answer(self, token: str, change: Callable[[Callback], None]) -> bool:
        """Let an answer change the waiting task.

        Returns:
            Whether anything waits for the token.
        """
        with self._lock:
            callback = self._waiting.get(token)
        if callback is None:
            return False
        change(callback)
        callback.heard.set()
        return True


@dataclass(frozen=True)
class Settings:
    """How an execution runs here.

    Args:
        services: the account.
        callbacks: the task tokens of the account.
        retry_delay_scale: what the waits before retries are multiplied by.
        wait_scale: what the waits of ``Wait`` states are multiplied by.
        ended: takes an execution that has ended, and what to set when all that hangs on its end
            is done as well.
        key: ARN of the user's key of KMS that encrypts the execution.
    """

    services: Services
    callbacks: Callbacks
    retry_delay_scale: float = 1.0
    wait_scale: float = 1.0
    ended: Callable[[Execution, Event], None] = _ignored
    key: str | None = None
