"""The record of a run while it runs."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

from lokki_tf.errors import LokkiError
from lokki_tf.model import Definition, Node

from .calls import overdue
from .copies import ATOMS, Kept, guarded, plain, warn_of_change
from .events import Event, EventKind, Listener
from .failures import DEATH, error_of, failure_of, raised, step_failed, traceback_of
from .feeds import Feed
from .frames import Failure, Frame, MapRun, clock
from .identity import Identity
from .result import NOTHING, ItemKey, Run
from .retry import is_caught
from .spool import Spooled
from .strict import RoundTripSerializer, described, label, not_serializable


class Journal:
    """Records results, times and failures, and sends events to the listener.

    Args:
        definition: The pipeline.
        root: The frame of its graph.
        on_event: The listener.
        serializer: Serializes results, or ``None``.
    """

    def __init__(
        self,
        definition: Definition,
        root: Frame,
        on_event: Callable[[Event], None] | None,
        serializer: RoundTripSerializer | None,
    ) -> None:
        self.definition = definition
        self.root = root
        self.listener = None if on_event is None else Listener(on_event)
        self._serializer = serializer
        # The results for the user; with a serializer, the frame contains serialized ones.
        self._outputs = root.values if serializer is None else [NOTHING] * len(root.plan.nodes)
        self._cached: set[int] = set()
        self._failures: list[tuple[int, Failure]] = []
        self._failed_items: dict[str, dict[ItemKey, BaseException]] = {}
        self._totals: dict[str, int] = {}
        self._origin = clock()

    def open(self) -> None:
        """Record that the run begins."""
        self._origin = clock()
        # Before this, no call can have taken too long.
        self._suspect = self._origin + self.root.plan.shortest
        if self.listener is not None:
            self._report("run_started")

    def begin(self, frame: Frame, index: int) -> None:
        """Record that an attempt begins."""
        frame.begin(index)
        if self.listener is not None:
            self._report("step_started", frame, index)

    def opened(self, run: MapRun) -> None:
        """Record that a map's items are known, or will be made."""
        self._count(run)
        if self.listener is not None:
            total = run.total if run.feed is None else None
            self._report("map_started", run.frame, run.index, total=total)

    def _count(self, run: MapRun) -> None:
        if run.frame.owner is None:
            self._totals[run.node.name] = run.total

    def wait_begun(self, frame: Frame, index: int) -> None:
        """Record that a wait begins."""
        frame.begin(index)
        if self.listener is not None:
            self._report("wait_started", frame, index)

    def wait_done(self, frame: Frame, index: int, value: Any, *, skipped: bool) -> None:
        """Record that a wait has ended.

        Args:
            frame: The frame of the wait.
            index: Its index.
            value: Its result, that of another node.
            skipped: Whether that node was skipped.
        """
        if skipped:
            frame.skip(index)
        self._place(frame, index, value)
        if self.listener is not None:
            self._report("wait_finished", frame, index, duration=frame.took(index))

    def done(
        self, frame: Frame, index: int, value: Any, seconds: float | None = None
    ) -> float | None:
        """Record a node's result, unless its call took too long.

        Args:
            frame: The frame of the node.
            index: The node's index.
            value: The return value of its function.
            seconds: Duration of the call, if it was measured elsewhere.

        Returns:
            As :meth:`failed` if the call took too long, else ``None``.
        """
        now = clock()
        if now > self._suspect and seconds is None and self.is_overdue(frame, index):
            return self.failed(frame, index, overdue())
        if self._serializer is not None:
            try:
                frozen = self._serializer.freeze(value)
                value = self._serializer.thaw(frozen)
            except Exception as error:
                refused = not_serializable(frame.plan.nodes[index], "the result", error)
                refused.__cause__ = error
                if not self.caught(frame, index, error, seconds):
                    self.give_up(frame, index, refused)
                return None
            if frame is self.root:
                self._outputs[index] = value
            value = frozen
        elif type(value) not in ATOMS and frame.plan.guards[index]:
            value = self._guarded(frame, value)
        frame.end(index, now, seconds)
        frame.values[index] = value
        if frame.errors:
            frame.errors.pop(index, None)
        if self.listener is not None:
            self._report("step_finished", frame, index, duration=frame.took(index))
        return None

    def _guarded(self, frame: Frame, value: Any) -> Any:
        """A result of which each step that takes it has a copy."""
        stored = guarded(value)
        if type(stored) is Kept:
            frame.kept = True
        return stored

    def warn_of_changes(self) -> None:
        """Warn of shared values that a step has changed."""
        root = self.root
        if not root.kept:
            return
        names = [label(node) for node in root.plan.nodes]
        for index, stored in enumerate(root.values):
            if type(stored) is not Kept or not stored.is_changed:
                continue
            if index < len(names):
                node = root.plan.nodes[index]
                takers = ", ".join(names[after] for after in root.plan.successors[index])
                warn_of_change(f"the result of {names[index]}", node.place, takers)
            else:
                what = "a parameter or a value in the pipeline's source"
                place = self.definition.place or root.plan.nodes[0].place
                warn_of_change(what, place, ", ".join(names))

    def is_overdue(self, frame: Frame, index: int) -> bool:
        """Whether the call of a node that ends now has taken longer than its step may."""
        now = clock()
        if now < self._suspect:
            return False
        node = frame.plan.nodes[index]
        assert isinstance(node, Node)
        if index in frame.plan.callbacks or index in frame.plan.walks:  # people take their time
            return False
        return self.is_late(frame, index, frame.elapsed(index, now))

    def is_late(self, frame: Frame, index: int, seconds: float) -> bool:
        """Whether a call of a node has taken longer than its step may.

        Args:
            frame: The frame of the node.
            index: The node's index.
            seconds: The duration of the call.
        """
        node = frame.plan.nodes[index]
        assert isinstance(node, Node)
        return seconds > frame.plan.settings.of(node.step).call_seconds

    def skipped(self, frame: Frame, index: int) -> None:
        """Record that a node's condition was false; its result is ``None`` for its consumers."""
        frame.skip(index)
        self._place(frame, index, None)
        if self.listener is not None:
            self._report("step_skipped", frame, index, duration=frame.took(index))

    def cached(self, frame: Frame, index: int, value: Any, *, skipped: bool) -> None:
        """Record that a node's result, or that it was skipped, is known from an earlier run.

        Args:
            frame: The frame of the node.
            index: The node's index.
            value: The result.
            skipped: Whether its condition was false.
        """
        frame.begin(index)
        if skipped:
            frame.skip(index)
        self._place(frame, index, value)
        if frame is self.root:
            self._cached.add(index)
        if self.listener is not None:
            self._report("step_cached", frame, index, duration=0.0)

    def _place(self, frame: Frame, index: int, value: Any) -> None:
        """Store a value that needs no check."""
        if frame is self.root:
            self._outputs[index] = value
        frame.end(index, clock())
        if self._serializer is not None:
            value = self._serializer.freeze(value)
        elif frame.plan.guards[index]:
            value = self._guarded(frame, value)
        frame.values[index] = value
        if frame.errors:
            frame.errors.pop(index, None)

    def take_over(self, frame: Frame, index: int) -> None:
        """Take the outcome of a node from another frame of the graph.

        Args:
            frame: The frame in which it has run.
            index: The node's index.
        """
        self.root.take_over(frame, index)
        self._outputs[index] = frame.values[index]

    def fed(self, frame: Frame, index: int, items: list[Any] | Spooled, seconds: float) -> None:
        """Record that a generator has ended, whose items a map has taken.

        Args:
            frame: The frame of its node.
            index: The node's index.
            items: The items, which a serializer has already serialized one by one.
            seconds: How long it has run.
        """
        frame.end(index, clock(), seconds)
        frame.values[index] = items
        if self._serializer is not None and frame is self.root:
            self._outputs[index] = self._serializer.thaw(items)
        if frame.errors:
            frame.errors.pop(index, None)
        if self.listener is not None:
            self._report("step_finished", frame, index, duration=frame.took(index))

    def forget_items(self, run: MapRun) -> None:
        """Forget items that failed, since the step that makes them runs again."""
        self._failed_items.pop(run.node.name, None)

    def too_many(self, run: MapRun) -> None:
        """Stop all that fails with a map, since too many of its items have failed."""
        run.stopped = True
        cause = raised(error_of(run.first_failure))
        self._stop_from(run.frame, run.index, run, cause, is_fatal=False)

    def map_done(self, run: MapRun, results: list[Any] | Spooled) -> None:
        """Record a map's results, which a serializer has already serialized one by one."""
        frame, index = run.frame, run.index
        self._count(run)
        frame.end(index, clock())
        guarding = self._serializer is None and frame.plan.guards[index]
        guarding = guarding and index not in frame.plan.spooled  # its readers have copies anyway
        frame.values[index] = self._guarded(frame, results) if guarding else results
        if self._serializer is not None and frame is self.root:
            self._outputs[index] = self._serializer.thaw(results)
        self._report_end(run)

    def map_failed(self, run: MapRun) -> None:
        """Record that all items of a failed map have ended."""
        self._count(run)
        run.frame.end(run.index, clock())
        self._report_end(run, run.frame.errors.get(run.index))

    def failed(
        self, frame: Frame, index: int, error: BaseException, seconds: float | None = None
    ) -> float | None:
        """Record that an attempt raised.

        Returns:
            Seconds until the next attempt, or ``None`` if this was the last.
        """
        error, known = frame.timely(index, error), None
        if index in frame.plan.walks and isinstance(error, LokkiError):
            # Of a routed pipeline: the error for the user names the step that has failed.
            known, error = error, error.__cause__ or error
        delay = self.retried(frame, index, error, seconds)
        if delay is None and not self.caught(frame, index, error, seconds):
            self.give_up(frame, index, known or step_failed(frame, index, error), seconds)
        return delay

    def retried(
        self,
        frame: Frame,
        index: int,
        error: BaseException,
        seconds: float | None = None,
        *,
        died: bool = False,
    ) -> float | None:
        """Record that an attempt failed, if there is another one.

        Args:
            frame: The frame of the node.
            index: The node's index.
            error: The error of the attempt.
            seconds: Duration of the attempt, if it was measured elsewhere.
            died: Whether its process ended, so that the error is not the step's.

        Returns:
            Seconds until the next attempt, or ``None`` if this was the last.
        """
        node = frame.plan.nodes[index]
        assert isinstance(node, Node)
        frame.attempts.setdefault(index, 1)
        delay = None
        if not frame.is_stopped():
            delay = frame.retry_after(index, node, error, died=died)
        if delay is None:
            return None
        frame.end(index, clock(), seconds)
        frame.errors[index] = error
        frame.plan.settings.recording.retry(Identity.called(frame, index), error, traceback_of)
        if self.listener is not None:
            self._report("step_retried", frame, index, duration=frame.took(index), error=error)
        return delay

    def died(
        self,
        frame: Frame,
        index: int,
        error: BaseException,
        seconds: float | None = None,
        *,
        renewed: bool = True,
    ) -> float | None:
        """Record that the process of an attempt has ended.

        Args:
            frame: The frame of the node.
            index: The node's index.
            error: The error of the pool of processes.
            seconds: Duration of the attempt, if it was measured elsewhere.
            renewed: Whether there is another process for a next attempt.

        Returns:
            Seconds until the next attempt, or ``None`` if this was the last.
        """
        delay = self.retried(frame, index, error, seconds, died=True) if renewed else None
        if delay is None and not self.caught(frame, index, error, seconds, died=True):
            failed = step_failed(frame, index, error)
            failed.remedy = DEATH
            self.give_up(frame, index, failed, seconds, is_fatal=True)
        return delay

    def caught(
        self,
        frame: Frame,
        index: int,
        error: BaseException,
        seconds: float | None = None,
        *,
        died: bool = False,
    ) -> bool:
        """Record that a node has failed finally, if its catcher lists the error.

        Its result is then a failure.

        Args:
            frame: The frame of the node.
            index: The node's index.
            error: The error of the attempt.
            seconds: Duration of the attempt, if it was measured elsewhere.
            died: Whether its process ended, so that the error is not the step's.
        """
        node = frame.plan.nodes[index]
        if not isinstance(node, Node) or not node.catch or not is_caught(node, error, died=died):
            return False
        if frame.caught is None:
            frame.caught = set()
        frame.caught.add(index)
        self._place(frame, index, failure_of(node.step.name, error, died=died))
        frame.end(index, clock(), seconds)
        frame.errors[index] = error
        if self.listener is not None:
            self._report("step_caught", frame, index, duration=frame.took(index), error=error)
        return True

    def give_up(
        self,
        frame: Frame,
        index: int,
        error: LokkiError,
        seconds: float | None = None,
        *,
        is_fatal: bool = False,
    ) -> None:
        """Record that a node has failed finally, and stop everything that fails with it.

        Args:
            frame: The frame of the node.
            index: The node's index.
            error: The error for the user.
            seconds: Duration of the attempt, if it was measured elsewhere.
            is_fatal: Whether it ends the run even if a map tolerates failures.
        """
        frame.end(index, clock(), seconds)
        self._stop(frame, index, error, is_fatal)
        if self.listener is not None:
            self._report_failure(frame, index, raised(error))

    def _stop(self, frame: Frame, index: int, error: LokkiError, is_fatal: bool) -> None:
        """Stop all that fails with a node: its item, the map if too many have failed, and so on."""
        self._stop_from(frame, index, error, raised(error), is_fatal=is_fatal)

    def _stop_from(
        self, frame: Frame, index: int, failure: Failure, cause: BaseException, *, is_fatal: bool
    ) -> None:
        while True:
            frame.errors[index] = cause
            frame.stopped = True
            run = frame.owner
            if run is None:
                self._failures.append((index, failure))
                return
            assert frame.item is not None
            run.failures.setdefault(frame.item, failure)
            self._failed_items.setdefault(run.node.name, {}).setdefault(frame.key, cause)
            if not is_fatal and (run.stopped or not run.fails_with(len(run.failures))):
                return
            run.stopped = True
            failure, frame, index = run, run.frame, run.index

    def close(self, error: BaseException | None = None) -> None:
        """Record that the run has ended; later events are not sent.

        Args:
            error: The error that ended it, if any.
        """
        self.root.stopped = True
        self._duration = clock() - self._origin
        if self.listener is not None:
            self._report("run_finished", duration=self._duration, error=error)

    def failure(self) -> LokkiError | None:
        """Return the error of the node that failed first, with notes about the others."""
        if not self._failures:
            return None
        first, failure = self._failures[0]
        error = error_of(failure)
        listed = {first}
        for index, other in self._failures[1:]:
            if index not in listed:
                listed.add(index)
                error.add_note(f"also failed: {error_of(other)}")
        for index, unlucky in list(self.root.errors.items()):
            if index not in listed and index not in (self.root.caught or ()):
                name = label(self.root.plan.nodes[index])
                error.add_note(f"also failed, not tried again: {name}: {described(unlucky)}")
        return error

    def run(self) -> Run:
        """Return the run so far; later changes do not affect it."""
        root = self.root
        outputs = [
            NOTHING if type(one) is Feed else one  # a generator that has not ended
            for one in self._outputs[: len(root.plan.nodes)]
        ]
        return Run(
            self.definition,
            values=[plain(one) for one in outputs] if root.kept else outputs,
            starts=[None if at is None else at - self._origin for at in root.starts],
            ends=[None if at is None else at - self._origin for at in root.ends],
            attempts=dict(root.attempts),
            errors=dict(root.errors),
            skipped=frozenset(root.skipped or ()),
            caught=frozenset(root.caught or ()),
            cached=frozenset(self._cached),
            failed_items={name: dict(items) for name, items in [*self._failed_items.items()]},
            totals=dict(self._totals),
            duration=self._duration,
        )

    def _report_failure(self, frame: Frame, index: int, error: BaseException) -> None:
        took = frame.took(index)
        if index in frame.plan.bodies:  # its items are not known yet
            self._report("map_started", frame, index, total=0)
            self._report("map_finished", frame, index, duration=took, error=error, total=0)
        else:
            self._report("step_failed", frame, index, duration=took, error=error)

    def _report_end(self, run: MapRun, error: BaseException | None = None) -> None:
        if self.listener is not None:
            took = run.frame.took(run.index)
            self._report(
                "map_finished", run.frame, run.index, duration=took, error=error, total=run.total
            )

    def _report(
        self,
        kind: EventKind,
        frame: Frame | None = None,
        index: int = 0,
        *,
        duration: float | None = None,
        error: BaseException | None = None,
        total: int | None = None,
    ) -> None:
        assert self.listener is not None
        node = None if frame is None else frame.plan.nodes[index]
        event = Event(
            kind,
            node=None if node is None else node.name,
            step=node.step.name if isinstance(node, Node) else None,
            time=time(),
            duration=duration,
            attempt=1 if frame is None else frame.attempts.get(index, 1),
            error=error,
            pipeline=self.definition.name,
            item=None if frame is None else frame.item,
            total=total,
        )
        self.listener.tell(event, last=kind == "run_finished")
