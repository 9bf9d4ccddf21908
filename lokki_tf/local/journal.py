"""What has happened to each node so far: the record of a run while it runs."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time
from typing import Any

from lokki_tf.errors import LokkiError, StepFailed
from lokki_tf.model import Definition, Node

from .events import Event, EventKind, Listener
from .result import NOTHING, Run
from .retry import Retries
from .strict import Wire, cannot_travel, described, label

clock = perf_counter


class Journal:
    """Records results, times and failures by a node's position, and tells the listener.

    Each node is written to by one thread at a time, and each has its own places in the
    lists: so nothing here needs a lock.

    Args:
        definition: What runs.
        on_event: Hears what happens.
        wire: Through which results travel, or ``None``.
    """

    def __init__(
        self,
        definition: Definition,
        on_event: Callable[[Event], None] | None,
        wire: Wire | None,
    ) -> None:
        self.definition = definition
        self.nodes: tuple[Node, ...] = definition.graph.nodes
        self.values: list[Any] = [NOTHING] * len(self.nodes)
        self.sources: list[Any] = self.values if wire is None else list(self.values)
        """What arguments are gathered from: the results, or what travels in their place."""
        self.stopping = False
        """Whether nothing more is to begin."""
        self._wire = wire
        self._listener = None if on_event is None else Listener(on_event)
        self._retries = Retries()
        self._starts: list[float | None] = [None] * len(self.nodes)
        self._ends: list[float | None] = [None] * len(self.nodes)
        self._again: dict[int, float] = {}  # when the latest attempt after the first began
        self._attempts: dict[int, int] = {}  # only of nodes that failed once
        self._errors: dict[int, BaseException] = {}
        self._failures: list[tuple[int, LokkiError]] = []
        self._origin = clock()

    def open(self) -> None:
        """The run begins."""
        self._origin = clock()
        if self._listener is not None:
            self._tell("run_started", None)

    def begin(self, index: int) -> None:
        """An attempt begins."""
        if index in self._attempts:
            self._attempts[index] += 1
            self._again[index] = clock()
        else:
            self._starts[index] = clock()
        if self._listener is not None:
            self._tell("step_started", index)

    def withdraw(self, index: int) -> None:
        """An attempt that was announced has not begun after all."""
        if index in self._attempts:
            self._attempts[index] -= 1
        else:
            self._starts[index] = None

    def done(self, index: int, value: Any, seconds: float | None = None) -> None:
        """A node has its result.

        Args:
            index: The node's position.
            value: What its function returned.
            seconds: How long that took, if it was measured elsewhere.
        """
        now = clock()
        if self._wire is not None:
            try:
                frozen = self.sources[index] = self._wire.freeze(value)
                value = self._wire.thaw(frozen)
            except Exception as error:
                refused = cannot_travel(self.nodes[index], "the result", error)
                refused.__cause__ = error
                self.give_up(index, refused)
                return
        self._end(index, now, seconds)
        if self._errors:
            self._errors.pop(index, None)
        self.values[index] = value
        if self._listener is not None:
            self._tell("step_finished", index, duration=self._took(index))

    def failed(
        self, index: int, error: BaseException, seconds: float | None = None
    ) -> float | None:
        """An attempt raised.

        Returns:
            Seconds until the next attempt, or ``None`` if this was the last; then the run
            is stopping.
        """
        node = self.nodes[index]
        self._attempts.setdefault(index, 1)
        delay = None
        if not self.stopping:
            delay = self._retries.delay(index, node.retry, error)
        if delay is None:
            self.give_up(index, self.step_failed(index, error), seconds)
            return None
        self._end(index, clock(), seconds)
        self._errors[index] = error
        if self._listener is not None:
            self._tell("step_retried", index, duration=self._took(index), error=error)
        return delay

    def give_up(self, index: int, error: LokkiError, seconds: float | None = None) -> None:
        """A node has failed for good, with this error for the user; the run is stopping."""
        self._end(index, clock(), seconds)
        cause = error.__cause__ if isinstance(error, StepFailed) else error
        self._errors[index] = cause or error
        self._failures.append((index, error))
        self.stopping = True
        if self._listener is not None:
            self._tell("step_failed", index, duration=self._took(index), error=cause)

    def close(self, error: BaseException | None = None) -> None:
        """The run has ended; whatever comes later is not told.

        Args:
            error: What ended it, other than a step that failed.
        """
        self.stopping = True
        self._duration = clock() - self._origin
        if self._listener is not None:
            if error is None and self._failures:
                error = self._failures[0][1]
            self._tell("run_finished", None, duration=self._duration, error=error)

    def failure(self) -> LokkiError | None:
        """The error of the node that failed first; notes tell of the others."""
        if not self._failures:
            return None
        first, error = self._failures[0]
        told = {first}
        for index, other in self._failures[1:]:
            told.add(index)
            error.add_note(f"also failed: {other}")
        for index, raised in list(self._errors.items()):
            if index not in told:
                name = label(self.nodes[index])
                error.add_note(f"also failed, not tried again: {name}: {described(raised)}")
        return error

    def run(self) -> Run:
        """The run so far; what happens later changes nothing in it."""
        count = len(self.nodes)
        return Run(
            self.definition,
            values=self.values[:count],
            starts=[None if at is None else at - self._origin for at in self._starts],
            ends=[None if at is None else at - self._origin for at in self._ends],
            attempts=dict(self._attempts),
            errors=dict(self._errors),
            duration=self._duration,
        )

    def _end(self, index: int, now: float, seconds: float | None) -> None:
        self._ends[index] = now
        if seconds is not None:
            began = self._again if index in self._again else self._starts
            began[index] = now - seconds

    def _took(self, index: int) -> float:
        began = self._again.get(index, self._starts[index])
        ended = self._ends[index]
        return 0.0 if began is None or ended is None else ended - began

    def step_failed(self, index: int, error: BaseException) -> StepFailed:
        """The error that tells the user of an attempt that raised."""
        node, attempts = self.nodes[index], self._attempts.get(index, 1)
        times = f" after {attempts} attempts" if attempts > 1 else ""
        failed = StepFailed(
            f"{label(node)} failed{times}: {described(error)}",
            node=node.name,
            step=node.step.name,
            attempts=attempts,
            place=node.place,
        )
        failed.__cause__ = error
        return failed

    def _tell(
        self,
        kind: EventKind,
        index: int | None,
        *,
        duration: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        assert self._listener is not None
        node = None if index is None else self.nodes[index]
        event = Event(
            kind,
            node=None if node is None else node.name,
            step=None if node is None else node.step.name,
            time=time(),
            duration=duration,
            attempt=1 if index is None else self._attempts.get(index, 1),
            error=error,
            pipeline=self.definition.name,
        )
        self._listener.tell(event, last=kind == "run_finished")
