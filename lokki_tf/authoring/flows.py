"""Flows: how a function under ``@flow`` is called, and which values its parameters accept.

The function is called once, with a placeholder for each parameter of the run. The decorator itself
is in :mod:`lokki_tf.pipeline.flows`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model import REQUIRED, FlowParameter, signature
from lokki_tf.model.signatures import signature_of

from .building import Building, current
from .calls import FlowArgument
from .nesting import REMEDY, refuse_pipeline
from .parameters import accepts, hints_of, kind_of, refuse_refs
from .placeholders import Placeholder, spec_of
from .places import calling_place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def build_flow(function: Callable[..., Any]) -> tuple[list[Any], tuple[FlowParameter, ...]]:
    """Call a flow's function, which returns the end of the pipeline.

    Args:
        function: The flow's function.

    Returns:
        The ends, and the parameters that its signature and its first steps declare.

    Raises:
        BindingError: If it returns no steps.
    """
    building = Building(place_of(function))
    own = signature_of(function)
    hints = hints_of(function)
    for name, parameter in own.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BindingError(
                f"flow {function.__name__!r} has {parameter}, but its parameters must have names",
                place=building.place,
                remedy="list them, with defaults where they have some",
            )
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        kind = kind_of(hints.get(name, parameter.annotation), parameter.default)
        refuse_refs(name, default, building.place)
        made = FlowParameter(name, kind, default, building.place)
        if default is not REQUIRED and not accepts(made, default):
            raise BindingError(
                f"flow {function.__name__!r}: the default {name}={default!r} is no {kind.__name__}",
                place=building.place,
                remedy="let annotation and default agree",
            )
        building.parameters[name] = made
    token = current.set(building)
    try:
        result = function(
            **{name: FlowArgument(building.argument(name)) for name in own.parameters}
        )
    finally:
        current.reset(token)
    if result is None:
        raise BindingError(
            f"flow {function.__name__!r} returns nothing",
            place=building.place,
            remedy="return the chain: return load().map(process).agg(total)",
        )
    ends = list(result) if isinstance(result, list | tuple) else [result]
    return ends, tuple(building.parameters.values())


def with_values(
    parameters: tuple[FlowParameter, ...], given: Mapping[str, Any], flow: str
) -> tuple[FlowParameter, ...]:
    """Return the parameters with other defaults.

    Args:
        parameters: Parameters of a flow.
        given: Values by name.
        flow: Name of the flow, for the error.

    Raises:
        BindingError: If there is no such parameter, or a value has the wrong type.
    """
    checked(parameters, given, flow)
    return tuple(replace(one, default=given.get(one.name, one.default)) for one in parameters)


def refuse_missing(
    parameters: tuple[FlowParameter, ...], given: Mapping[str, Any], name: str
) -> None:
    """Raise an error for parameters that have neither a value nor a default.

    Args:
        parameters: Parameters of a flow or of another pipeline.
        given: Values by name.
        name: Name of the flow or pipeline, for the error.

    Raises:
        BindingError: With its signature.
    """
    missing = [one.name for one in parameters if one.default is REQUIRED and one.name not in given]
    if missing:
        raise BindingError(
            f"parameters of {name!r}: {', '.join(map(repr, missing))} must have a value",
            place=calling_place(),
            remedy=f"its signature is {signature(parameters, name)}",
        )


def checked(
    parameters: tuple[FlowParameter, ...], given: Mapping[str, Any], name: str, kind: str = "flow"
) -> None:
    """Raise an error for unknown parameters, or values of the wrong type.

    Args:
        parameters: Parameters of a flow or of another pipeline.
        given: Values by name.
        name: Name of the flow or pipeline, for the error.
        kind: What it is, for the error.

    Raises:
        BindingError: With its signature.
    """
    if not given:
        return
    from lokki_tf.runtime.parameters import RESERVED  # imported here: it imports json

    known = {one.name: one for one in parameters}
    for key, value in given.items():
        refuse_pipeline(value, calling_place())
        if isinstance(value, Placeholder):
            raise BindingError(
                f"{kind} {name!r} requires values, but {key}= is {spec_of(value).what}",
                place=calling_place(),
                remedy=REMEDY,
            )
        if key == RESERVED and isinstance(value, dict):
            continue
        if key == RESERVED:
            problem = f"{RESERVED}={value!r} is reserved for triggers and must be a dict"
        elif key not in known:
            problem = f"{kind} {name!r} has no parameter {key!r}"
        elif not accepts(known[key], value):
            problem = f"{key} must be {known[key].kind.__name__}, got {value!r}"
        else:
            continue
        raise BindingError(
            problem, place=calling_place(), remedy=f"its signature is {signature(parameters, name)}"
        )
