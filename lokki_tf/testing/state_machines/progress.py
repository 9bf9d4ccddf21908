"""The progress of an execution's scopes, from which a redrive continues.

For each scope (of the state machine, a Parallel branch or a Map iteration) the current state is
recorded with its input, the variables, and the progress of the scopes inside that state. A redrive
runs the states again that were entered and not exited. States that have ended do not run again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from lokki_tf.testing.state_machines.map_run import MapRun
from lokki_tf.testing.state_machines.values import Json


@dataclass
class Progress:
    """The progress of one scope.

    Args:
        state: The name of the current state; None before the first.
        input: The current state's raw input.
        text: The JSON of the raw input.
        entered: Whether the history contains the event that the state was entered.
        variables: The scope's variables.
        inner: The progress of the scopes inside the state.
        map_run: The Map Run, if the state is a Distributed Map.
        done: Whether the scope has succeeded.
        result: The scope's output, if it has succeeded.
        redriven: The id of the event ``ExecutionRedriven``, until the state runs again.
    """

    state: str | None = None
    input: Json = None
    text: str = ""
    entered: bool = False
    variables: dict[str, Json] = field(default_factory=dict)
    inner: list[Progress] = field(default_factory=list)
    map_run: MapRun[Any] | None = None
    done: bool = False
    result: Json = None
    redriven: int | None = None

    def enter(self, name: str, value: Json, text: str) -> None:
        """Record the next state with its input."""
        self.state, self.input, self.text = name, value, text
        self.entered, self.redriven = False, None
        self.inner, self.map_run = [], None

    def finish(self, result: Json) -> None:
        """Record that the scope has succeeded, and keep its output only."""
        self.done, self.result = True, result
        self.input, self.text, self.variables, self.inner = None, "", {}, []
        self.map_run = None

    def scopes(self, count: int) -> list[Progress]:
        """Return the progress of the scopes inside the state.

        The first call after a redrive returns the progress from before the redrive. Other calls
        return new progress, since a retrier runs all scopes again.
        """
        if not (self.redriven is not None and len(self.inner) == count):
            self.inner = [Progress() for _ in range(count)]
        self.redriven = None
        return self.inner

    def redrive(self, event: int) -> Progress:
        """Return a copy of the progress, from which the redriven scope continues.

        Args:
            event: The id of the event ``ExecutionRedriven``.
        """
        inner = [each.redrive(event) for each in self.inner]
        return replace(
            self,
            variables=dict(self.variables),
            inner=inner,
            redriven=event if self.entered and not self.done else None,
        )
