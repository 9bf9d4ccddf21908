"""The variables of an execution: nested scopes and size limits."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

from lokki_tf.testing.state_machines.failures import StateFailure, UndefinedVariable
from lokki_tf.testing.state_machines.limits import (
    DATA_LIMIT_EXCEEDED,
    VARIABLE_BYTES,
    VARIABLES_BYTES,
)
from lokki_tf.testing.state_machines.values import Json, dump, size


class Budget:
    """The total size of the variables of one execution, compared with the quota."""

    def __init__(self) -> None:
        self._used = 0
        self._lock = Lock()

    def change(self, by: int) -> None:
        """Add to the total size.

        Args:
            by: The number of bytes; negative to release bytes.

        Raises:
            StateFailure: If the total exceeds the quota.
        """
        with self._lock:
            if self._used + by > VARIABLES_BYTES:
                raise StateFailure(
                    DATA_LIMIT_EXCEEDED,
                    "The total size of the execution's variables exceeds 10 MiB.",
                    terminal=True,
                )
            self._used += by


class Variables:
    """The variables of one scope: of the state machine, a Parallel branch or a Map iteration.

    Args:
        budget: The total size, shared by all scopes of an execution.
        outer: The outer scope, whose variables can be read but not assigned.
    """

    def __init__(self, budget: Budget, outer: Variables | None = None) -> None:
        self._budget = budget
        self._outer = outer
        self._values: dict[str, Json] = {}
        self._sizes: dict[str, int] = {}

    def inner(self) -> Variables:
        """Return a new scope inside this one."""
        return Variables(self._budget, self)

    def get(self, name: str) -> Json:
        """Return the value of a variable of this scope or of an outer one.

        Raises:
            UndefinedVariable: If the variable has no value.
        """
        scope: Variables | None = self
        while scope is not None:
            if name in scope._values:
                return scope._values[name]
            scope = scope._outer
        raise UndefinedVariable(name)

    def assign(self, values: Mapping[str, Json]) -> dict[str, str]:
        """Set variables of this scope. If one exceeds a limit, none is set.

        Returns:
            The JSON of each variable, for the history.

        Raises:
            StateFailure: If a size limit is exceeded.
        """
        texts = {name: dump(value) for name, value in values.items()}
        sizes = {name: size(text) for name, text in texts.items()}
        for name, length in sizes.items():
            _check(length, f"The size of the variable '{name}'")
        _check(sum(sizes.values()), "The total size of the variables that one Assign sets")
        self._budget.change(sum(sizes.values()) - sum(self._sizes.get(name, 0) for name in sizes))
        self._values.update(values)
        self._sizes.update(sizes)
        return texts

    @property
    def values(self) -> dict[str, Json]:
        """The variables of this scope, without those of outer scopes."""
        return dict(self._values)

    def restore(self, values: Mapping[str, Json]) -> None:
        """Set the variables from before a redrive, without checking the size of each again.

        Raises:
            StateFailure: If the total size exceeds the quota.
        """
        sizes = {name: size(dump(value)) for name, value in values.items()}
        self._budget.change(sum(sizes.values()))
        self._values, self._sizes = dict(values), sizes

    def release(self) -> None:
        """Subtract the variables from the total size, because the scope has ended."""
        self._budget.change(-sum(self._sizes.values()))
        self._values, self._sizes = {}, {}


def _check(length: int, what: str) -> None:
    if length > VARIABLE_BYTES:
        raise StateFailure(DATA_LIMIT_EXCEEDED, f"{what} exceeds 256 KiB.", terminal=True)
