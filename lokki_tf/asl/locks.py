"""The state before the first one of a pipeline with ``max_concurrent_runs=``.

Its function raises ``AlreadyRunning`` while other executions hold all slots
(:mod:`lokki_tf.runtime.locks`). With ``when_busy="queue"`` a retrier repeats it: no Lambda time
passes while the execution waits. With ``"skip"`` a catcher ends the execution with skipped results.
The state has no other catcher, so a cleanup step does not run if nothing else has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.runtime.busy import CHECK, LONGEST_WAIT, AlreadyRunning

from .retries import THROTTLED, TRANSIENT
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lokki_tf.model import Definition

LOCKS_PLACEHOLDER = "lokki_locks_arn"
"""The template's placeholder for the function that takes slots."""
_SKIPPED = "Skipped"
BUSY = "busy"
"""The field of skipped results with the reason, as Step Functions reports it."""
_FIRST, _FACTOR, _LONGEST = 5, 1.5, 60  # seconds between attempts
_BUSY = AlreadyRunning.__name__


def add_check(
    definition: Definition,
    state_machine: dict[str, Any],
    ends: Iterable[str],
    own_name: Callable[[str], str],
) -> str | None:
    """Add the state that takes a slot before all others, if there is a limit of runs.

    Args:
        definition: The pipeline.
        state_machine: ``StartAt`` and ``States``; it is changed.
        ends: The names of the results of a skipped execution.
        own_name: Returns a name that no other state has.

    Returns:
        The state's name.
    """
    if definition.max_concurrent_runs is None:
        return None
    name, after = own_name(CHECK), {}
    retriers, catchers = [TRANSIENT, THROTTLED], []
    if definition.when_busy == "queue":
        retriers = [_waiting(), *retriers]
    elif definition.when_busy == "skip":
        skipped = own_name(_SKIPPED)
        catchers = [{"ErrorEquals": [_BUSY], "Next": skipped}]
        one = {"value": None, "skipped": True, f"{BUSY}.$": "$.Cause"}
        made = {"Parameters": dict.fromkeys(ends, one)}
        after[skipped] = {"Type": "Pass", **made, "End": True}
    check = {
        "Type": "Task",
        "Resource": Template("arn:${partition}:states:::lambda:invoke"),
        "Parameters": {
            "FunctionName": Template(f"${{{LOCKS_PLACEHOLDER}}}"),
            "Payload": {
                "node": name,
                "pipeline": definition.name,
                "slots": definition.max_concurrent_runs,
                "execution.$": "$$.Execution.Id",
                "redriven.$": "$$.Execution.RedriveCount",
            },
        },
        "Retry": retriers,
        **({"Catch": catchers} if catchers else {}),
        "ResultPath": None,
        "Next": state_machine["StartAt"],
    }
    state_machine |= {"StartAt": name, "States": {name: check, **state_machine["States"], **after}}
    return name


def _waiting() -> dict[str, Any]:
    """Return the retrier of an execution that waits for a slot.

    Each attempt has three events, of the 25,000 of an execution: about 4,300 for a day.
    """
    attempts, delay, waited = 0, float(_FIRST), 0.0
    while waited < LONGEST_WAIT:
        waited += delay
        attempts += 1
        delay = min(delay * _FACTOR, _LONGEST)
    return {
        "ErrorEquals": [_BUSY],
        "IntervalSeconds": _FIRST,
        "MaxAttempts": attempts,
        "BackoffRate": _FACTOR,
        "MaxDelaySeconds": _LONGEST,
    }
