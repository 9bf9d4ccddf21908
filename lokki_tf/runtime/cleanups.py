"""The cleanup step of an execution: whether it has run, and its event if no state could run it.

A state machine runs its cleanup step itself, except after what no state can catch: the pipeline's
own time limit, an abort, and errors of the state machine such as a full history. Then the function
that sends failure notices calls the step, as the state after a failure would, but without results.
That state is in the definition with which the execution has begun.
"""

from __future__ import annotations

import json

from .failures import FAILURES, details_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Event = Mapping[str, Any]

NOTHING = {"value": None}
"""The envelope of a result that does not exist."""


def has_run(events: Iterable[Event], names: Mapping[str, str]) -> tuple[bool, Event | None]:
    """Return whether a state of the cleanup step was entered, and how the step has failed, if so.

    Nothing else runs beside such a state, so it is the last one before that of the end.

    Args:
        events: The execution's events, the latest first.
        names: Names of the states, as in ``lokki_tf.asl.cleanups.CleanupStates``, and of the state
            that takes a slot: if the execution is still in it, nothing is to be cleaned up.
    """
    outcome: Event | None = None
    for event in events:
        kind, details = event["type"], details_of(event)
        if kind in (*FAILURES, "TaskSucceeded") and outcome is None:
            outcome = {"type": kind, **details}
        if kind.endswith("StateEntered") and details["name"] == names.get("check"):
            return True, None
        if kind.endswith("StateEntered") and details["name"] != names["end"]:
            ran = details["name"] in (names["done"], names["failed"])
            failed = ran and outcome is not None and outcome["type"] in FAILURES
            return ran, outcome if failed else None
    return False, None


def call_of(
    definition: Mapping[str, Any], names: Mapping[str, str], context: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[dict[str, Any]]] | None:
    """Return the function of a cleanup step, its event without results, and its retriers.

    Args:
        definition: The definition of the execution.
        names: Names of the states of the cleanup step.
        context: Values of paths into the context object, such as ``$$.Execution.Name``.

    Returns:
        The ARN of the function, the event, and retriers as in :mod:`.jobs`; ``None`` if the
        definition has no cleanup step.
    """
    state = definition["States"].get(names["failed"])
    if state is None:
        return None
    parameters = state["Parameters"]
    again = [
        {
            "errors": one["ErrorEquals"],
            "retries": one["MaxAttempts"],
            "delay": one["IntervalSeconds"],
            "backoff": one["BackoffRate"],
            "max_delay": one.get("MaxDelaySeconds"),
            "jitter": one.get("JitterStrategy") == "FULL",
        }
        for one in state.get("Retry", ())
    ]
    return parameters["FunctionName"], _filled(parameters["Payload"], context), again


def _filled(template: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload with the values of its paths: no variable has a value."""
    found: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            found[key[:-2]] = context.get(value, NOTHING)
        else:
            found[key] = _filled(value, context) if isinstance(value, dict) else value
    return found


def given_in(history: Iterable[Event]) -> Any:
    """Return the execution's input, from its first event.

    Args:
        history: The execution's events, the first one first.
    """
    for event in history:
        return json.loads(details_of(event).get("input") or "{}")
    return {}
