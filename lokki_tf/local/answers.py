"""Answers to steps with ``callback=True``: given to the run, or asked for in the terminal."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import BindingError
from lokki_tf.model.retries import full_name, listed_classes
from lokki_tf.runtime.answers import answer_text, answered
from lokki_tf.runtime.context import RunContext

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Node
    from lokki_tf.model.retries import ErrorType

ASKING = threading.Event()
"""Set while a question is in the terminal, so that nothing else is drawn there."""
_PAUSE = 0.3  # seconds in which a live display is removed


class Refused(Exception):
    """A step was refused in the terminal."""


class NotAsked(Exception):
    """Nobody was asked for a step's answer, because another step has failed."""


class NoTerminal(Exception):
    """A step's answer can be asked for in a terminal only, and this process has none."""


class Answers:
    """The answers of a run.

    Args:
        given: By the name of a node or step: the answer, an exception to raise, or a function
            that returns the answer and receives the ``run_context()`` of the step.
        definition: The pipeline that runs.

    Raises:
        BindingError: If there is no such step, or it has no ``callback=True``.
    """

    def __init__(self, given: Mapping[str, Any] | None, definition: Definition) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise BindingError(
                f"answers= must be a dict by name, got {given!r}",
                place=definition.place,
                remedy='write answers={"approve": True}',
            )
        self._given = dict(given or {})
        self._lock = threading.Lock()
        names = {name for node in definition.asking for name in (node.name, node.step.name)}
        for name in self._given:
            if name not in names:
                known = ", ".join(sorted(names))
                raise BindingError(
                    f"answers= has {name!r}, which is not a step with callback=True",
                    place=definition.place,
                    remedy=f"such steps are {known}" if known else "the pipeline has none",
                )

    def has(self, node: Node) -> bool:
        """Return whether the answer to a node is given.

        Args:
            node: The node.
        """
        return node.name in self._given or node.step.name in self._given

    def of(
        self,
        node: Node,
        context: RunContext,
        is_stopped: Callable[[], bool] = bool,
        listed: Sequence[tuple[ErrorType, ...]] | None = None,
    ) -> Any:
        """Return the answer to a node, as AWS passes it on.

        Args:
            node: The node.
            context: What ``run_context()`` returns in its present attempt.
            is_stopped: Returns whether the run has failed, so that nobody needs to be asked.
            listed: The errors that its retriers and routes list; by default those of the node.

        Raises:
            Exception: If the node is refused, or its answer is not JSON.
        """
        try:
            if not self.has(node):
                return self._asked(node, context, is_stopped)
            name = node.name if node.name in self._given else node.step.name
            return answered(self._given[name], lambda: context)
        except Exception as error:
            # AWS receives the name of the error alone: retry= and catch= do not match its bases.
            name, classes = type(error).__name__, listed_classes(listed or node.listed)
            alike = (full_name(one) for one in classes if one.__name__ == name)
            vars(error)["__lokki_classes__"] = (*alike, name)
            raise

    def _asked(self, node: Node, context: RunContext, is_stopped: Callable[[], bool]) -> Any:
        item = "" if context.item_index is None else f", item {context.item_index}"
        question = (
            f"step {node.name!r}{item} waits for an answer: JSON, or refuse and a message\n> "
        )
        with self._lock, _terminal(node) as read:
            if is_stopped():
                raise NotAsked("the run has failed before anybody was asked")
            while True:
                text = read(question).strip()
                refusing, _, message = text.partition(" ")
                if refusing == "refuse":
                    raise Refused(message or "refused in the terminal")
                try:
                    return json.loads(answer_text(json.loads(text)))
                except (TypeError, ValueError) as error:
                    question = f'{error}; write text in quotes: "yes"\n> '


@contextmanager
def _terminal(node: Node) -> Iterator[Callable[[str], str]]:
    """Return a function that asks for a line of text, in the terminal or the notebook.

    Raises:
        NoTerminal: If there is neither.
    """
    shell = sys.modules.get("IPython")
    if shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None:
        yield input
        return
    source = sys.stdin
    if source is None or source.closed or not source.isatty():
        raise NoTerminal(
            "an answer can be asked for in a terminal only: pass "
            f"local_run(answers={{{node.step.name!r}: …}})"
        )

    def read(question: str) -> str:
        shown = sys.__stderr__ or sys.stderr
        shown.write(question)
        shown.flush()
        line = source.readline()
        if not line:
            raise NoTerminal("the terminal was closed before an answer")
        return line

    ASKING.set()
    try:
        sleep(_PAUSE)
        yield read
    finally:
        ASKING.clear()
