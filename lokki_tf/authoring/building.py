"""The flow whose function is running, and its parameters."""

from __future__ import annotations

import inspect
import types
import typing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.model import FlowParameter

from .specs import ParameterSpec

if TYPE_CHECKING:
    from lokki_tf.errors import Place

_KINDS = (int, float, str, bool, list, dict)


@dataclass(slots=True)
class Building:
    """A flow while its function runs.

    Args:
        place: Source location of the flow.
        parameters: Its own parameters, and those that its first steps require.
    """

    place: Place
    parameters: dict[str, FlowParameter] = field(default_factory=dict)

    def argument(self, name: str) -> ParameterSpec:
        """Return the spec of a parameter."""
        return ParameterSpec(name, self.place)

    def require(self, name: str, annotation: Any) -> ParameterSpec:
        """Add a parameter that a first step requires from the execution's input."""
        if name not in self.parameters:
            self.parameters[name] = FlowParameter(
                name, kind_of(annotation, inspect.Parameter.empty)
            )
        return self.argument(name)


current: ContextVar[Building | None] = ContextVar("lokki_tf flow", default=None)


def current_flow() -> Building | None:
    """Return the flow whose function is running, if any."""
    return current.get()


def kind_of(annotation: Any, default: Any) -> Any:
    """Return a parameter's type, from its annotation or else its default; ``Any`` allows all."""
    if annotation is inspect.Parameter.empty:
        annotation = Any if default in (None, inspect.Parameter.empty) else type(default)
    origin = typing.get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        others = [one for one in typing.get_args(annotation) if one is not type(None)]
        return kind_of(others[0], default) if len(others) == 1 else Any
    return origin if origin in _KINDS else Any
