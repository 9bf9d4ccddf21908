"""What has happened in a run, and the state of each of its steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lokki_tf.local.strict import described

from .following import history, tracker_of

if TYPE_CHECKING:
    from lokki_tf.local import Event

    from .deployed import Deployed
    from .history import Tracker
    from .runs import AwsRun

_BEGUN = ("step_started", "map_started", "wait_started")
_ENDED = {
    "step_finished": "done",
    "step_skipped": "skipped",
    "step_failed": "failed",
    "wait_finished": "done",
    "step_caught": "failed, caught",
}


@dataclass(slots=True)
class StepState:
    """The state of a step or of a map.

    Args:
        node: Its name in the graph.
        status: ``done``, ``skipped``, ``failed, caught``, ``failed``, ``running``, ``aborted`` or
            ``not run``.
        duration: Seconds that it ran, if it has ended, without the time between the end of a run
            and its redrive.
        retries: How often it was retried; redrives are not counted.
        error: Its error.
        items: Of a map: the numbers of items that succeeded, of items that failed, and of all
            items.
    """

    node: str
    status: str = "not run"
    duration: float | None = None
    retries: int = 0
    error: str | None = None
    items: tuple[int, int, int] | None = None
    _since: float | None = None

    def begin(self, when: float) -> None:
        """Record that it runs, from now unless it already ran."""
        self.status = "running"
        self._since = when if self._since is None else self._since

    def end(self, status: str, when: float, seconds: float | None = None) -> None:
        """Record that it has ended.

        Args:
            status: The new status.
            when: Seconds since 1970.
            seconds: How long it ran, if its start is not known.
        """
        ran = seconds or 0.0 if self._since is None else when - self._since
        self.status, self._since = status, None
        self.duration = (self.duration or 0.0) + ran

    def as_json(self) -> dict[str, Any]:
        """Return the state as a JSON object, without unknown values."""
        items = self.items and dict(zip(("done", "failed", "total"), self.items, strict=True))
        found: dict[str, Any] = {
            "step": self.node,
            "status": self.status,
            "duration": None if self.duration is None else round(self.duration, 3),
            "retries": self.retries,
            "error": self.error,
            "items": items,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RunHistory:
    """All that has happened in a run.

    Args:
        tracker: It has read the history.
        events: As those of a local run.
    """

    tracker: Tracker
    events: Sequence[Event]

    @classmethod
    def of(cls, deployed: Deployed, run: AwsRun) -> RunHistory:
        """Read the history of a run.

        Args:
            deployed: The pipeline.
            run: The run.
        """
        tracker = tracker_of(deployed)
        return cls(
            tracker, [one for page in history(deployed, run.arn) for one in tracker.read(page)]
        )

    def states(self) -> list[StepState]:
        """Return the steps in the graph's order; of a routed pipeline, as they were visited."""
        definition = self.tracker.definition
        whole = definition.whole
        states = {node.name: StepState(node.name) for node in definition.outline.nodes}
        inner = {node.name for node in whole.every()} - {node.name for node in whole.nodes}
        walks = definition.graph.routed
        inner |= {name for node in walks if node.name in inner for name in node.visits}
        _add_up(states, [one for one in self.events if one.node not in inner])
        for node in walks:  # their steps follow them
            own = [name for name in node.visits if name in states]
            after = [*states][[*states].index(node.name) + 1 :] if node.name in states else []
            for name in (*own, *(one for one in after if one not in own)):
                states[name] = states.pop(name)
        for name, one in self.tracker.items.items():
            if name in states:
                states[name].items = one.done, one.failed, one.total
        return list(states.values())


def _add_up(states: dict[str, StepState], events: Iterable[Event]) -> None:
    for event in events:
        if event.kind == "run_finished":
            for state in states.values():
                if state.status == "running":
                    state.end("aborted", event.time)
        if event.node is None:
            continue
        state = states.setdefault(event.node, StepState(event.node))
        if event.kind in _BEGUN:
            state.begin(event.time)
        elif event.kind == "step_retried":
            state.retries += 1
            state.error = described(event.error or "")
        elif event.kind in _ENDED:
            _end(state, event, _ENDED[event.kind])
        elif event.kind == "map_finished":
            _end(state, event, "failed" if event.error else "done")


def _end(state: StepState, event: Event, status: str) -> None:
    state.end(status, event.time, event.duration)
    state.error = described(event.error) if event.error is not None else None
