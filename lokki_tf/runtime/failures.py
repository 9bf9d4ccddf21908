"""The failed step of an execution, and the notice of the failure.

The function that sends notices, :mod:`.failure_notices`, finds the step in the execution's history;
the commands that show runs read histories in the same way.
"""

from __future__ import annotations

import json

from .failure import own_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    Event = Mapping[str, Any]

# Variables of the function that sends notices.
PIPELINE, NOTIFY = "LOKKI_PIPELINE", "LOKKI_NOTIFY"
NOTIFIED_STEP, CLEANUP = "LOKKI_NOTIFIED_STEP", "LOKKI_CLEANUP"
# EventBridge's events leave out inputs whose escaped JSON is longer (Step Functions Developer
# Guide, "EventBridge payloads"), and SNS takes messages of 256 KiB.
INPUT_BYTES, NOTICE_BYTES = 248 * 1024, 256 * 1024
_ERRORS = {"TIMED_OUT": "States.Timeout", "ABORTED": "Aborted"}
"""Names of errors for executions that end without one."""
FAILURES = (
    *("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed", "MapRunFailed"),
    *("LambdaFunctionFailed", "LambdaFunctionTimedOut", "LambdaFunctionStartFailed"),
)


def notice_of(
    detail: Event, pipeline: str, events: Events, cleanup: str | None = None
) -> dict[str, Any]:
    """Return the notice of an execution that did not succeed.

    Args:
        detail: ``detail`` of EventBridge's event.
        pipeline: The pipeline's name.
        events: The execution's events.
        cleanup: The node of the cleanup step, which may have failed after another step.
    """
    failed = events.failed_state(detail.get("error"), cleanup)
    error, cause = own_error(detail.get("error"), detail.get("cause"))
    given = detail.get("input")
    return fitted(
        {
            "pipeline": pipeline,
            "execution": detail["executionArn"],
            "step": failed,
            "error": error or _ERRORS.get(detail["status"], detail["status"]),
            "cause": cause or "",
            "input": None if given is None else json.loads(given),
            "redriveCount": int(detail.get("redriveCount") or 0),
        }
    )


def fitted(notice: dict[str, Any]) -> dict[str, Any]:
    """Return the notice, with ``None`` for an input that is too large for EventBridge or SNS.

    Args:
        notice: The result of :func:`notice_of`.
    """
    text = json.dumps(notice["input"], ensure_ascii=False, default=str)
    escaped = len(json.dumps(text, ensure_ascii=False).encode())
    whole = len(json.dumps(notice, default=str))
    fits = escaped <= INPUT_BYTES and whole <= NOTICE_BYTES
    return notice if fits else {**notice, "input": None}


class Events:
    """Events of a history by their ids, read on demand from the end.

    Args:
        history: The events, the latest first.
    """

    def __init__(self, history: Iterable[Event]) -> None:
        self._coming = iter(history)
        self._known: dict[int, Event] = {}

    def failed_state(self, error: str | None, cleanup: str | None = None) -> str | None:
        """Return the step that failed with an error; else the state in which the execution ended.

        Args:
            error: The execution's error.
            cleanup: The node of the cleanup step.
        """
        end = next(iter(self), None)
        if error is not None:
            failed_before = False  # an error that the execution ends with after its cleanup
            for event in self:
                failed_before |= event["type"] == "FailStateEntered"
                if event["type"] in FAILURES and details_of(event).get("error") == error:
                    name = entered(self.get, event, self)[0]
                    if name != cleanup or not failed_before:
                        return name
        name = entered(self.get, end, self)[0] if end else None
        return name or self._open_state()

    def get(self, number: int) -> Event | None:
        """Return the event with an id."""
        while number and number not in self._known and self._read() is not None:
            pass
        return self._known.get(number)

    def __iter__(self) -> Iterator[Event]:
        yield from list(self._known.values())
        while (event := self._read()) is not None:
            yield event

    def _read(self) -> Event | None:
        event = next(self._coming, None)
        if event is not None:
            self._known[int(event["id"])] = event
        return event

    def _open_state(self) -> str | None:
        """Return the state that was entered last and not exited."""
        left: list[str] = []
        for event in self:
            name = str(details_of(event).get("name"))
            if event["type"].endswith("StateExited"):
                left.append(name)
            elif event["type"].endswith("StateEntered"):
                if name not in left:
                    return name
                left.remove(name)
        return None


def details_of(event: Event) -> Event:
    """Return the details of an event: its fields other than kind and time.

    Args:
        event: An event of ``GetExecutionHistory``.
    """
    return next((value for key, value in event.items() if key.endswith("EventDetails")), {})


def node_of(payload: Mapping[str, Any]) -> str | None:
    """Return the node that a Lambda function runs.

    Args:
        payload: The function's input.
    """
    node = payload.get("node")
    return None if node is None else str(node)


def payload_of(details: Event) -> Mapping[str, Any]:
    """Return the payload of a task for a Lambda function; empty if it is not an object.

    Args:
        details: Details of the event that scheduled the task.
    """
    try:
        payload = json.loads(details.get("parameters") or details.get("input") or "{}")["Payload"]
    except (ValueError, KeyError, TypeError):
        return {}
    return payload if isinstance(payload, dict) else {}


def entered(
    get: Callable[[int], Event | None], event: Event | None, all_events: Iterable[Event]
) -> tuple[str | None, str | None]:
    """Return the step in which an event happened, and its map run, if any.

    A redrive does not enter states again: then a task's payload contains its node, and the event
    that started the map run precedes it.

    Args:
        get: Returns the event with an id.
        event: The event.
        all_events: All events, to find where a map run was started.
    """
    map_run: str | None = None
    while event is not None and not event["type"].endswith("StateEntered"):
        kind, details = event["type"], details_of(event)
        if kind in ("MapRunStarted", "MapRunRedriven") and map_run is None:
            map_run = details["mapRunArn"]
        if kind == "MapRunRedriven":
            runs = (one for one in all_events if one["type"] == "MapRunStarted")
            event = next((one for one in runs if details_of(one)["mapRunArn"] == map_run), None)
            continue
        node = node_of(payload_of(details)) if kind.endswith("Scheduled") else None
        if node is not None:
            return node, map_run
        event = get(int(event.get("previousEventId", 0)))
    return None if event is None else str(details_of(event)["name"]), map_run
