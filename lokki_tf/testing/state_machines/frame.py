"""The data of running states: a frame for each scope, a visit for each state, cancel scopes.

A *scope* is a ``States`` object: that of the state machine, of a Parallel branch or of a Map
iteration. A *frame* is one run of a scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING

from lokki_tf.testing.state_machines.failures import StateFailure, Stopped
from lokki_tf.testing.state_machines.history import History
from lokki_tf.testing.state_machines.progress import Progress
from lokki_tf.testing.state_machines.references import View
from lokki_tf.testing.state_machines.services import ServiceError, Settings
from lokki_tf.testing.state_machines.values import Json, moment_text
from lokki_tf.testing.state_machines.variables import Variables

if TYPE_CHECKING:
    from lokki_tf.testing.state_machines.execution import Execution


class CancelScope:
    """Stops an execution or a branch together with everything that runs inside it.

    Running code calls ``check`` or ``wait``, which raise ``Stopped`` after ``revoke``.

    Args:
        outer: The cancel scope that contains this one.
    """

    def __init__(self, outer: CancelScope | None = None) -> None:
        self._revoked = Event()
        self._inner: set[CancelScope] = set()
        self._lock = Lock()
        self._outer = outer
        if outer is not None:
            outer._add(self)

    def _add(self, inner: CancelScope) -> None:
        with self._lock:
            self._inner.add(inner)
            revoked = self._revoked.is_set()
        if revoked:
            inner.revoke()

    def inner(self) -> CancelScope:
        """Return a cancel scope that is also revoked when this one is."""
        return CancelScope(self)

    def revoke(self) -> None:
        """Stop everything that runs in this scope and in the scopes inside it."""
        with self._lock:
            self._revoked.set()
            inner = list(self._inner)
        for cancel_scope in inner:
            cancel_scope.revoke()

    def close(self) -> None:
        """Remove this scope from its outer scope, because its branch has ended."""
        if self._outer is not None:
            with self._outer._lock:
                self._outer._inner.discard(self)

    def check(self) -> None:
        """Return if the scope has not been revoked.

        Raises:
            Stopped: If the scope has been revoked.
        """
        if self._revoked.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait, at most until the scope is revoked.

        Raises:
            Stopped: If the scope has been revoked.
        """
        if seconds > 0:
            self._revoked.wait(seconds)
        self.check()


Walk = Callable[[Mapping[str, Json], Json, "Frame"], Json]


@dataclass
class Frame:
    """One run of a scope of states: of the state machine, a branch or an iteration.

    Args:
        settings: The account and the time scales.
        history: The execution's events.
        variables: The scope's variables.
        context: The context object without the entry ``State``.
        cancel_scope: The cancel scope.
        execution: The execution that the frame belongs to.
        walk: A function that runs the states of a scope in a frame.
        progress: The state that the scope has reached, from which a redrive continues.
        last_event: The id of the frame's latest event.
    """

    settings: Settings
    history: History
    variables: Variables
    context: Mapping[str, Json]
    cancel_scope: CancelScope
    execution: Execution
    walk: Walk
    progress: Progress = field(default_factory=Progress)
    last_event: int = 0

    def inner(self, progress: Progress, context: Mapping[str, Json] | None = None) -> Frame:
        """Return a frame for a branch or an iteration.

        Args:
            progress: The progress of the branch or iteration.
            context: Additional entries of the context object.
        """
        return Frame(
            self.settings,
            self.history,
            self.variables.inner(),
            {**self.context, **(context or {})},
            self.cancel_scope.inner(),
            self.execution,
            self.walk,
            progress,
            self.last_event,
        )

    def close(self) -> None:
        """Release the frame's cancel scope and the bytes of its variables."""
        self.cancel_scope.close()
        self.variables.release()

    def event(self, kind: str, **details: Json) -> None:
        """Add an event to the history.

        Args:
            kind: The event's type, such as ``TaskStateEntered``.
            details: The fields of the event's details.
        """
        self.last_event = self.history.add(kind, self.last_event, details)


def authorize(
    run: StateRun, action: str, resource: str, context: Mapping[str, str] | None = None
) -> None:
    """Check a permission that Step Functions needs without making a visible API request.

    Args:
        run: The visit of the state.
        action: The IAM action.
        resource: The ARN of the resource.
        context: The condition keys of the request with their values.

    Raises:
        StateFailure: If the role's policies do not allow the action.
    """
    try:
        run.frame.settings.services.authorize(action, resource, context)
    except ServiceError as error:
        raise StateFailure("States.Permissions", error.message) from None


def now() -> str:
    """Return the current time in the format of the context object."""
    return moment_text(datetime.now(UTC))


@dataclass
class StateRun:
    """One visit of a state: the time from its entry to its exit, with all retries.

    Args:
        name: The state's name.
        state: The state's definition.
        input: The raw input.
        text: The JSON of the raw input; after the visit, the JSON of the output.
        frame: The frame that the state runs in.
    """

    name: str
    state: Mapping[str, Json]
    input: Json
    text: str
    frame: Frame
    retry_count: int = field(default=0, init=False)
    task_token: str | None = field(default=None, init=False)
    entered: str = field(default_factory=now, init=False)

    def view(self, value: Json) -> View:
        """Return the data for the state's expressions, with ``$`` referring to the value."""
        state = {"EnteredTime": self.entered, "Name": self.name, "RetryCount": self.retry_count}
        context = {**self.frame.context, "State": state}
        if self.task_token is not None:
            context["Task"] = {"Token": self.task_token}
        return View(value, context, self.frame.variables)
