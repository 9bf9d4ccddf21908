"""Conversion of an execution's history to events like those of a local run.

The history contains events of states. A state that was entered is a :class:`.Visit` here. Each
event has the id of the previous one, which leads to its visit and iteration of a map. Whether a
failed task is retried is known only from later events, so a failure is pending until then.

A Distributed Map's items are executions of their own: the history does not contain them, and their
number is requested separately. Tasks that run no step, such as one that evaluates a job's condition
or raises a job's error, have visits of the kind ``ASIDE`` and cause no events of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lokki_tf.asl import failed_title
from lokki_tf.errors import AwsError
from lokki_tf.local.events import Event, EventKind
from lokki_tf.local.strict import is_not_ready
from lokki_tf.model import Map, Node
from lokki_tf.runtime.busy import AlreadyRunning
from lokki_tf.runtime.call import SKIPPED
from lokki_tf.runtime.failures import details_of, node_of, payload_of

from .remote import RemoteError, remote_error
from .tasks import answer_of, is_aside, is_callback, is_skipped, left_error, moves_of, start_error
from .visits import ItemCounts, Visit, up

if TYPE_CHECKING:
    from lokki_tf.model import Definition

_TASK = ("Task", "LambdaFunction")
_FAILURES = ("Failed", "TimedOut", "StartFailed", "ScheduleFailed", "SubmitFailed")
# Kinds of visits: tasks without a step, caught failures, started pipelines whose result follows,
# the state that takes a slot, routed pipelines that are nodes.
ASIDE, CAUGHT, STARTED, CHECK, WALK = "Aside", "Caught", "Started", "Check", "Walk"
ENDINGS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
_SCOPES_FAIL = ("ParallelStateFailed", "MapStateFailed", "MapIterationFailed", *ENDINGS[1:])
_ITEM_FAILED = {"error": "ItemFailed", "cause": "an item of the map failed (AWS counts them only)"}


@dataclass(eq=False)
class Tracker:
    """Converts events of an execution to events of a run.

    Pass every event of the history to :meth:`read`, in order, and call :meth:`progress` between
    requests of the history, for the items of Distributed Maps.

    Args:
        definition: The pipeline, under the stack's name.
        counts: Returns the item counts of a Distributed Map's run.
        read_object: Returns the bytes of an object: the answer of a job whose step has a condition.
    """

    definition: Definition
    counts: Callable[[str], ItemCounts]
    read_object: Callable[[str], bytes]
    open: list[Visit] = field(default_factory=list, init=False)
    """Visits that have not ended."""
    items: dict[str, ItemCounts] = field(default_factory=dict, init=False)
    """Item counts of each map, by name."""
    last: int = field(default=0, init=False)
    """Id of the last event that was read."""
    ended: bool = field(default=False, init=False)
    transitions: int = field(default=0, init=False)
    """The states that were entered."""
    map_runs: dict[str, list[str]] = field(default_factory=dict, init=False)
    """ARNs of the runs of each Distributed Map, by name."""
    done: list[Visit] = field(default_factory=list, init=False)
    """Visits of steps and maps that have a result, in the order of their ends."""
    _stalled: list[Visit] = field(default_factory=list, init=False)
    _undecided: list[Visit] = field(default_factory=list, init=False)
    """Failures that either a catcher of the step or that of the cleanup step has caught."""
    _of: dict[int, Visit] = field(default_factory=dict, init=False)
    _began: float = field(default=0.0, init=False)

    def read(self, event: Mapping[str, Any]) -> Iterable[Event]:
        """Return the events of a run that follow from an event of its execution.

        Args:
            event: As ``GetExecutionHistory`` gives it; each once, in order.
        """
        kind, number = str(event["type"]), int(event["id"])
        when = event["timestamp"].timestamp()
        before = self._of.get(int(event.get("previousEventId", 0)))
        events: list[Event] = []
        self._of[number] = self._moved(kind, event, when, before, events) or self._root(when)
        self.last = number
        return events

    def progress(self, now: float) -> Iterable[Event]:
        """Return events for the items of Distributed Maps that ended since the previous call.

        Args:
            now: The time, as ``time.time()`` counts.
        """
        events: list[Event] = []
        for visit in self.open:
            if visit.map_run:
                self._count(visit, now, events)
        return events

    def _root(self, when: float) -> Visit:
        return Visit("Execution", self.definition.name, None, None, when)

    def _moved(
        self,
        kind: str,
        event: Mapping[str, Any],
        when: float,
        before: Visit | None,
        events: list[Event],
    ) -> Visit | None:
        """Record an event, and return the visit to which the next events belong."""
        details = details_of(event)
        if kind.endswith("StateEntered"):
            self.transitions += 1
            return self._entered(kind, details, when, before, events)
        if kind.endswith("StateExited"):
            visit = up(before, name=details["name"])
            if visit is not None:
                visit.left = details
            return self._exited(visit, when, events)
        if kind == "MapIterationStarted":
            return Visit("Iteration", "", int(details["index"]), before, when)
        if kind in ("MapIterationSucceeded", "MapIterationFailed", "MapIterationAborted"):
            self._fail_pending(kind, events, details, when, before)
            return self._iterated(before, kind)
        if kind.startswith(_TASK):
            return self._task(kind, details, when, before, events)
        if kind in ("ExecutionStarted", "ExecutionRedriven"):
            self.ended, self._began, self._stalled = False, when, list(self.open)
            for one in self.open:  # a redrive continues them, with all their attempts
                one.began, one.attempts = when, 0
            events.append(self._event("run_started", None, when))
        elif kind == "MapStateStarted":
            # In AWS a second attempt follows an event of an iteration that has failed.
            before = up(before, kind="Map") or before
            self._map_started(before, details, when, events)
        elif kind == "MapRunFailed" and before is not None:
            before.map_error = details  # the reason, which the event of the state does not contain
        elif kind in ("MapRunStarted", "MapRunRedriven"):
            before = self._map_run(before, str(details["mapRunArn"]), when, events)
        self._fail_pending(kind, events, details, when, before)
        if kind in ENDINGS:
            self._end(kind, details, when, events)
        return before

    # States.

    def _entered(
        self,
        kind: str,
        details: Mapping[str, Any],
        when: float,
        before: Visit | None,
        events: list[Event],
    ) -> Visit:
        item = before.item if before else None
        cleanup = self.definition.cleanup
        if cleanup is not None and details["name"] == failed_title(cleanup.name):
            self._report_failures(events, when)
        else:
            for one in self._undecided:
                self._caught(one, events)
        self._undecided.clear()
        visit = Visit(kind.removesuffix("StateEntered"), details["name"], item, before, when)
        self.open.append(visit)
        if visit.kind == "Wait":
            events.append(self._event("wait_started", visit, when))
        elif visit.kind == "Parallel" and visit.name in self._walks:
            visit.kind = WALK
            events.append(self._event("step_started", visit, when))
        return visit

    def _exited(self, visit: Visit | None, when: float, events: list[Event]) -> Visit | None:
        if visit is None:
            return None
        if visit.kind == "Task" and visit.failure is not None:
            if visit.name in self._catching and (visit.asks or not visit.is_job):
                return self._maybe_caught(visit, events)
            visit.kind = CAUGHT  # the execution continues, to read the error or to send a notice
            return visit.outer
        if visit.moves is not None and visit in self.open:
            return self._moved_values(visit, visit.moves, when, events)
        if visit.kind == ASIDE and visit.raised:
            for job in [one for one in self._jobs_of(visit) if one.name in self._catching]:
                self._maybe_caught(job, events)
        if visit.kind == WALK and visit.failure is not None:
            return self._maybe_caught(visit, events)
        if visit.kind == "Task" and visit.name in self._starts:
            visit.kind = STARTED  # its result follows
            return visit.outer
        if visit in self.open:
            self.open.remove(visit)
        visit.failure = None
        if visit.kind == "Map":
            if visit.map_run:
                self._count(visit, when, events)
            self.done.append(visit)
            if not visit.is_reported:  # a map whose failure was reported has no second event
                events.append(self._event("map_finished", visit, when, total=visit.total or 0))
        elif visit.kind == "Wait":
            events.append(self._event("wait_finished", visit, when))
        elif visit.kind == CHECK:
            self._left_check(visit, when, events)
        elif visit.kind == WALK:
            self._left_walk(visit, when, events)
        elif visit.kind == "Task":
            done: EventKind = "step_skipped" if visit.skipped else "step_finished"
            if not visit.skipped:
                self.done.append(visit)
            events.append(self._event(done, visit, when))
        return visit.outer

    def _left_walk(self, visit: Visit, when: float, events: list[Event]) -> None:
        """Report that a routed pipeline has ended, with the result of its last step."""
        inner = [one for one in self.done if up(one, kind=WALK) is visit]
        visit.last = inner[-1] if inner else None
        self.done.append(visit)
        events.append(self._event("step_finished", visit, when))

    def _moved_values(
        self, visit: Visit, moves: tuple[str, str], when: float, events: list[Event]
    ) -> Visit | None:
        """Report how a start has ended, after the function that made its parameters or result."""
        start = self._start_of(visit, moves)
        if start is None:  # the pipeline is started next
            self.open.remove(visit)
            return visit.outer
        if start is not visit:
            self.open.remove(visit)
        if start.failure is not None:
            return self._maybe_caught(start, events)
        self.open.remove(start)
        start.output = visit.output
        self.done.append(start)
        events.append(self._event("step_finished", start, when))
        return visit.outer

    def _start_of(self, aside: Visit, moves: tuple[str, str]) -> Visit | None:
        """Return the visit of the start for which a function moves values, if that may end it."""
        what, node = moves
        if what == "parameters":
            return aside if aside.failure is not None else None
        alike = [one for one in self.open if one.kind == STARTED and one.outer is aside.outer]
        return next((one for one in reversed(alike) if one.name == node), None)

    def _maybe_caught(self, visit: Visit, events: list[Event]) -> Visit | None:
        """Report a failure that the step's own catcher has caught, or wait for the next state."""
        outermost = visit.outer is None or visit.outer.kind == "Execution"
        if self.definition.cleanup is None or not outermost:
            return self._caught(visit, events)
        self._undecided.append(visit)
        return visit.outer

    def _caught(self, visit: Visit, events: list[Event]) -> Visit | None:
        """Report a failure that the state machine has caught."""
        error, failed = visit.failure or (RemoteError(), visit.began)
        self._begun(visit, events)
        events.append(self._event("step_caught", visit, failed, error))
        self.done.append(visit)
        self.open.remove(visit)
        visit.failure = None
        return visit.outer

    @cached_property
    def _catching(self) -> frozenset[str]:
        """The nodes with a catcher."""
        routes = self.definition.routes.routes if self.definition.routes else ()
        caught = {route.step.name for route in routes if route.catches}
        visits = self.definition.graph.visits.items()
        caught |= {name for name, route in visits if route.catches}
        return frozenset(caught | {n.name for n in self.definition.graph.walk() if n.catch})

    @cached_property
    def _walks(self) -> frozenset[str]:
        """The nodes that are routed pipelines."""
        return frozenset(one.name for one in self.definition.graph.routed)

    @cached_property
    def _starts(self) -> Mapping[str, str]:
        """The names of started pipelines, by the nodes that start them."""
        return {
            one.name: one.step.starts.name for one in self.definition.started if one.step.starts
        }

    def _jobs_of(self, aside: Visit) -> list[Visit]:
        """Return the failed jobs whose error a task may raise."""
        return [one for one in self.open if one.kind == CAUGHT and one.outer is aside.outer]

    def _task(
        self,
        kind: str,
        details: Mapping[str, Any],
        when: float,
        before: Visit | None,
        events: list[Event],
    ) -> Visit | None:
        if before is not None and before.kind == ASIDE:
            self._found_out(kind, before, details, when)
            return before
        if before is not None and before.kind == CHECK:
            return self._checked(before, kind, details, when, events)
        visit = up(before, kind="Task")
        if kind.endswith("Scheduled"):
            payload = payload_of(details)
            if "slots" in payload:
                visit = visit or self._stalled_one(CHECK, None)
                if visit is not None:
                    visit.kind = CHECK
                return visit or before
            node = node_of(payload)
            # A task that raises a job's error, and runs the job again after a redrive.
            job = node if "redrives" in payload else None
            if job is not None or is_aside(details, node, self.definition):
                aside = self._aside(visit, job)
                for one in self.open if job is not None else ():
                    if (
                        one.kind == STARTED
                        and one.name == job
                        and aside
                        and one.outer is aside.outer
                    ):
                        one.kind = CAUGHT  # its output was too large
                if aside is not None:
                    aside.moves = moves_of(details)
                return aside or before
            visit = visit or self._stalled_one("Task", node)
            if visit is None:
                return before
            visit.answer, visit.asks = answer_of(details), bool(payload.get("asks"))
            visit.is_job = details.get("resourceType") in ("batch", "states")
            visit.is_callback = is_callback(details)
            self._scheduled(visit, node, when, events)
        elif visit is None:
            return before
        elif kind.endswith("Succeeded"):
            visit.skipped = is_skipped(details) or self._is_job_skipped(visit)
            visit.output = details.get("output")
            if visit.asks and not visit.skipped:
                visit.kind = ASIDE  # the job follows
            elif visit.asks:
                events.append(self._event("step_started", visit, visit.began))
        elif kind.endswith(_FAILURES):
            if details.get("error") == SKIPPED:  # raised where no answer is to be waited for
                visit.skipped = True
                return visit
            pipeline = self._starts.get(visit.name)
            found = details if pipeline is None else start_error(details, pipeline)
            visit.failure, visit.error = (remote_error(found), when), found
            if is_not_ready(visit.failure[0]):  # a poll, which is always repeated
                events.append(self._event("step_retried", visit, when, visit.failure[0]))
                visit.failure = None
            if visit.asks:
                events.append(self._event("step_started", visit, visit.began))
        return visit

    def _checked(
        self, visit: Visit, kind: str, details: Mapping[str, Any], when: float, events: list[Event]
    ) -> Visit:
        """Record whether an execution has taken a slot, and report that it waits for one."""
        if kind.endswith("Succeeded"):
            visit.skipped = False
        elif kind.endswith(_FAILURES) and details.get("error") == AlreadyRunning.__name__:
            visit.skipped = True
            visit.attempts += 1
            if self.definition.when_busy == "queue" and visit.attempts == 1:
                events.append(self._event("wait_started", visit, when, remote_error(details)))
        return visit

    def _left_check(self, visit: Visit, when: float, events: list[Event]) -> None:
        """Report the end of the wait for a slot, or that the execution is skipped."""
        if visit.skipped:
            routes = self.definition.routes
            nodes = [node.name for node in self.definition.whole.nodes]
            for name in nodes if routes is None else [routes.start]:
                one = Visit("Task", name, None, visit.outer, when)
                events.append(self._event("step_skipped", one, when))
        elif visit.attempts:
            events.append(self._event("wait_finished", visit, when))

    def _aside(self, visit: Visit | None, job: str | None) -> Visit | None:
        """Return the visit of a task that runs no step; after a redrive, the continued one."""
        alike = (one for one in self._stalled if one.kind == ASIDE and one.job == job)
        visit = visit or next(alike, None)
        if visit is not None:
            visit.kind, visit.job = ASIDE, job
        return visit

    def _is_job_skipped(self, visit: Visit) -> bool:
        """Return whether a job's condition was false, according to its answer in the bucket."""
        nodes = self.definition.graph.walk()
        if visit.answer is None or not any(
            one.name == visit.name and isinstance(one, Node) and one.when for one in nodes
        ):
            return False
        try:
            return "skipped" in json.loads(self.read_object(visit.answer))
        except (AwsError, ValueError):
            return False  # the object was deleted

    def _found_out(self, kind: str, aside: Visit, details: Mapping[str, Any], when: float) -> None:
        """Record the error that a job has written, if the task has read it."""
        if aside.moves is not None:
            self._lost_values(kind, aside, aside.moves, details, when)
            return
        caught = self._jobs_of(aside)
        aside.raised = aside.job is not None and kind.endswith(_FAILURES)
        error = left_error(details)
        if caught and error:
            caught[-1].failure, caught[-1].error = (remote_error(error), when), error

    def _lost_values(
        self,
        kind: str,
        aside: Visit,
        moves: tuple[str, str],
        details: Mapping[str, Any],
        when: float,
    ) -> None:
        """Record that parameters or the result of a started pipeline could not be moved."""
        failure = (remote_error(details), when) if kind.endswith(_FAILURES) else None
        aside.output = details.get("output")
        start = aside if moves[0] == "parameters" else self._start_of(aside, moves)
        if start is not None:
            start.failure, start.error = failure, details

    def _scheduled(self, visit: Visit, node: str | None, when: float, events: list[Event]) -> None:
        if visit.failure is not None:
            error, failed = visit.failure
            events.append(self._event("step_retried", visit, failed, error))
        visit.failure = None
        visit.name = node or visit.name
        visit.attempts += 1
        visit.began = when
        if not visit.asks:
            events.append(self._event("step_started", visit, when))

    def _map_started(
        self, visit: Visit | None, details: Mapping[str, Any], when: float, events: list[Event]
    ) -> None:
        # The length of a Distributed Map is in events of its run; a map of an earlier version may
        # not exist in the definition.
        if visit is not None and (self._is_inline(visit.name) or details.get("length")):
            visit.total = int(details.get("length", 0))
            events.append(self._event("map_started", visit, when, total=visit.total))

    def _map_run(
        self, visit: Visit | None, map_run: str, when: float, events: list[Event]
    ) -> Visit | None:
        """Record that a Distributed Map's run starts, or continues after a redrive."""
        if visit is None or visit.kind != "Map":
            known = (one.name for one in self._stalled if one.map_run == map_run)
            visit = self._stalled_one("Map", next(known, None))
        if visit is not None:
            visit.map_run, visit.map_error, visit.is_reported = map_run, None, False
            self.map_runs.setdefault(visit.name, []).append(map_run)
            visit.item_error = None
            self._count(visit, when, events)
        return visit

    def _iterated(self, before: Visit | None, kind: str) -> Visit | None:
        """Record the end of an iteration of an inline map, and return the map's visit."""
        around = up(before, kind="Map")
        if around is not None:
            known = self.items.get(around.name, ItemCounts(around.total or 0, 0, 0))
            good = int(kind.endswith("Succeeded"))
            done, failed = known.done + good, known.failed + 1 - good
            # Iterations of an earlier attempt may end after the next one has started.
            most = max(known.total - done, 0) if known.total else failed
            self.items[around.name] = ItemCounts(known.total, done, min(failed, most))
        return around or before

    def _stalled_one(self, kind: str, name: str | None) -> Visit | None:
        """Return a visit that a redrive continues: its state is not entered a second time."""
        alike = (one for one in self._stalled if one.kind == kind and name in (one.name, None))
        found = next(alike, None)
        if found is not None:
            self._stalled.remove(found)
        return found

    def _is_inline(self, name: str) -> bool:
        found = next((one for one in self._maps() if one.name == name), None)
        return found is not None and found.options.mode == "inline"

    def _maps(self) -> Iterable[Map]:
        waiting = list(self.definition.graph.nodes)
        for node in waiting:
            if isinstance(node, Map):
                waiting.extend(node.body.nodes)
                yield node

    def _count(self, visit: Visit, when: float, events: list[Event]) -> None:
        """Report a Distributed Map's ended items as the ends of its body's last node."""
        now = self.counts(visit.map_run or "")
        if visit.total is None and now.total:
            visit.total = now.total
            events.append(self._event("map_started", visit, when, total=now.total))
        self.items[visit.name] = now
        one = next((each for each in self._maps() if each.name == visit.name), None)
        last = Visit("Task", one.body.terminals[-1] if one else visit.name, None, visit, when)
        for index in range(visit.done + visit.failed, now.done + now.failed):
            last.item = index
            is_lost = index >= now.done + visit.failed
            # Only their number is known here; the run's error and its logs name the items.
            error = remote_error(_ITEM_FAILED) if is_lost else None
            if visit.item is None:
                ended: EventKind = "step_failed" if is_lost else "step_finished"
                events.append(self._event(ended, last, when, error, item=index))
        visit.done, visit.failed = now.done, now.failed

    # Ends.

    def _fail_pending(
        self,
        kind: str,
        events: list[Event],
        details: Mapping[str, Any],
        when: float,
        before: Visit | None,
    ) -> None:
        """Report the failures inside a scope that has failed: they are not retried."""
        if kind not in _SCOPES_FAIL:
            return
        inner = [one.failure[0] for one in self.open if one.failure is not None]
        walk = up(before, kind=WALK) if kind == "ParallelStateFailed" else None
        if walk is not None and walk in self.open and inner:
            self._report_failures(events, when)
            walk.failure, walk.error = (inner[-1], when), self._error_in(walk)
            if walk.name in self._catching:
                return
        self._report_failures(events, when)
        around = up(before, kind="Map")
        if around is not None and kind == "MapIterationFailed" and inner:
            around.item_error = inner[-1]
        if around is not None and kind == "MapStateFailed":
            # The event of an inline map has no details in AWS: its last failed step explains it.
            known = around.map_error or details
            error = around.item_error if around.item_error and not known else remote_error(known)
            around.is_reported = True
            if around.map_run:
                self._count(around, when, events)
            events.append(self._event("map_finished", around, when, error, total=around.total or 0))

    def _error_in(self, walk: Visit) -> Mapping[str, Any] | None:
        """Return error and cause of the last step of a routed pipeline."""
        inner = [one for one in self.open if one is not walk and up(one, kind=WALK) is walk]
        return inner[-1].error if inner else None

    def _report_failures(self, events: list[Event], when: float) -> None:
        for visit in [one for one in self.open if one.failure is not None]:
            error, failed = visit.failure or (RemoteError(), when)
            self._begun(visit, events)
            events.append(self._event("step_failed", visit, failed, error))
            visit.failure = None

    def _begun(self, visit: Visit, events: list[Event]) -> None:
        """Report the beginning of a start that failed before the pipeline was started."""
        if visit.moves is not None and visit.moves[0] == "parameters":
            visit.name = visit.moves[1]
            events.append(self._event("step_started", visit, visit.began))

    def _end(self, kind: str, details: Mapping[str, Any], when: float, events: list[Event]) -> None:
        self.ended = True
        word = kind.removeprefix("Execution")
        error = None if word == "Succeeded" else remote_error({"error": word, **details})
        event = self._event("run_finished", None, when, error)
        events.append(event)

    def _event(
        self,
        kind: EventKind,
        visit: Visit | None,
        when: float,
        error: BaseException | None = None,
        *,
        total: int | None = None,
        item: int | None = None,
    ) -> Event:
        began = self._began if visit is None else visit.began
        starts = kind in ("run_started", "step_started", "map_started", "wait_started")
        return Event(
            kind,
            None if visit is None else visit.name,
            None if visit is None else visit.name,
            when,
            None if starts else max(0.0, when - began),
            max(1, visit.attempts) if visit else 1,
            error,
            self.definition.name,
            item if item is not None else (visit.item if visit else None),
            total,
        )
