"""Parameters of the run that states read: times of waits, and limits of maps; and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import REQUIRED, Parameter
from lokki_tf.model.names import identifier, unique
from lokki_tf.runtime.moments import instant

from .quotas import VARIABLE_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.model import FlowParameter, StepOptions, Wait
INSTANT_BYTES = len(', "instant": "2030-01-31T09:00:00Z"') + 8
"""Bytes that a time adds to an envelope."""


def parameter_variables(
    parameters: Mapping[str, Any], prefix: str, taken: set[str]
) -> dict[str, str]:
    """Return the variables that contain parameters of the run, by the states that read them.

    Args:
        parameters: What each state reads; other values than parameters are left out.
        prefix: The beginning of the variables' names.
        taken: Names of other variables; the new ones are added.
    """
    found: dict[str, str] = {}
    for name, one in parameters.items():
        if isinstance(one, Parameter):
            found[name] = unique(f"{prefix}_{identifier(name)}", taken, VARIABLE_NAME_LENGTH)
            taken.add(found[name])
    return found


def waiting_times(options: StepOptions) -> dict[str, int]:
    """Return how long a task waits for its answer, and for each heartbeat.

    Args:
        options: Options of its step.
    """
    found: dict[str, int] = {}
    if "timeout_seconds" in options.given:
        found["TimeoutSeconds"] = options.timeout_seconds
    if options.heartbeat_seconds is not None:
        found["HeartbeatSeconds"] = options.heartbeat_seconds
    return found


def time_state(parameter: FlowParameter, path: str, variable: str, wait: Wait) -> dict[str, Any]:
    """Return the state before a wait, which assigns the time from the execution's input.

    Args:
        parameter: The parameter.
        path: Where its value is.
        variable: The variable to assign.
        wait: The wait.

    Raises:
        OptionError: If the parameter's default is not a time.
    """
    default = parameter.default
    if default is not REQUIRED:
        try:
            default = instant(default)
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"wait(until={parameter.name}): the default of the parameter is wrong: {error}",
                place=wait.place,
                remedy='write an aware datetime, or a text such as "2030-01-31T09:00:00Z"',
            ) from None
    return parameter_state(path, default, variable, wait.name)


def parameter_state(path: str, default: Any, variable: str, following: str) -> dict[str, Any]:
    """Return a state that assigns a parameter of the run to a variable.

    Args:
        path: Where its value is.
        default: Its value if none is given, or ``REQUIRED``.
        variable: The variable.
        following: The next state.
    """
    given = {f"{variable}.$": path}
    if default is REQUIRED:
        return {"Type": "Pass", "Assign": given, "Next": following}
    return {
        "Type": "Choice",
        "Choices": [{"Variable": path, "IsPresent": True, "Assign": given, "Next": following}],
        "Assign": {variable: default},
        "Default": following,
    }
