"""An execution's history as the events of a run: those that a local run tells, too.

Step Functions tells of states; a state is a visit here. Each event names the one before it,
and so the visit and the iteration of a map that it belongs to. A task that fails may be tried
again, which only later events tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError
from lokki_tf.local.events import Event, EventKind
from lokki_tf.model import Map, Node
from lokki_tf.runtime.failures import details_of, node_of, payload_of

from .remote import RemoteError, remote_error
from .tasks import answer_of, is_aside, is_skipped, left_error
from .visits import ItemCounts, Visit, up

if TYPE_CHECKING:
    from lokki_tf.model import Definition

_TASK = ("Task", "LambdaFunction")
_FAILURES = ("Failed", "TimedOut", "StartFailed", "ScheduleFailed", "SubmitFailed")
ASIDE, CAUGHT = "Aside", "Caught"  # kinds of visits: a task that is no step, one that has failed
ENDINGS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
_SCOPES_FAIL = ("ParallelStateFailed", "MapStateFailed", "MapIterationFailed", *ENDINGS[1:])
_ITEM_FAILED = {"error": "ItemFailed", "cause": "an item of the map, counted as they fail"}


@dataclass(eq=False)
class Tracker:
    """Makes a run's events of an execution's.

    Args:
        definition: The pipeline, under the stack's name.
        counts: Tells how far the run of a Distributed Map is.
        read_object: Gives the bytes of an object; of a job whose step has a condition, its answer.
        open: Visits that have not ended.
        items: How far each map is, by name.
    """

    definition: Definition
    counts: Callable[[str], ItemCounts]
    read_object: Callable[[str], bytes]
    open: list[Visit] = field(default_factory=list)
    items: dict[str, ItemCounts] = field(default_factory=dict)
    _stalled: list[Visit] = field(default_factory=list)
    last: int = 0
    ended: bool = False
    _of: dict[int, Visit] = field(default_factory=dict)
    _began: float = 0.0

    def read(self, event: Mapping[str, Any]) -> Iterable[Event]:
        """The events of a run that an event of its execution tells.

        Args:
            event: As ``GetExecutionHistory`` gives it; each once, in order.
        """
        kind, number = str(event["type"]), int(event["id"])
        when = event["timestamp"].timestamp()
        before = self._of.get(int(event.get("previousEventId", 0)))
        told: list[Event] = []
        self._of[number] = self._moved(kind, event, when, before, told) or self._root(when)
        self.last = number
        return told

    def progress(self, now: float) -> Iterable[Event]:
        """How far Distributed Maps have got since the last time.

        Args:
            now: The time, as ``time.time()`` counts.
        """
        told: list[Event] = []
        for visit in self.open:
            if visit.map_run:
                self._count(visit, now, told)
        return told

    def _root(self, when: float) -> Visit:
        return Visit("Execution", self.definition.name, None, None, when)

    def _moved(
        self,
        kind: str,
        event: Mapping[str, Any],
        when: float,
        before: Visit | None,
        told: list[Event],
    ) -> Visit | None:
        """Notes an event, and returns the visit in which what follows it happens."""
        details = details_of(event)
        if kind.endswith("StateEntered"):
            return self._entered(kind, details, when, before)
        if kind.endswith("StateExited"):
            return self._exited(up(before, name=details["name"]), when, told)
        if kind == "MapIterationStarted":
            return Visit("Iteration", "", int(details["index"]), before, when)
        if kind in ("MapIterationSucceeded", "MapIterationFailed", "MapIterationAborted"):
            self._fail_pending(kind, told, details, when, before)
            return self._iterated(before, kind)
        if kind.startswith(_TASK):
            return self._task(kind, details, when, before, told)
        if kind in ("ExecutionStarted", "ExecutionRedriven"):
            self.ended, self._began, self._stalled = False, when, list(self.open)
            for one in self.open:  # a redrive takes them up, with all their attempts
                one.began, one.attempts = when, 0
            told.append(self._event("run_started", None, when))
        elif kind == "MapStateStarted":
            self._map_started(before, details, when, told)
        elif kind == "MapRunFailed" and before is not None:
            before.told = details  # why, which the failure of the state does not say
        elif kind in ("MapRunStarted", "MapRunRedriven"):
            before = self._map_run(before, str(details["mapRunArn"]), when, told)
        self._fail_pending(kind, told, details, when, before)
        if kind in ENDINGS:
            self._end(kind, details, when, told)
        return before

    # States.

    def _entered(
        self, kind: str, details: Mapping[str, Any], when: float, before: Visit | None
    ) -> Visit:
        item = before.item if before else None
        visit = Visit(kind.removesuffix("StateEntered"), details["name"], item, before, when)
        self.open.append(visit)
        return visit

    def _exited(self, visit: Visit | None, when: float, told: list[Event]) -> Visit | None:
        if visit is None:
            return None
        if visit.kind == "Task" and visit.failure is not None:
            visit.kind = CAUGHT  # the execution goes on, to find out or to tell why
            return visit.outer
        if visit in self.open:
            self.open.remove(visit)
        visit.failure = None
        if visit.kind == "Map":
            if visit.map_run:
                self._count(visit, when, told)
            if not visit.is_told:  # it has failed, and somebody is told of it
                told.append(self._event("map_finished", visit, when, total=visit.total or 0))
        elif visit.kind == "Task":
            done: EventKind = "step_skipped" if visit.skipped else "step_finished"
            told.append(self._event(done, visit, when))
        return visit.outer

    def _task(
        self,
        kind: str,
        details: Mapping[str, Any],
        when: float,
        before: Visit | None,
        told: list[Event],
    ) -> Visit | None:
        if before is not None and before.kind == ASIDE:
            self._found_out(before, details, when)
            return before
        visit = up(before, kind="Task")
        if kind.endswith("Scheduled"):
            payload = payload_of(details)
            node = node_of(payload)
            # A task that raises a job's error, and lets it run again after a redrive.
            job = node if "redrives" in payload else None
            if job is not None or is_aside(details, node, self.definition):
                return self._aside(visit, job) or before
            visit = visit or self._stalled_one("Task", node)
            if visit is None:
                return before
            visit.answer, visit.asks = answer_of(details), bool(payload.get("asks"))
            self._scheduled(visit, node, when, told)
        elif visit is None:
            return before
        elif kind.endswith("Succeeded"):
            visit.skipped = is_skipped(details) or self._is_job_skipped(visit)
            if visit.asks and not visit.skipped:
                visit.kind = ASIDE  # the job follows
            elif visit.asks:
                told.append(self._event("step_started", visit, visit.began))
        elif kind.endswith(_FAILURES):
            visit.failure = remote_error(details), when
            if visit.asks:
                told.append(self._event("step_started", visit, visit.began))
        return visit

    def _aside(self, visit: Visit | None, job: str | None) -> Visit | None:
        """The visit of a task that is not a step's; after a redrive, the one that continues."""
        alike = (one for one in self._stalled if one.kind == ASIDE and one.job == job)
        visit = visit or next(alike, None)
        if visit is not None:
            visit.kind, visit.job = ASIDE, job
        return visit

    def _is_job_skipped(self, visit: Visit) -> bool:
        """Whether a job's condition was false, which only its answer in the bucket tells."""
        nodes = self.definition.graph.walk()
        if visit.answer is None or not any(
            one.name == visit.name and isinstance(one, Node) and one.when for one in nodes
        ):
            return False
        try:
            return "skipped" in json.loads(self.read_object(visit.answer))
        except (AwsError, ValueError):
            return False  # it is not there any more

    def _found_out(self, aside: Visit, details: Mapping[str, Any], when: float) -> None:
        """Notes what a job has left of its error, where that is what was read."""
        caught = [one for one in self.open if one.kind == CAUGHT and one.outer is aside.outer]
        told = left_error(details)
        if caught and told:
            caught[-1].failure = remote_error(told), when

    def _scheduled(self, visit: Visit, node: str | None, when: float, told: list[Event]) -> None:
        if visit.failure is not None:
            error, failed = visit.failure
            told.append(self._event("step_retried", visit, failed, error))
        visit.failure = None
        visit.name = node or visit.name
        visit.attempts += 1
        visit.began = when
        if not visit.asks:
            told.append(self._event("step_started", visit, when))

    def _map_started(
        self, visit: Visit | None, details: Mapping[str, Any], when: float, told: list[Event]
    ) -> None:
        # Of a Distributed Map the length is told elsewhere; a map of another time is not known.
        if visit is not None and (self._is_inline(visit.name) or details.get("length")):
            visit.total = int(details.get("length", 0))
            told.append(self._event("map_started", visit, when, total=visit.total))

    def _map_run(
        self, visit: Visit | None, map_run: str, when: float, told: list[Event]
    ) -> Visit | None:
        """A Distributed Map's run has begun, or goes on after a redrive."""
        if visit is None or visit.kind != "Map":
            known = (one.name for one in self._stalled if one.map_run == map_run)
            visit = self._stalled_one("Map", next(known, None))
        if visit is not None:
            visit.map_run, visit.told, visit.is_told = map_run, None, False
            self._count(visit, when, told)
        return visit

    def _iterated(self, before: Visit | None, kind: str) -> Visit | None:
        """An iteration of an inline map has ended; what follows happens in the map."""
        around = up(before, kind="Map")
        if around is not None:
            known = self.items.get(around.name, ItemCounts(around.total or 0, 0, 0))
            good = int(kind.endswith("Succeeded"))
            self.items[around.name] = ItemCounts(
                known.total, known.done + good, known.failed + 1 - good
            )
        return around or before

    def _stalled_one(self, kind: str, name: str | None) -> Visit | None:
        """A visit that a redrive takes up again: it is not entered a second time."""
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

    def _count(self, visit: Visit, when: float, told: list[Event]) -> None:
        """Tells a Distributed Map's new items as the ends of its body's last node."""
        now = self.counts(visit.map_run or "")
        if visit.total is None and now.total:
            visit.total = now.total
            told.append(self._event("map_started", visit, when, total=now.total))
        self.items[visit.name] = now
        one = next((each for each in self._maps() if each.name == visit.name), None)
        last = Visit("Task", one.body.terminals[-1] if one else visit.name, None, visit, when)
        for index in range(visit.done + visit.failed, now.done + now.failed):
            last.item = index
            is_lost = index >= now.done + visit.failed
            # Only their number is known here; which they are, the run's error and its logs tell.
            error = remote_error(_ITEM_FAILED) if is_lost else None
            if visit.item is None:
                ended: EventKind = "step_failed" if is_lost else "step_finished"
                told.append(self._event(ended, last, when, error, item=index))
        visit.done, visit.failed = now.done, now.failed

    # Ends.

    def _fail_pending(
        self,
        kind: str,
        told: list[Event],
        details: Mapping[str, Any],
        when: float,
        before: Visit | None,
    ) -> None:
        """Where a scope fails, what failed inside is not tried again."""
        if kind not in _SCOPES_FAIL:
            return
        for visit in [one for one in self.open if one.failure is not None]:
            error, failed = visit.failure or (RemoteError(), when)
            told.append(self._event("step_failed", visit, failed, error))
            visit.failure = None
        around = up(before, kind="Map") if kind == "MapStateFailed" else None
        if around is not None:
            error = remote_error(around.told or details)
            around.is_told = True
            if around.map_run:
                self._count(around, when, told)
            told.append(self._event("map_finished", around, when, error, total=around.total or 0))

    def _end(self, kind: str, details: Mapping[str, Any], when: float, told: list[Event]) -> None:
        self.ended = True
        word = kind.removeprefix("Execution")
        error = None if word == "Succeeded" else remote_error({"error": word, **details})
        event = self._event("run_finished", None, when, error)
        told.append(event)

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
        starts = kind in ("run_started", "step_started", "map_started")
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
