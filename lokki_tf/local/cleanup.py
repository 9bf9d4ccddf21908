"""The call of the ``cleanup=`` step at the end of a run, as in AWS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from time import sleep
from typing import TYPE_CHECKING

from .frames import Frame
from .result import NOTHING
from .work import Work

if TYPE_CHECKING:
    from .strict import RoundTripSerializer

Parts = tuple[Collection[str], ...]
"""Nodes of each state of the state machine's outermost scope, as the compiler nests them: states
run one after another, and the results of a state exist when it has ended."""


class Cleanup:
    """Runs a graph and then its cleanup step, which begins once.

    Args:
        work: The operations of the run.
        serializer: Serializes values, or ``None``.
        drive: Runs the graph.
    """

    def __init__(
        self, work: Work, serializer: RoundTripSerializer | None, drive: Callable[[], None]
    ) -> None:
        self._run = work
        # Results of earlier runs do not replace a cleanup.
        self._work = Work(work.journal, work.identity, serializer, files=work.files)
        self._serializer = serializer
        self._drive = drive
        self._begun = False

    def __call__(self) -> None:
        """Run the graph; after its success, or the failure of a step, run the cleanup step."""
        self._drive()
        self._work.here = self._run.here
        self._clean_up(self._visible())

    def after_interrupt(self) -> None:
        """Run the cleanup step, if it has not begun, without results, as after an abort in AWS."""
        if not self._begun:
            self._clean_up(set())

    def _clean_up(self, visible: Collection[int]) -> None:
        self._begun = True
        root = self._work.journal.root
        nodes = len(root.plan.nodes)
        none = None if self._serializer is None else self._serializer.freeze(None)
        known = (one if n in visible else none for n, one in enumerate(root.values[:nodes]))
        frame, index = Frame(root.plan, [*known, *root.values[nodes:]]), nodes - 1
        frame.values[index], frame.kept = NOTHING, root.kept
        try:
            delay = self._work.attempt(frame, index)
            while delay is not None:
                sleep(min(delay, threading.TIMEOUT_MAX))
                delay = self._work.attempt(frame, index)
        finally:
            self._work.journal.take_over(frame, index)

    def _visible(self) -> set[int]:
        """Return the nodes whose results exist in AWS: those of all states that have ended."""
        root = self._work.journal.root
        visible: set[int] = set()
        for part in root.plan.parts:
            if any(root.values[index] is NOTHING for index in part):
                break
            visible.update(part)
        return visible
