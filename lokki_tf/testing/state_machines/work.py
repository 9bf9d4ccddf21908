"""Run the attempts of Task, Parallel and Map states: parameters, results, retries, catchers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.flow import assigned, effective_input, following, output
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.jsonata import QUERY_ERROR
from lokki_tf.testing.state_machines.limits import check_payload
from lokki_tf.testing.state_machines.queries import arguments, transition
from lokki_tf.testing.state_machines.retries import Retriers, matches
from lokki_tf.testing.state_machines.templates import apply_result_path, fill
from lokki_tf.testing.state_machines.transition import Transition, describe
from lokki_tf.testing.state_machines.values import Json

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
                is_query = failure.error == QUERY_ERROR and run.state["Type"] == "Map"
                # AWS records neither the error nor attempts that are retried.
                if run.begun or is_query:
                    run.frame.event(f"{run.state['Type']}StateFailed")
                return caught(run, failure)
            scale = run.frame.settings.retry_delay_scale
            run.frame.wait(delay, scale)
            # Functions that compare the time with that of the state's entry see no difference.
            run.entered_at -= timedelta(seconds=delay * (1 - scale))
            run.retry_count += 1


def parameters(run: StateRun, value: Json) -> Json:
    """Apply ``Parameters``, in JSONata ``Arguments``, and check the size of the result.

    Raises:
        StateFailure: If the result exceeds the payload quota.
    """
    found = arguments(run, run.state, value)
    run.note("afterArguments" if run.is_jsonata else "afterParameters", found)
    if found is not value:
        check_payload(run.dump(found), run.name)
    return found


def _once(run: StateRun, attempt: Attempt) -> Transition:
    if run.mocked is None:
        result = attempt(run, effective_input(run))
    else:
        result = run.mocked(effective_input(run))
    check_payload(run.dump(result), run.name, catchable=True)
    run.note("result", result)
    if run.is_jsonata:
        return transition(run, following(run), result, result=result)
    selected = result
    if "ResultSelector" in run.state:
        selected = fill(run.state["ResultSelector"], run.view(result))
    placed = apply_result_path(run.input, selected, run.state.get("ResultPath", "$"))
    run.note("afterResultSelector", selected)
    run.note("afterResultPath", placed)
    return Transition(output(run, placed), following(run), assigned(run, result))


def caught(run: StateRun, failure: StateFailure) -> Transition:
    """Return the transition of the first catcher that matches a failure.

    Raises:
        StateFailure: The failure, if no catcher matches it.
    """
    for position, catcher in enumerate(run.state.get("Catch", ())):
        if matches(catcher, failure):
            error = describe(failure)
            if run.is_jsonata:
                place = f"Catch[{position}]/"
                return transition(run, catcher["Next"], error, catcher, place, errorOutput=error)
            values: dict[str, Json] = fill(catcher.get("Assign", {}), run.view(error))
            placed = apply_result_path(run.input, error, catcher.get("ResultPath", "$"))
            return Transition(placed, catcher["Next"], values)
    raise failure
