"""Run Pass, Wait, Succeed and Fail states, and evaluate the fields that all states share."""

from __future__ import annotations

from datetime import UTC, datetime

from lokki_tf.testing.state_machines.failures import RUNTIME, StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.jsonata import failure
from lokki_tf.testing.state_machines.queries import given, transition
from lokki_tf.testing.state_machines.templates import apply_result_path, fill, select
from lokki_tf.testing.state_machines.transition import Transition
from lokki_tf.testing.state_machines.values import Json, dump, is_integer, timestamp

_LONGEST_WAIT = 2**31 - 1
"""The longest time of a Wait state in seconds, as AWS answers, observed."""


def following(run: StateRun) -> str | None:
    """Return the state's ``Next``, or None for a state with ``End: true``."""
    name: str | None = run.state.get("Next")
    return name


def effective_input(run: StateRun) -> Json:
    """Apply ``InputPath`` to the raw input; in JSONata, the raw input is the effective one."""
    if run.is_jsonata:
        return run.input
    value = select(run.state.get("InputPath", "$"), run.view(run.input), "InputPath")
    run.note("afterInputPath", value)
    return value


def output(run: StateRun, value: Json) -> Json:
    """Apply ``OutputPath``."""
    return select(run.state.get("OutputPath", "$"), run.view(value), "OutputPath")


def assigned(run: StateRun, value: Json) -> dict[str, Json]:
    """Evaluate the state's ``Assign``, with ``$`` referring to the value."""
    values: dict[str, Json] = fill(run.state.get("Assign", {}), run.view(value))
    return values


def run_pass(run: StateRun) -> Transition:
    """Run a Pass state."""
    if run.is_jsonata:
        return transition(run, following(run), run.input)
    value = effective_input(run)
    if "Parameters" in run.state:
        value = fill(run.state["Parameters"], run.view(value))
    result = run.state.get("Result", value)
    if "Result" in run.state:
        run.note("result", result)
    else:
        run.note("afterParameters", value)
    # Without a Result the state's effective input is its result, to which ResultPath applies.
    placed = apply_result_path(run.input, result, run.state.get("ResultPath", "$"))
    run.note("afterResultSelector", result)
    run.note("afterResultPath", placed)
    return Transition(output(run, placed), following(run), assigned(run, result))


def run_succeed(run: StateRun) -> Transition:
    """Run a Succeed state."""
    if run.is_jsonata:
        return transition(run, None, run.input)
    return Transition(output(run, effective_input(run)), None)


def run_fail(run: StateRun) -> Transition:
    """Run a Fail state.

    Raises:
        StateFailure: Always.
    """
    effective_input(run)
    error, cause = (given(run, run.state, field, run.input) for field in ("Error", "Cause"))
    raise StateFailure(error, cause)


def run_wait(run: StateRun) -> Transition:
    """Run a Wait state."""
    value = effective_input(run)
    run.frame.wait(_seconds(run, value), run.frame.settings.wait_scale)
    if run.is_jsonata:
        return transition(run, following(run), run.input)
    return Transition(output(run, value), following(run), assigned(run, value))


def _seconds(run: StateRun, value: Json) -> float:
    field = "Seconds" if {"Seconds", "SecondsPath"} & set(run.state) else "Timestamp"
    found = given(run, run.state, field, value)
    where = f"{run.state.get(f'{field}Path')} == {found if isinstance(found, str) else dump(found)}"
    if field == "Seconds":
        if not is_integer(found):
            message = f"The SecondsPath parameter cannot be parsed as a long value: {where}"
            raise _refused(run, field, message)
        if found < 0:
            message = f"The SecondsPath parameter references a negative value: {where}"
            raise _refused(run, field, message)
        seconds = float(found)
    else:
        moment = timestamp(found)
        if moment is None:
            message = "The TimestampPath parameter does not reference a valid"
            if run.is_jsonata:
                message, where = "The Timestamp field cannot be parsed as an", str(found)
            message += f" ISO-8601 extended offset date-time format string: {where}"
            raise _refused(run, field, message)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    if seconds > _LONGEST_WAIT:
        raise StateFailure(RUNTIME, "Wait state delay is too long.")
    return seconds


def _refused(run: StateRun, field: str, message: str) -> StateFailure:
    return failure(run, field, message) if run.is_jsonata else StateFailure(RUNTIME, message)
