"""The record of an execution: its data, and how it is stopped, redriven and ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, Self
from uuid import NAMESPACE_OID, uuid5

from lokki_tf.testing.state_machines.archive import Archive
from lokki_tf.testing.state_machines.cancel_scope import CancelScope
from lokki_tf.testing.state_machines.children import Children
from lokki_tf.testing.state_machines.history import DETAILS, History
from lokki_tf.testing.state_machines.limits import EXPRESS_SECONDS
from lokki_tf.testing.state_machines.map_run import MapRun
from lokki_tf.testing.state_machines.mocks import Mocks
from lokki_tf.testing.state_machines.progress import Progress
from lokki_tf.testing.state_machines.services import Callbacks, Services
from lokki_tf.testing.state_machines.statuses import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT
from lokki_tf.testing.state_machines.values import Json

_REDRIVABLE_PERIOD = timedelta(days=14)
_LONGEST_OPEN = timedelta(days=365)
_OWN = (
    "status",
    "output_text",
    "error",
    "cause",
    "start_date",
    "stop_date",
    "redrive_count",
    "redrive_date",
    "redriven",
    "attempt",
)
"""What differs between the children of a Map Run that have ended."""
_UNUSED = Event()
"""The event of all children that nothing waits for, since it takes long to make one."""
_OF_RUNNING = ("settings", "outer", "cancel_scope", "done", "settled", "_ending")
INTERRUPTED = ("LocalAws.Interrupted", "The local AWS ended while the execution was running.")
"""The error and the cause of an execution that ran when the local AWS ended."""


def ignored(execution: ExecutionRecord, settled: Event) -> None:
    """Do nothing at the end of an execution."""
    settled.set()


@dataclass(frozen=True)
class Settings:
    """The settings of an execution.

    Args:
        services: The services of the account.
        callbacks: The task tokens of the account.
        retry_delay_scale: The factor for delays before retries.
        wait_scale: The factor for the delays of ``Wait`` states.
        ended: A function that is called with an execution that has ended, and an event that it
            sets after the consequences of the end, such as EventBridge rules, have run.
        key: The ARN of the customer managed KMS key that encrypts the execution.
        mocks: The responses that tests have set for tasks.
        archive: Where children of Distributed Maps are stored.
    """

    services: Services
    callbacks: Callbacks
    retry_delay_scale: float = 1.0
    wait_scale: float = 1.0
    ended: Callable[[ExecutionRecord, Event], None] = ignored
    key: str | None = None
    mocks: Mocks = field(default_factory=Mocks)
    archive: Archive = field(default_factory=Archive)


@dataclass
class ExecutionRecord:
    """An execution of a state machine; a subclass runs its states.

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
        is_express: Whether it is an Express execution.
        language: The query language of the definition, unless it names one.
        alias_arn: The ARN of the alias of the state machine by which it was started, or None.
        version_arn: The ARN of the version of the state machine that it runs, or None.
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
    is_express: bool = False
    language: str = "JSONPath"
    alias_arn: str | None = None
    version_arn: str | None = None
    status: str = field(default=RUNNING, init=False)
    output_text: str | None = field(default=None, init=False)
    error: str | None = field(default=None, init=False)
    cause: str | None = field(default=None, init=False)
    start_date: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    stop_date: datetime | None = field(default=None, init=False)
    map_runs: list[MapRun[Self]] = field(default_factory=list, init=False)
    redrive_count: int = field(default=0, init=False)
    redrive_date: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.language = self.definition.get("QueryLanguage", self.language)
        self.history = History(is_limited=not self.is_express)
        self.progress = Progress()
        self._reset_ends()
        self.cancel_scope = CancelScope(self.outer)
        self._ending = Lock()
        self.redriven = 0
        self.attempt = 0

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept with the state of the account."""
        return {name: item for name, item in vars(self).items() if name not in _OF_RUNNING}

    def attach(self, settings: Settings) -> None:
        """Make an execution complete whose state was kept; it is aborted if it was running.

        Args:
            settings: The settings of the execution.
        """
        self.settings, self.outer = settings, None
        self.cancel_scope, self._ending = CancelScope(), Lock()
        self._reset_ends()
        self.done.set()
        self.settled.set()
        if self.status == RUNNING:
            self.status, self.stop_date = ABORTED, datetime.now(UTC)
            self.error, self.cause = INTERRUPTED
            details = _ending_details(self)
            self.history.add(_ENDINGS[ABORTED], 0, details, is_last=True)
        for map_run in self.map_runs:
            if map_run.status == RUNNING:
                map_run.end(ABORTED)
            child: Any = self.child
            make = partial(child, map_run, map_run.definition)
            map_run.children.attach(settings.archive, make)
            map_run.children.recover()
            for child in map_run.children.live():
                child.attach(settings)

    def start(self) -> None:
        """Run in a new thread."""
        Thread(target=self.run, name=self.arn, daemon=True).start()

    def run(self) -> None:
        """Run to the end in the calling thread."""
        raise NotImplementedError

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """Stop the execution, as ``StopExecution`` does."""
        self.end(ABORTED, error=error, cause=cause)
        self.cancel_scope.revoke()

    @property
    def seconds_left(self) -> float:
        """The seconds after which an Express execution ends; infinite for others."""
        passed = (datetime.now(UTC) - self.start_date).total_seconds()
        return EXPRESS_SECONDS - passed if self.is_express else math.inf

    def time_out(self) -> None:
        """End with the status ``TIMED_OUT``."""
        self.end(TIMED_OUT)
        self.cancel_scope.revoke()

    @property
    def not_redrivable(self) -> str | None:
        """Why the execution cannot be redriven, in the wording of AWS; None if it can.

        Source: Step Functions API Reference, "RedriveExecution" for the conditions and
        "DescribeExecution" for the wording.
        """
        if self.status in (RUNNING, SUCCEEDED):
            return f"Execution is {self.status} and cannot be redriven"
        if self.is_express:  # it is started again
            return None
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
        """Reset the outcome, so that the execution can run again; an Express one from its start.

        Args:
            outer: For a child of a Distributed Map, the cancel scope of the Map state.
            redriven: Whether the execution has started before. A child may have been stopped
                before it started.
        """
        self.attempt += 1
        if self.is_express:
            self.history, self.progress = History(is_limited=False), Progress()
        elif redriven:
            self.redrive_count += 1
            self.redrive_date = datetime.now(UTC)
            self.redriven = self.history.add(
                "ExecutionRedriven", 0, {"redriveCount": self.redrive_count}
            )
            self.progress = self.progress.redrive(self.redriven)
        self.outer, self.cancel_scope = outer, CancelScope(outer)
        self._reset_ends()
        self.status, self.stop_date = RUNNING, None
        self.output_text = self.error = self.cause = None

    def _reset_ends(self) -> None:
        if self.map_run_arn is None:
            self.done, self.settled = Event(), Event()
        else:  # its end has no consequences, and is waited for only if it cannot be stopped
            self.done = self.settled = Event() if self.is_express else _UNUSED

    def adopt(self, map_run: MapRun[Self]) -> None:
        """Let a Map Run of this execution make its children."""
        make: Any = partial(self.child, map_run, map_run.definition)
        map_run.children = Children(self.settings.archive, make)

    def find_child(self, arn: str) -> Self | None:
        """Return the child of a Map Run with an ARN, if it has started."""
        for map_run in self.map_runs:
            prefix = map_run.executions_prefix
            if arn.startswith(prefix):
                found = map_run.children.find(arn.removeprefix(prefix).partition(":")[0])
                if found is not None and found.arn == arn:
                    return found
        return None

    def child(
        self,
        map_run: MapRun[Self],
        definition: Mapping[str, Json],
        name: str,
        input_text: str,
        outer: CancelScope | None,
    ) -> Self:
        """Return a child execution for an item of a Distributed Map, without starting it.

        Args:
            map_run: The Map Run.
            definition: The states to run.
            name: The child's name.
            input_text: The JSON of the child's input.
            outer: The cancel scope of the Map state; None for a child that will not run.
        """
        end = f":{uuid5(NAMESPACE_OID, name)}" if map_run.is_express else ""
        return type(self)(
            arn=f"{map_run.executions_prefix}{name}{end}",
            name=name,
            state_machine_arn=map_run.state_machine_arn,
            state_machine_name=map_run.state_machine_arn.rpartition(":")[2],
            definition=definition,
            input_text=input_text,
            role_arn=self.role_arn,
            settings=self.settings,
            outer=outer,
            map_run_arn=map_run.arn,
            is_express=map_run.is_express,
            language=self.language,
        )

    @property
    def has_map_runs(self) -> bool:
        """Whether the execution has Map Runs of its own."""
        return bool(self.map_runs)

    def pack(self) -> tuple[Any, ...]:
        """Return its name, the JSON of its input, and what else differs from other children."""
        own = tuple(getattr(self, name) for name in _OWN)
        # Only an execution that has not succeeded can be redriven.
        progress = None if self.status == SUCCEEDED or self.is_express else self.progress
        return self.name, self.input_text, own, progress, self.history.packed

    def unpack(self, *packed: Any) -> None:
        """Set what ``pack`` has returned, except the name and the input."""
        own, progress, events = packed
        for name, value in zip(_OWN, own, strict=True):
            setattr(self, name, value)
        self.progress = progress or Progress()
        self.history = History(events, is_limited=not self.is_express)
        self.done.set()
        self.settled.set()

    def end(
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
            if self.status != RUNNING or attempt not in (None, self.attempt):
                return  # a stopped thread may end only after a redrive has started
            self.output_text, self.error, self.cause = output_text, error, cause
            self.stop_date = datetime.now(UTC)
            details = _ending_details(self)
            self.history.add(_ENDINGS[status], previous, details, is_last=True)
            self.status = status
            done, settled = self.done, self.settled
        done.set()
        if self.is_express:  # EventBridge receives no events of Express executions
            settled.set()
        else:
            self.settings.ended(self, settled)


_ENDINGS = {
    SUCCEEDED: "ExecutionSucceeded",
    FAILED: "ExecutionFailed",
    TIMED_OUT: "ExecutionTimedOut",
    ABORTED: "ExecutionAborted",
}


def _ending_details(execution: ExecutionRecord) -> dict[str, Json]:
    if execution.output_text is not None:
        return {"output": execution.output_text, "outputDetails": DETAILS}
    found = {"error": execution.error, "cause": execution.cause}
    return {key: value for key, value in found.items() if value is not None}
