"""Waits until a parameter, for which a state before assigns the time, and for answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import REQUIRED, Parameter
from lokki_tf.model.names import identifier, unique
from lokki_tf.runtime.moments import instant

from .quotas import VARIABLE_NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lokki_tf.model import FlowParameter, StepOptions, Wait

    from .scopes import Scope

INSTANT_BYTES = len(', "instant": "2030-01-31T09:00:00Z"') + 8
"""Bytes that a time adds to an envelope."""


def time_variables(
    until: Mapping[str, Any], scopes: Iterable[Scope], others: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that contain the times of waits until parameters, by wait.

    Args:
        until: What each wait waits for.
        scopes: All scopes, whose variables have other names.
        others: Further variables in use, by node.
    """
    taken = {name for scope in scopes for name in scope.variables.values()} | {*others.values()}
    found: dict[str, str] = {}
    for name, one in until.items():
        if isinstance(one, Parameter):
            found[name] = unique(f"lokki_time_{identifier(name)}", taken, VARIABLE_NAME_LENGTH)
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
    given = {f"{variable}.$": path}
    if parameter.default is REQUIRED:
        return {"Type": "Pass", "Assign": given, "Next": wait.name}
    try:
        default = instant(parameter.default)
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"wait(until={parameter.name}): the default of the parameter is wrong: {error}",
            place=wait.place,
            remedy='write an aware datetime, or a text such as "2030-01-31T09:00:00Z"',
        ) from None
    return {
        "Type": "Choice",
        "Choices": [{"Variable": path, "IsPresent": True, "Assign": given, "Next": wait.name}],
        "Assign": {variable: default},
        "Default": wait.name,
    }
