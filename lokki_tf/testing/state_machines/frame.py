"""The data of running states: a frame for each scope, a visit for each state.

A *scope* is a ``States`` object: that of the state machine, of a Parallel branch or of a Map
iteration. A *frame* is one run of a scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lokki_tf.testing.state_machines.cancel_scope import CancelScope
from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.history import FULL, History
from lokki_tf.testing.state_machines.progress import Progress
from lokki_tf.testing.state_machines.record import ExecutionRecord, Settings
from lokki_tf.testing.state_machines.references import View
from lokki_tf.testing.state_machines.services import ServiceError
from lokki_tf.testing.state_machines.values import Json, dump, moment_text
from lokki_tf.testing.state_machines.variables import Variables

_RETRIED = ("Task", "Parallel", "Map")
"""Types of states whose context object has the number of retries, observed."""
_ERROR_AT = "An error occurred while executing the state "
_LOCATED = (
    RUNTIME,
    "States.IntrinsicFailure",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
)
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
        left_out: Seconds of waits that the time scales have left out so far.
        running: The type of the current state.
        failed: Whether a state has failed, and no ``Catch`` matched the error.
        text: The JSON of the scope's output, at its end.
    """

    settings: Settings
    history: History
    variables: Variables
    context: Mapping[str, Json]
    cancel_scope: CancelScope
    execution: ExecutionRecord
    walk: Walk
    progress: Progress = field(default_factory=Progress)
    last_event: int = 0
    left_out: float = 0.0
    running: str = ""
    failed: bool = False
    text: str = ""

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
            self.left_out,
        )

    def close(self) -> None:
        """Release the frame's cancel scope and the bytes of its variables."""
        self.cancel_scope.close()
        self.variables.release()

    def wait(self, seconds: float, scale: float) -> None:
        """Wait, and end an Express execution whose time is over, the seconds left out included.

        Args:
            seconds: How long AWS waits.
            scale: The factor of the seconds.

        Raises:
            Stopped: If the execution or branch was stopped, or the execution's time is over.
        """
        left = self.execution.seconds_left - self.left_out
        self.cancel_scope.wait(min(seconds, left) * scale)
        if left < seconds:
            self.execution.time_out()
        self.cancel_scope.check()
        self.left_out += max(seconds, 0.0) * (1 - scale)

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
    item: Mapping[str, Json] = field(default_factory=dict, init=False)
    """The entry ``Map`` of the context object, while the input of an iteration is selected."""
    is_jsonata: bool = field(init=False)
    """Whether the fields of the state have expressions in JSONata, and not in JSONPath."""
    stages: dict[str, Json] | None = field(default=None, init=False)
    """The values between the stages of a state that ``TestState`` inspects; None otherwise."""
    mocked: Callable[[Json], Json] | None = field(default=None, init=False)
    """The attempt of a tested state whose result is mocked; None otherwise."""
    given_context: Mapping[str, Json] | None = field(default=None, init=False)
    """The context object of a tested state, if the test sets one."""
    entered_event: int = field(default=0, init=False)
    begun: bool = field(default=False, init=False)
    """Whether the history has the event that the branches or iterations have started."""
    entered_at: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)

    _context: tuple[tuple[object, ...], Mapping[str, Json]] = field(default=((), {}), init=False)
    _dumped: tuple[Json, str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        language = self.state.get("QueryLanguage", self.frame.execution.language)
        self.is_jsonata = language == "JSONata"

    def note(self, stage: str, value: Json) -> None:
        """Keep a value for the inspection of a tested state."""
        if self.stages is not None:
            self.stages[stage] = value

    def located(self, failure: StateFailure) -> StateFailure:
        """Return a failure whose cause names the state, if it is one of the state's own fields."""
        if (
            self.stages is None  # TestState names no state, observed
            and failure.error in _LOCATED
            and failure.cause != FULL
            and not str(failure.cause).startswith(_ERROR_AT)
        ):
            failure.cause = (
                f"{_ERROR_AT}'{self.name}' (entered at the event id #{self.entered_event}). "
                f"{failure.cause}"
            )
        return failure

    @property
    def context(self) -> Mapping[str, Json]:
        """The context object."""
        if self.given_context is not None:
            return {**self.given_context, **self.item}
        given = (self.entered_at, self.retry_count, self.task_token)
        if self._context[0] != given:
            self._context = given, self._new_context()
        context = self._context[1]
        return {**context, **self.item} if self.item else context

    def _new_context(self) -> Mapping[str, Json]:
        state: dict[str, Json] = {"EnteredTime": moment_text(self.entered_at), "Name": self.name}
        if self.state["Type"] in _RETRIED:
            state["RetryCount"] = self.retry_count
        context = {**self.frame.context, "State": state}
        if self.task_token is not None:
            context["Task"] = {"Token": self.task_token}
        return context

    def dump(self, value: Json) -> str:
        """Return the JSON of a value, also of the same one again, for a check and for an event."""
        if self._dumped is None or self._dumped[0] is not value:
            self._dumped = value, dump(value)
        return self._dumped[1]

    def view(self, value: Json) -> View:
        """Return the data for the state's paths, with ``$`` referring to the value."""
        return View(value, self.context, self.frame.variables)
