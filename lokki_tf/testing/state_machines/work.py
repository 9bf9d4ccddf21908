"""Run the attempts of Task, Parallel and Map states: parameters, results, retries, catchers."""

from __future__ import annotations

from collections.abc import Callable

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.flow import assigned, effective_input, following, output
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.limits import check_payload
from lokki_tf.testing.state_machines.retries import Retriers, matches
from lokki_tf.testing.state_machines.templates import apply_result_path, fill
from lokki_tf.testing.state_machines.transition import Transition, describe
from lokki_tf.testing.state_machines.values import Json, dump

Attempt = Callable[[StateRun, Json], Json]


def run_work(run: StateRun, attempt: Attempt) -> Transition:
    """Run a state with the fields ``Retry`` and ``Catch``.

    Args:
        run: The visit of the state.
        attempt: A function that makes one attempt: it takes the effective input and returns the
            raw result.

    Raises:
        StateFailure: If no retrier and no catcher matches the error.
    """
    retriers = Retriers(run.state.get("Retry", ()))
    while True:
        try:
            return _once(run, attempt)
        except StateFailure as failure:
            delay = retriers.delay(run.located(failure))
            if delay is None:
                if run.begun:  # AWS records neither the error nor attempts that are retried
                    run.frame.event(f"{run.state['Type']}StateFailed")
                return _caught(run, failure)
            run.frame.wait(delay, run.frame.settings.retry_delay_scale)
            run.retry_count += 1


def parameters(run: StateRun, value: Json) -> Json:
    """Apply ``Parameters`` and check the size of the result.

    Raises:
        StateFailure: If the result exceeds the payload quota.
    """
    if "Parameters" not in run.state:
        return value
    filled = fill(run.state["Parameters"], run.view(value))
    check_payload(dump(filled), run.name)
    return filled


def _once(run: StateRun, attempt: Attempt) -> Transition:
    result = attempt(run, effective_input(run))
    check_payload(dump(result), run.name, catchable=True)
    selected = result
    if "ResultSelector" in run.state:
        selected = fill(run.state["ResultSelector"], run.view(result))
    placed = apply_result_path(run.input, selected, run.state.get("ResultPath", "$"))
    return Transition(output(run, placed), following(run), assigned(run, result))


def _caught(run: StateRun, failure: StateFailure) -> Transition:
    for catcher in run.state.get("Catch", ()):
        if matches(catcher, failure):
            error = describe(failure)
            values: dict[str, Json] = fill(catcher.get("Assign", {}), run.view(error))
            placed = apply_result_path(run.input, error, catcher.get("ResultPath", "$"))
            return Transition(placed, catcher["Next"], values)
    raise failure
