"""Limits of executions' events: Step Functions ends an execution with more than 25,000.

The events on the longest path through a compiled definition are counted, with all retries of steps
and without those of transient errors of AWS. The step that makes the items of a map checks their
number: its layout contains the events for all items together, and those of one item.

The counts are those of recorded histories: a task has five events, three more with each retry, and
one more if the task waits; an item of an inline map has two, and those of its states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import LimitError

from . import jobs, quotas, retries, starts
from .jobs import raises_error
from .walks import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.errors import Place
    from lokki_tf.model import Routes

    from .references import Array

_STARTED_AND_ENDED = 2
_UNLIMITED = 1_000_000_000
"""Events of an Express execution (Step Functions Developer Guide, "Service quotas")."""
_OF_MAPS = {"INLINE": 4, "DISTRIBUTED": 6}
_OF_PARALLEL = 4
_OF_ITEM = 2
_OF_SERVICES = retries.BUILT_IN | jobs.BUILT_IN | starts.BUILT_IN
_STEPS = ("lambda:invoke", "lambda:invoke.waitForTaskToken", "batch:submitJob.sync")


def add_inline_events(
    state_machine: Mapping[str, Any],
    arrays: Mapping[str, Array],
    layouts: Mapping[Array, dict[str, Any]],
    place: Place | None,
    left: int | None = None,
) -> None:
    """Add to layouts the number of events that the items of inline maps may have.

    Args:
        state_machine: A compiled graph, with ``StartAt`` and ``States``.
        arrays: From each inline map to the array of its items.
        layouts: Layouts of these arrays; ``events``, ``each`` and ``inner`` are added.
        place: Source location of the pipeline, for the error.
        left: Of an included pipeline, the events that are left for these items.

    Raises:
        LimitError: If an execution could have too many events with any items.
    """
    shared = _Sharing(arrays, layouts, place)
    most = quotas.HISTORY_EVENTS
    if left is not None:
        most = left + _STARTED_AND_ENDED + _events(state_machine)
    shared.of_execution(state_machine, "the pipeline", most)


def refuse_long_walks(state_machine: Mapping[str, Any], routes: Routes, place: Place | None) -> int:
    """Refuse a limit of steps that allows more events than an execution has.

    Args:
        state_machine: A compiled routed pipeline.
        routes: Its steps, with the limit.
        place: Source location of the pipeline, for the error.

    Returns:
        The events of the longest run.

    Raises:
        LimitError: If the limit is too high; the message contains the highest possible one.
    """
    states = state_machine["States"]
    ways = {name: _after(states, name) for name, state in states.items() if _is_step(state)}
    reached, most = _to_steps(states, state_machine["StartAt"]), 0
    for taken in range(1, routes.limit + 1):
        # A step with a next step may fail instead.
        last = {name: ways[name].get(None, _of_state(states[name])) for name in reached if name}
        longest = max((reached[name] + last[name] for name in last), default=0)
        most = max(most, longest + _STARTED_AND_ENDED)
        if longest > quotas.HISTORY_EVENTS - _STARTED_AND_ENDED:
            raise LimitError(
                f"max_steps={routes.limit} allows executions with more than "
                f"{quotas.HISTORY_EVENTS:,} events, at which Step Functions ends them",
                place=place,
                remedy=f"write max_steps={taken - 1} at most"
                + (", or fewer retries" if _has_retries(state_machine) else ""),
            )
        following: dict[str | None, int] = {}
        for name in last:
            for target, more in ways[name].items():
                following[target] = max(following.get(target, 0), reached[name] + more)
        reached = following
    return most


class _Sharing:
    """Divides an execution's events among its inline maps."""

    def __init__(
        self,
        arrays: Mapping[str, Array],
        layouts: Mapping[Array, dict[str, Any]],
        place: Place | None,
    ) -> None:
        self.arrays = arrays
        self.layouts = layouts
        self.place = place

    def of_execution(self, scope: Mapping[str, Any], what: str, most: int) -> None:
        """Divide the events of a whole execution: the state machine's or a map item's."""
        left = most - _STARTED_AND_ENDED - _events(scope)
        groups = self._groups(scope)
        share = left // max(1, len(groups))
        for array, loops in groups.items():
            self._add(array, loops, {"events": share})
        least = max((self.layouts[array]["each"] for array in groups), default=0)
        if left < 0 or share < least:
            raise LimitError(
                f"an execution of {what} can have more than {quotas.HISTORY_EVENTS:,} events, at "
                "which Step Functions ends it",
                place=self.place,
                remedy="split the pipeline, write steps that repeat as a map, or retry less often",
            )

    def _groups(self, scope: Mapping[str, Any]) -> dict[Array, list[Mapping[str, Any]]]:
        """Return bodies of the scope's inline maps by the array of their items."""
        found: dict[Array, list[Mapping[str, Any]]] = {}
        for name, body in _loops(scope):
            if name in self.arrays:
                found.setdefault(self.arrays[name], []).append(body)
            else:
                is_express = body["ProcessorConfig"]["ExecutionType"] == "EXPRESS"
                most = _UNLIMITED if is_express else quotas.HISTORY_EVENTS
                self.of_execution(body, f"an item of {name!r}", most)
        return found

    def _add(self, array: Array, bodies: list[Mapping[str, Any]], events: dict[str, Any]) -> None:
        each = sum(_OF_ITEM + _events(body) for body in bodies)
        inner = {one: loops for body in bodies for one, loops in self._groups(body).items()}
        self.layouts[array].update(events, each=each, **({"inner": len(inner)} if inner else {}))
        for one, loops in inner.items():
            self._add(one, loops, {"events.$": "$.events"})


def _loops(scope: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield maps of a scope and its branches, each with its body."""
    for name, state in scope["States"].items():
        if state["Type"] == "Map":
            yield name, state["ItemProcessor"]
        for branch in state.get("Branches", ()):
            yield from _loops(branch)


def _events(scope: Mapping[str, Any]) -> int:
    """Return the events on the longest path through a scope, without items of maps."""
    if isinstance(scope, Branch):
        return scope.events
    states = scope["States"]
    known: dict[str, int] = {}
    waiting = [scope["StartAt"]]
    while waiting:
        name = waiting[-1]
        before = [one for one in _following(states[name]) if one not in known]
        if before:
            waiting += before
            continue
        waiting.pop()
        longest = max((known[one] for one in _following(states[name])), default=0)
        known[name] = _of_state(states[name]) + longest
    return known[scope["StartAt"]]


def _to_steps(states: Mapping[str, Any], name: str) -> dict[str | None, int]:
    """Return the most events from entering a state until a step is entered; ``None`` is the end."""
    if _is_step(states[name]):
        return {name: 0}
    return _after(states, name)


def _after(states: Mapping[str, Any], name: str) -> dict[str | None, int]:
    """Return the same with a state's own events, and those of states between steps."""
    own, following = _of_state(states[name]), _following(states[name])
    found: dict[str | None, int] = {} if following else {None: own}
    for one in following:
        for step, events in _to_steps(states, one).items():
            found[step] = max(found.get(step, 0), own + events)
    return found


def _is_step(state: Mapping[str, Any]) -> bool:
    """Return whether a state of a routed pipeline runs a step of it."""
    if state["Type"] != "Task" or not str(state["Resource"]).endswith(_STEPS):
        return False
    payload = state["Parameters"].get("Payload", ())
    return "JobName" in state["Parameters"] or ("route" in payload and "answer.$" not in payload)


def _following(state: Mapping[str, Any]) -> list[str]:
    if raises_error(state):
        # Only a redrive continues at the next state.
        return [rule["Next"] for rule in state.get("Catch", ())]
    rules = (*state.get("Choices", ()), *state.get("Catch", ()))
    direct = [state[key] for key in ("Next", "Default") if key in state]
    return [*direct, *(rule["Next"] for rule in rules)]


def _of_state(state: Mapping[str, Any]) -> int:
    """Return a state's own events: entered, exited, and those between."""
    kind = state["Type"]
    if kind == "Task":
        waits = str(state["Resource"]).endswith((".sync", ".sync:2", ".waitForTaskToken"))
        return 2 + (3 + waits) * (1 + _retries(state))
    if kind == "Map":
        return _OF_MAPS[state["ItemProcessor"]["ProcessorConfig"]["Mode"]]
    if kind == "Parallel":
        return _OF_PARALLEL + sum(map(_events, state["Branches"]))
    return 1 if kind == "Fail" else 2


def _retries(state: Mapping[str, Any]) -> int:
    """Return how often a step is retried."""
    rules = (
        one for one in state.get("Retry", ()) if not _OF_SERVICES.issuperset(one["ErrorEquals"])
    )
    return sum(int(one["MaxAttempts"]) for one in rules)


def _has_retries(state_machine: Mapping[str, Any]) -> bool:
    return any(_retries(state) for state in state_machine["States"].values())
