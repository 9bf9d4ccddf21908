"""Run the states of a scope one after another, from ``StartAt`` to the end."""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.state_machines import choice, flow, maps, parallel, tasks
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import Frame, StateRun
from lokki_tf.testing.state_machines.history import DETAILS
from lokki_tf.testing.state_machines.limits import check_payload
from lokki_tf.testing.state_machines.transition import Runner, Transition
from lokki_tf.testing.state_machines.values import Json, dump

_RUNNERS: dict[str, Runner] = {
    "Pass": flow.run_pass,
    "Wait": flow.run_wait,
    "Succeed": flow.run_succeed,
    "Fail": flow.run_fail,
    "Choice": choice.run_choice,
    "Task": tasks.run_task,
    "Parallel": parallel.run_parallel,
    "Map": maps.run_map,
}


def run_states(scope: Mapping[str, Json], value: Json, frame: Frame) -> Json:
    """Run the states of a scope to the end, from ``StartAt`` or from the state to be redriven.

    Args:
        scope: The object with the fields ``StartAt`` and ``States``.
        value: The input of the first state.
        frame: The frame of this run.

    Returns:
        The output of the last state.

    Raises:
        StateFailure: If a state fails and no ``Catch`` matches the error.
        Stopped: If the execution or branch was stopped.
    """
    progress = frame.progress
    name: str | None = progress.state
    if name is None:
        name, text = scope["StartAt"], dump(value)
        check_payload(text, str(name))
    else:  # redriven
        value, text = progress.input, progress.text
        frame.variables.restore(progress.variables)
        frame.last_event = progress.redriven or frame.last_event
    while name is not None:
        if progress.redriven is None:
            progress.enter(name, value, text)
        run = StateRun(name, scope["States"][name], value, text, frame)
        transition = run_state(run)
        progress.redriven = None
        name, value, text = transition.following, transition.output, run.text
    progress.finish(value)
    frame.text = text
    return value


def run_state(run: StateRun) -> Transition:
    """Run one state: add its events, check the size of its output, assign its variables.

    Afterwards ``run.text`` is the JSON of the output.

    Raises:
        StateFailure: If the state fails.
        Stopped: If the execution or branch was stopped.
    """
    frame, kind = run.frame, run.state["Type"]
    frame.cancel_scope.check()
    frame.running = kind
    if frame.progress.redriven is None:  # otherwise the history has StateEntered already
        frame.event(f"{kind}StateEntered", name=run.name, input=run.text, inputDetails=DETAILS)
        frame.progress.entered = True
    run.entered_event = frame.last_event
    try:
        transition = _RUNNERS[kind](run)
    except StateFailure as failure:
        raise run.located(failure) from failure.__cause__
    frame.cancel_scope.check()
    run.text = run.dump(transition.output)
    check_payload(run.text, run.name)
    assigned = frame.variables.assign(transition.assigned) if transition.assigned else {}
    if assigned:
        frame.progress.variables = frame.variables.values
    extra = {"assignedVariables": assigned, "assignedVariablesDetails": DETAILS} if assigned else {}
    frame.event(
        f"{kind}StateExited", name=run.name, output=run.text, outputDetails=DETAILS, **extra
    )
    return transition
