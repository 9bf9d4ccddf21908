"""Pipelines whose steps return the next step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lokki_tf.authoring.places import calling_place
from lokki_tf.authoring.routes import Registry
from lokki_tf.checks.routes import as_warnings, check_routes
from lokki_tf.model import Definition, Graph

if TYPE_CHECKING:
    from typing import IO

    from lokki_tf.local import Run
    from lokki_tf.model import Finding


class Functions(Registry):
    """Functions that lead from one to the next, to be run here.

    Args:
        beginner: Name of the first one; it may be registered later.
        max_steps: Most steps in one run.
        name: Of the whole.
    """

    def __init__(self, beginner: str, max_steps: int = 25, *, name: str = "pipeline") -> None:
        super().__init__(beginner, limit=max_steps)
        self._options: dict[str, Any] = {"name": name, "place": calling_place()}
        self._read: tuple[Any, Definition] | None = None

    @property
    def definition(self) -> Definition:
        """What it is, as frozen data; read anew where a function was registered since."""
        registered = dict(self._registered)
        if self._read is None or self._read[0] != registered:
            made = Definition(graph=Graph(()), routes=self.routes, **self._options)
            self._read = registered, made
        return self._read[1]

    def run(self, **data: Any) -> Any:
        """Runs it here, from the first function on.

        Args:
            data: Arguments of the first function, by name.

        Returns:
            What the function returned with which it ended: the dict, or the state as its
            updates have left it.

        Raises:
            StepFailed: If a function raises; its error is the cause.
            LoopError: If it would take more steps than it may.
        """
        return self._walked(data).result

    def run_from(self, *, step: str, **data: Any) -> Any:
        """Runs it here, from another function on.

        Args:
            step: Name of the function.
            data: Its arguments, by name.
        """
        return self._walked(data, start=step).result

    def _walked(self, data: Mapping[str, Any], **options: Any) -> Run:
        from lokki_tf.local.routed import run_routes
        from lokki_tf.reporting import heard

        on_event = heard(options.pop("on_event", None))
        return run_routes(self.definition, data, on_event=on_event, **options)

    def check_graph(self, *start_at: str, start_from: str | None = None) -> bool:
        """Warns of everything that is wrong on some way through the functions.

        Args:
            start_at: Where runs begin; at the first function unless given.
            start_from: The same by name.

        Returns:
            Whether nothing is.
        """
        starts = start_at or ((start_from,) if start_from else (self.beginner,))
        found: list[Finding] = []
        for start in starts:
            found += check_routes(self.definition.routes_or_fail, start)
        for message, category in as_warnings(found):
            with warnings.catch_warnings():
                warnings.simplefilter("always", category)
                warnings.showwarning(message, category, "", 0, None, "")
        return not any(one.severity == "error" for one in found)

    def save_dot(self, f: IO[str], *, top_node: str | None = None) -> None:
        """Writes the picture of the functions, with conditions and defaults, for Graphviz.

        Args:
            f: An open text file.
            top_node: Name of the function that stands first.
        """
        from lokki_tf.drawing import routes_to_dot

        f.write(routes_to_dot(self.definition.routes_or_fail, top_node))
