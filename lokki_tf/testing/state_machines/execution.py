"""One execution of a state machine: start, end, time limit, stop and redrive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread, Timer
from typing import TYPE_CHECKING
from uuid import uuid4

from lokki_tf.testing.state_machines.failures import StateFailure, Stopped, guarded
from lokki_tf.testing.state_machines.frame import CancelScope, Frame
from lokki_tf.testing.state_machines.history import History
from lokki_tf.testing.state_machines.interpreter import run_states
from lokki_tf.testing.state_machines.progress import Progress
from lokki_tf.testing.state_machines.services import Settings
from lokki_tf.testing.state_machines.statuses import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT
from lokki_tf.testing.state_machines.transition import DETAILS
from lokki_tf.testing.state_machines.values import Json, dump, load, moment_text
from lokki_tf.testing.state_machines.variables import Budget, Variables

if TYPE_CHECKING:
    from lokki_tf.testing.state_machines.map_run import MapRun

_REDRIVABLE_PERIOD = timedelta(days=14)
_LONGEST_OPEN = timedelta(days=365)


@dataclass
class Execution:
    """An execution of a state machine.

    Args:
        arn: The execution's ARN.
        name: The execution's name.
        state_machine_arn: The state machine's ARN.
        state_machine_name: The state machine's name.
        definition: The parsed definition to run.
        input_text: The JSON of the input, unchanged from the request.
        role_arn: The ARN of the state machine's role.
        settings: The account and the time scales.
        outer: For a child of a Distributed Map, the cancel scope of the Map state.
        map_run_arn: For a child of a Distributed Map, the ARN of its Map Run.
    """

    arn: str
    name: str
    state_machine_arn: str
    state_machine_name: str
    definition: Mapping[str, Json]
    input_text: str
    role_arn: str
    settings: Settings
    outer: CancelScope | None = None
    map_run_arn: str | None = None
    status: str = field(default=RUNNING, init=False)
    output_text: str | None = field(default=None, init=False)
    error: str | None = field(default=None, init=False)
    cause: str | None = field(default=None, init=False)
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    stop_date: datetime | None = field(default=None, init=False)
    map_runs: list[MapRun] = field(default_factory=list, init=False)
    redrive_count: int = field(default=0, init=False)
    redrive_date: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.history = History()
        self.progress = Progress()
        self.done = Event()
        self.settled = Event()
        self.cancel_scope = CancelScope(self.outer)
        self._ending = Lock()
        self._redriven = 0

    def start(self) -> None:
        """Run in a new thread."""
        Thread(target=self.run, name=self.arn, daemon=True).start()

    def run(self) -> None:
        """Run to the end in the calling thread."""
        attempt = self.redrive_count
        value = load(self.input_text)
        frame = self._frame(value)
        timer = self._timer()
        if self.redrive_count:
            frame.last_event = self._redriven
        else:
            frame.event(
                "ExecutionStarted",
                input=self.input_text,
                inputDetails=DETAILS,
                roleArn=self.role_arn,
            )
        ending: dict[str, str | None] = {}
        try:
            ending["output_text"] = dump(guarded(run_states, self.definition, value, frame))
            status = SUCCEEDED
        except StateFailure as failure:
            status, ending = FAILED, {"error": failure.error, "cause": failure.cause}
        except Stopped:  # stop() and _time_out() have usually recorded the status already
            status = ABORTED
        finally:
            frame.cancel_scope.close()
            if timer is not None:
                timer.cancel()
        self._end(status, frame.last_event, attempt=attempt, **ending)

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """Stop the execution, as ``StopExecution`` does."""
        self._end(ABORTED, error=error, cause=cause)
        self.cancel_scope.revoke()

    @property
    def not_redrivable(self) -> str | None:
        """Why the execution cannot be redriven, in the wording of AWS; None if it can.

        Source: Step Functions API Reference, "RedriveExecution" for the conditions and
        "DescribeExecution" for the wording.
        """
        if self.status in (RUNNING, SUCCEEDED):
            return f"Execution is {self.status} and cannot be redriven"
        now = datetime.now(UTC)
        if self.history.is_full:
            return "Execution history event limit exceeded"
        if now - self.start_date > _LONGEST_OPEN:
            return "Execution has exceeded the max execution time"
        if self.stop_date is not None and now - self.stop_date > _REDRIVABLE_PERIOD:
            return "Execution redrivable period exceeded"
        return None

    def redrive(self) -> None:
        """Continue from the states that failed or were stopped, as ``RedriveExecution`` does."""
        self.ready(self.outer, redriven=True)
        self.start()

    def ready(self, outer: CancelScope | None, *, redriven: bool) -> None:
        """Reset the outcome, so that the execution can run again.

        Args:
            outer: For a child of a Distributed Map, the cancel scope of the Map state.
            redriven: Whether the execution has started before. A child may have been stopped
                before it started.
        """
        if redriven:
            self.redrive_count += 1
            self.redrive_date = datetime.now(UTC)
            self._redriven = self.history.add(
                "ExecutionRedriven", 0, {"redriveCount": self.redrive_count}
            )
            self.progress = self.progress.redrive(self._redriven)
        self.outer, self.cancel_scope = outer, CancelScope(outer)
        self.done, self.settled = Event(), Event()
        self.status, self.stop_date = RUNNING, None
        self.output_text = self.error = self.cause = None

    def child(
        self,
        map_run: MapRun,
        definition: Mapping[str, Json],
        value: Json,
        cancel_scope: CancelScope,
    ) -> Execution:
        """Return a child execution for an item of a Distributed Map, without starting it.

        Args:
            map_run: The Map Run.
            definition: The states to run.
            value: The child's input.
            cancel_scope: The cancel scope of the Map state.
        """
        name = str(uuid4())
        return Execution(
            arn=f"{map_run.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}",
            name=name,
            state_machine_arn=map_run.state_machine_arn,
            state_machine_name=map_run.state_machine_arn.rpartition(":")[2],
            definition=definition,
            input_text=dump(value),
            role_arn=self.role_arn,
            settings=self.settings,
            outer=cancel_scope,
            map_run_arn=map_run.arn,
        )

    def _timer(self) -> Timer | None:
        if "TimeoutSeconds" not in self.definition:
            return None
        timer = Timer(self.definition["TimeoutSeconds"], self._time_out)
        timer.daemon = True
        timer.start()
        return timer

    def _time_out(self) -> None:
        self._end(TIMED_OUT)
        self.cancel_scope.revoke()

    def _frame(self, value: Json) -> Frame:
        context = {
            "Execution": {
                "Id": self.arn,
                "Input": value,
                "Name": self.name,
                "RoleArn": self.role_arn,
                "StartTime": moment_text(self.start_date),
                "RedriveCount": self.redrive_count,
            },
            "StateMachine": {"Id": self.state_machine_arn, "Name": self.state_machine_name},
        }
        variables = Variables(Budget())
        return Frame(
            self.settings,
            self.history,
            variables,
            context,
            self.cancel_scope,
            self,
            run_states,
            self.progress,
        )

    def _end(
        self,
        status: str,
        previous: int = 0,
        *,
        attempt: int | None = None,
        output_text: str | None = None,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        with self._ending:
            if self.status != RUNNING or attempt not in (None, self.redrive_count):
                return  # a stopped thread may end only after a redrive has started
            self.output_text, self.error, self.cause = output_text, error, cause
            self.stop_date = datetime.now(UTC)
            details = _ending_details(self)
            self.history.add(_ENDINGS[status], previous, details, is_last=True)
            self.status = status
            done, settled = self.done, self.settled
        done.set()
        self.settings.ended(self, settled)


_ENDINGS = {
    SUCCEEDED: "ExecutionSucceeded",
    FAILED: "ExecutionFailed",
    TIMED_OUT: "ExecutionTimedOut",
    ABORTED: "ExecutionAborted",
}


def _ending_details(execution: Execution) -> dict[str, Json]:
    if execution.output_text is not None:
        return {"output": execution.output_text, "outputDetails": DETAILS}
    found = {"error": execution.error, "cause": execution.cause}
    return {key: value for key, value in found.items() if value is not None}
