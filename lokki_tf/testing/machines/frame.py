"""The place of a state at run time: its execution, its scope, and the right to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock
from typing import TYPE_CHECKING

from lokki_tf.testing.machines.failures import StateFailure, Stopped
from lokki_tf.testing.machines.history import History
from lokki_tf.testing.machines.progress import Progress
from lokki_tf.testing.machines.references import View
from lokki_tf.testing.machines.services import ServiceError, Settings
from lokki_tf.testing.machines.values import Json, moment_text
from lokki_tf.testing.machines.variables import Variables

if TYPE_CHECKING:
    from lokki_tf.testing.machines.execution import Execution


class Permit:
    """The right of an execution or a branch to go on; taken back, it is so from all inner ones.

    Args:
        outer: the permit of the scope around.
    """

    def __init__(self, outer: Permit | None = None) -> None:
        self._revoked = Event()
        self._inner: set[Permit] = set()
        self._lock = Lock()
        self._outer = outer
        if outer is not None:
            outer._add(self)

    def _add(self, inner: Permit) -> None:
        with self._lock:
            self._inner.add(inner)
            revoked = self._revoked.is_set()
        if revoked:
            inner.revoke()

    def inner(self) -> Permit:
        """Return a permit that ends with this one at the latest."""
        return Permit(self)

    def revoke(self) -> None:
        """Stop whatever runs under this permit."""
        with self._lock:
            self._revoked.set()
            inner = list(self._inner)
        for permit in inner:
            permit.revoke()

    def close(self) -> None:
        """Forget the permit, because its branch has ended."""
        if self._outer is not None:
            with self._outer._lock:
                self._outer._inner.discard(self)

    def check(self) -> None:
        """Go on only if it still holds.

        Raises:
            Stopped: if it was revoked.
        """
        if self._revoked.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the permit holds.

        Raises:
            Stopped: if it was revoked.
        """
        if seconds > 0:
            self._revoked.wait(seconds)
        self.check()


Walk = Callable[[Mapping[str, Json], Json, "Frame"], Json]


@dataclass
class Frame:
    """One scope of states that runs: the machine's, a branch's or an iteration's.

    Args:
        settings: the account and the time scales.
        history: the execution's events.
        variables: the scope's variables.
        context: the context object without the current state.
        permit: the right to go on.
        execution: the execution that it belongs to.
        walk: runs the states of a scope in a frame.
        progress: how far the scope has come.
        last_event: the id of the event before the next one.
    """

    settings: Settings
    history: History
    variables: Variables
    context: Mapping[str, Json]
    permit: Permit
    execution: Execution
    walk: Walk
    progress: Progress = field(default_factory=Progress)
    last_event: int = 0

    def inner(self, progress: Progress, context: Mapping[str, Json] | None = None) -> Frame:
        """Return a frame for a branch or an iteration.

        Args:
            progress: how far that has come.
            context: what the context object has in addition.
        """
        return Frame(
            self.settings,
            self.history,
            self.variables.inner(),
            {**self.context, **(context or {})},
            self.permit.inner(),
            self.execution,
            self.walk,
            progress,
            self.last_event,
        )

    def close(self) -> None:
        """Let go of what the frame holds."""
        self.permit.close()
        self.variables.release()

    def event(self, kind: str, **details: Json) -> None:
        """Add an event to the history, with the details that belong to its kind."""
        self.last_event = self.history.add(kind, self.last_event, details)


def authorize(
    run: StateRun, action: str, resource: str, context: Mapping[str, str] | None = None
) -> None:
    """Decide on what AWS does by the machine's role without a request of its own.

    Raises:
        StateFailure: if the role may not.
    """
    try:
        run.frame.settings.services.authorize(action, resource, context)
    except ServiceError as error:
        raise StateFailure("States.Permissions", error.message) from None


def now() -> str:
    """Return this moment as the context object writes it."""
    return moment_text(datetime.now(UTC))


@dataclass
class StateRun:
    """One visit of one state.

    Args:
        name: the state's name.
        state: its definition.
        input: its raw input.
        text: the JSON of its input.
        frame: where it runs.
    """

    name: str
    state: Mapping[str, Json]
    input: Json
    text: str
    frame: Frame
    retry_count: int = 0
    task_token: str | None = None
    entered: str = field(default_factory=now)

    def view(self, value: Json) -> View:
        """Return what the state's expressions see, with ``$`` being the value."""
        state = {"EnteredTime": self.entered, "Name": self.name, "RetryCount": self.retry_count}
        context = {**self.frame.context, "State": state}
        if self.task_token is not None:
            context["Task"] = {"Token": self.task_token}
        return View(value, context, self.frame.variables)
