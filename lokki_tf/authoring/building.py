"""The flow whose function is running, and its parameters."""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lokki_tf.model import FlowParameter

from .parameters import kind_of
from .specs import ParameterSpec

if TYPE_CHECKING:
    from lokki_tf.errors import Place


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
            kind = kind_of(annotation, inspect.Parameter.empty)
            self.parameters[name] = FlowParameter(name, kind, place=self.place)
        return self.argument(name)


current: ContextVar[Building | None] = ContextVar("lokki_tf flow", default=None)


def current_flow() -> Building | None:
    """Return the flow whose function is running, if any."""
    return current.get()
