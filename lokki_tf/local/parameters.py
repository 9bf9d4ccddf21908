"""The values of a flow's parameters in one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lokki_tf.errors import BindingError, SerializationError
from lokki_tf.model import REQUIRED, Definition, FlowParameter

from .strict import REMEDY, RoundTripSerializer, described


def parameter_values(
    definition: Definition, given: Mapping[str, Any], serializer: RoundTripSerializer | None
) -> dict[str, Any]:
    """Return the value of each parameter of a flow, serialized if there is a serializer.

    Args:
        definition: Declares the parameters.
        given: Values by name.
        serializer: Serializes values, or ``None``.

    Raises:
        BindingError: If a parameter without default has no value, or a value has no parameter.
        SerializationError: If there is a serializer, and a value cannot be serialized.
    """
    declared = {one.name: one.default for one in definition.parameters}
    values = {name: given.get(name, default) for name, default in declared.items()}
    missing = [name for name, value in values.items() if value is REQUIRED]
    unknown = [name for name in given if name not in declared]
    if missing or unknown:
        problems = [f"{_listed(missing)} must have a value"] if missing else []
        problems += [f"there is no {_listed(unknown)}"] if unknown else []
        raise BindingError(
            f"parameters of {definition.name!r}: {', and '.join(problems)}",
            place=definition.place,
            remedy=_declared(definition.parameters),
        )
    if serializer is None:
        return values
    return {name: _sent(definition, serializer, name, value) for name, value in values.items()}


def _sent(definition: Definition, serializer: RoundTripSerializer, name: str, value: Any) -> Any:
    try:
        return serializer.freeze(value)
    except Exception as error:
        raise SerializationError(
            f"parameter {name!r} of {definition.name!r} cannot be serialized: {described(error)}",
            place=definition.place,
            remedy=REMEDY,
        ) from error


def _declared(parameters: Iterable[FlowParameter]) -> str:
    declared = [
        f"{one.name}: {_kind(one.kind)}"
        + (" (required)" if one.default is REQUIRED else f" = {one.default!r}")
        for one in parameters
    ]
    return f"its parameters are {', '.join(declared)}" if declared else "it has no parameters"


def _kind(kind: Any) -> str:
    return kind.__qualname__ if isinstance(kind, type) else str(kind).removeprefix("typing.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
