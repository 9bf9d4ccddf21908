"""The walk from state to state."""

from __future__ import annotations

from collections.abc import Mapping

from lokki_tf.testing.machines import choice, flow, maps, parallel, tasks
from lokki_tf.testing.machines.frame import Frame, StateRun
from lokki_tf.testing.machines.limits import check_payload
from lokki_tf.testing.machines.transition import DETAILS, Runner, Transition
from lokki_tf.testing.machines.values import Json, dump

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
    """Run a ``States`` object from its ``StartAt``, or where a redrive goes on, to an end.

    Args:
        scope: what holds ``StartAt`` and ``States``.
        value: the input of the first state.
        frame: where to run.

    Returns:
        The output of the last state.

    Raises:
        StateFailure: if a state fails and nothing catches it.
        Stopped: if it was told to stop.
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
    return value


def run_state(run: StateRun) -> Transition:
    """Visit one state: its events, its work, the size of its output, its variables.

    Afterwards ``run.text`` is the JSON of its output.

    Raises:
        StateFailure: if it fails.
        Stopped: if it was told to stop.
    """
    frame, kind = run.frame, run.state["Type"]
    frame.permit.check()
    if frame.progress.redriven is None:  # else the state was entered before
        frame.event(f"{kind}StateEntered", name=run.name, input=run.text, inputDetails=DETAILS)
        frame.progress.entered = True
    transition = _RUNNERS[kind](run)
    frame.permit.check()
    run.text = dump(transition.output)
    check_payload(run.text, run.name)
    assigned = frame.variables.assign(transition.assigned) if transition.assigned else {}
    if assigned:
        frame.progress.variables = frame.variables.values
    extra = {"assignedVariables": assigned, "assignedVariablesDetails": DETAILS} if assigned else {}
    frame.event(
        f"{kind}StateExited", name=run.name, output=run.text, outputDetails=DETAILS, **extra
    )
    return transition
