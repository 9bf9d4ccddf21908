"""How far the scopes of an execution have come: what a redrive goes on from.

A scope, of the machine, a Parallel branch or a Map iteration, notes the state that it is in, with
its input and the variables so far; a state with scopes inside holds their progress. A redrive runs
again the states that were entered and not exited, and nothing that has ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lokki_tf.testing.machines.values import Json

if TYPE_CHECKING:
    from lokki_tf.testing.machines.map_run import MapRun


@dataclass
class Progress:
    """How far one scope has come.

    Args:
        state: the name of the state that it is in; None before the first.
        input: that state's raw input.
        text: the JSON of it.
        entered: whether the history says that it was entered.
        variables: the scope's variables.
        inner: the progress of the scopes inside the state.
        map_run: the run of the state, if it is a Distributed Map.
        done: whether the scope has reached its end.
        result: its output then.
        redriven: the id of the event that redrives it, until the state is taken up again.
    """

    state: str | None = None
    input: Json = None
    text: str = ""
    entered: bool = False
    variables: dict[str, Json] = field(default_factory=dict)
    inner: list[Progress] = field(default_factory=list)
    map_run: MapRun | None = None
    done: bool = False
    result: Json = None
    redriven: int | None = None

    def enter(self, name: str, value: Json, text: str) -> None:
        """Note the state that comes next."""
        self.state, self.input, self.text = name, value, text
        self.entered, self.redriven = False, None
        self.inner, self.map_run = [], None

    def finish(self, result: Json) -> None:
        """Note that the scope has ended well; nothing but its output is wanted then."""
        self.done, self.result = True, result
        self.input, self.text, self.variables, self.inner = None, "", {}, []
        self.map_run = None

    def scopes(self, count: int) -> list[Progress]:
        """Return the progress of the scopes inside the state: as it was, if it is redriven.

        If the state is retried after that, all of them begin anew.
        """
        if not (self.redriven is not None and len(self.inner) == count):
            self.inner = [Progress() for _ in range(count)]
        self.redriven = None
        return self.inner

    def redrive(self, event: int) -> Progress:
        """Return a copy that is to be gone on from.

        Args:
            event: the id of the event that says so.
        """
        inner = [each.redrive(event) for each in self.inner]
        return replace(
            self,
            variables=dict(self.variables),
            inner=inner,
            redriven=event if self.entered and not self.done else None,
        )
