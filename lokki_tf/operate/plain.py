"""The report of an execution whose state machine lokki_tf has not written: its states."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.quotas import STATE_NAME_LENGTH
from lokki_tf.model import Definition, Graph, Route, Routes, Step, StepOptions, Transition
from lokki_tf.model.names import unique
from lokki_tf.reporting.page import MISSING, LogEntry, Retry, RunReport, StepReport
from lokki_tf.reporting.page.model import Input
from lokki_tf.runtime.failure import message_of
from lokki_tf.runtime.failures import details_of

from .history import ENDINGS
from .read_back import NO_PLACE
from .report import Visit, of_visits

if TYPE_CHECKING:
    from .runs import AwsRun

_FAILURES = ("Failed", "TimedOut")


@dataclass(slots=True)
class _StateVisit(Visit):
    """A visit of a state of the outermost scope.

    Args:
        given: Its input, as JSON.
        output: Its output, as JSON, if it was left.
        pending: Why its last attempt has failed, until it is known what follows.
    """

    given: str = "null"
    output: str | None = None
    pending: str = ""


def plain_report(
    name: str, machine: Mapping[str, Any], run: AwsRun, events: Sequence[Mapping[str, Any]]
) -> RunReport:
    """Return the data of the report of an execution of any state machine.

    Args:
        name: The name of the state machine.
        machine: Its definition.
        run: The execution.
        events: Its history, from the first event.
    """
    began = run.began.timestamp()
    visits = _visits(events, began)
    routed = _definition(name, machine)
    definition = of_visits(routed, visits)
    end = run.ended or datetime.now(UTC)
    return RunReport(
        definition,
        run.name,
        f"in AWS, {run.arn.split(':')[3]}",
        run.status.lower().replace("_", " "),
        run.began,
        (end - run.began).total_seconds(),
        [_step(machine, one, is_running=run.is_running) for one in visits],
        parameters={"input": _value(run.input)},
        result=MISSING if run.output is None else _value(run.output),
        error=_why({"error": run.error, "cause": run.cause}) if run.error else "",
        facts=[("execution", run.arn)],
        logs=[_event(one) for one in events],
        logs_note="The events of the execution; logs of functions are not read.",
        numbers=[("state transitions", f"{_entered(events):,}")],
    )


def _definition(name: str, machine: Mapping[str, Any]) -> Definition:
    """Return the states as a routed pipeline, whose transitions are those of the states."""
    routes = []
    for title, state in machine["States"].items():
        step = Step(title, _nothing, StepOptions(), NO_PLACE)
        found = [Transition(one, NO_PLACE) for one in dict.fromkeys(_next(state))]
        caught: dict[str, list[str]] = {}
        for one in state.get("Catch", ()):
            caught.setdefault(one["Next"], []).extend(one["ErrorEquals"])
        found += [Transition(to, NO_PLACE, errors=tuple(of)) for to, of in caught.items()]
        routes.append(Route(step, tuple(found)))
    return Definition(
        name, Graph(()), place=NO_PLACE, routes=Routes(machine["StartAt"], tuple(routes))
    )


def _next(state: Mapping[str, Any]) -> Iterator[str | None]:
    """Yield the states that may follow a state; ``None`` if the execution may end with it."""
    found = [one["Next"] for one in state.get("Choices", ()) if "Next" in one]
    found += [state[key] for key in ("Default", "Next") if key in state]
    yield from found or [None]


def _nothing() -> None:
    """Stands for the function of a step."""


def _visits(events: Sequence[Mapping[str, Any]], began: float) -> list[_StateVisit]:
    """Return the visits of the outermost states, of which one is open at a time."""
    found: dict[str, _StateVisit] = {}
    paths: dict[int, tuple[str, ...]] = {}  # of each event, the states that it is in
    visit = None
    for event in events:
        kind, details = str(event["type"]), details_of(event)
        when = max(0.0, event["timestamp"].timestamp() - began)
        path = paths.get(int(event.get("previousEventId", 0)), ())
        if kind.endswith("StateEntered"):
            name = str(details["name"])
            if not path:
                title = unique(name, found, STATE_NAME_LENGTH)
                visit = _StateVisit(title, name, "interrupted", when)
                visit.attempts, visit.given = 1, details.get("input", "null")
                found[visit.name] = visit
            path = (*path, name)
        elif kind.endswith("StateExited"):
            path = path[: path.index(details["name"])]
        elif kind.endswith("StateFailed"):  # of a Parallel or a Map, after a state inside it
            path = path[:-1] or path
        paths[int(event["id"])] = path
        if visit is None:
            continue
        if kind.endswith("StateExited") and not path:
            visit.end, visit.output = when, details.get("output")
            visit.status = "failed, caught" if visit.pending else "done"
        elif kind in ENDINGS[1:] and visit.end is None:
            visit.status = "interrupted" if kind == "ExecutionAborted" else "failed"
            visit.end, visit.pending = when, visit.pending or _why(details)
        elif kind == "ExecutionRedriven" and visit.status != "done":
            visit.end = None
        elif kind.endswith(_FAILURES) and len(path) == 1:
            visit.pending = _why(details)
        elif visit.pending and kind.endswith(("Scheduled", "StateStarted")) and len(path) == 1:
            visit.retries.append(Retry(f"attempt {visit.attempts}", visit.pending, seconds=when))
            visit.attempts, visit.pending = visit.attempts + 1, ""
    return list(found.values())


def _why(details: Mapping[str, Any]) -> str:
    if "error" not in details:
        return "a state inside it has failed"
    return f"{details['error']}: {message_of(details.get('cause') or '')}"


def _step(machine: Mapping[str, Any], visit: _StateVisit, *, is_running: bool) -> StepReport:
    state = machine["States"][visit.node]
    resource = state.get("Resource", "")
    output = MISSING if visit.output is None else _value(visit.output)
    return StepReport(
        visit.name,
        " ".join(filter(None, (state["Type"], resource))),
        visit.outcome,
        status="running" if is_running and visit.end is None else "",
        inputs=[Input("input", "of the state", _value(visit.given))],
        result=output,
        error=visit.pending,
        retries=visit.retries,
        facts=[("comment", state["Comment"])] if "Comment" in state else [],
    )


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _event(event: Mapping[str, Any]) -> LogEntry:
    name = details_of(event).get("name", "")
    return LogEntry(event["timestamp"], str(name), f"{event['id']} {event['type']}")


def _entered(events: Sequence[Mapping[str, Any]]) -> int:
    return sum(str(one["type"]).endswith("StateEntered") for one in events)
