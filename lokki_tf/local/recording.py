"""What a run records for its report, beside its results: retries, cards, output of steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .strict import described, is_not_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MOST_CARDS, MOST_RETRIES, MOST_LINES = 500, 2_000, 20_000


class Call(NamedTuple):
    """A call of a step.

    Args:
        node: Name of the node.
        item: Index of the item, in a map.
        attempt: Number of the attempt, from 1.
    """

    node: str
    item: int | tuple[int, ...] | None = None
    attempt: int = 1


class Retried(NamedTuple):
    """An attempt that failed, and after which there was another one.

    Args:
        call: The call.
        time: Its end, as ``time.time()`` counts.
        error: Its error.
        trace: The traceback, as text.
    """

    call: Call
    time: float
    error: str
    trace: str


class Line(NamedTuple):
    """A line that a step has printed or logged.

    Args:
        time: When, as ``time.time()`` counts.
        call: The call of the step.
        text: The line.
    """

    time: float
    call: Call
    text: str


@dataclass(slots=True)
class Recording:
    """What a run records. The oldest entries are kept if there are too many.

    Args:
        run_id: The run's id.
        began: When it began, as ``time.time()`` counts.
        parameters: The run's parameters.
        secrets: Values that reports must not contain.
        stage: The stage, if any.
    """

    run_id: str = ""
    began: float = field(default_factory=time)
    parameters: dict[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)
    stage: str | None = None
    has_output: bool = field(default=False, init=False)
    """Whether what steps print is recorded."""
    retries: list[Retried] = field(default_factory=list, init=False)
    lines: list[Line] = field(default_factory=list, init=False)
    cards: dict[Call, list[dict[str, Any]]] = field(default_factory=dict, init=False)
    left_out: int = field(default=0, init=False)
    """How many further calls had a card."""
    names: Mapping[str, str] = field(default_factory=dict, init=False)
    """From nodes of an included pipeline that runs now to their names in the run."""

    def card(self, call: Call) -> list[dict[str, Any]]:
        """Return the parts of the card of a call, to which it adds.

        Args:
            call: The call.
        """
        call = self._named(call)
        if call not in self.cards and len(self.cards) >= MOST_CARDS:
            self.left_out += 1
            return []
        return self.cards.setdefault(call, [])

    def retry(
        self, call: Call, error: BaseException, trace: Callable[[BaseException], str]
    ) -> None:
        """Record an attempt after which there is another one.

        Args:
            call: The call.
            error: Its error.
            trace: Returns the traceback of an error as text.
        """
        if len(self.retries) < MOST_RETRIES:
            shown = "" if is_not_ready(error) else trace(error)
            self.retries.append(Retried(self._named(call), time(), described(error), shown))

    def add(
        self,
        call: Call,
        parts: Iterable[dict[str, Any]],
        lines: Iterable[tuple[float, str]],
    ) -> None:
        """Record what a call in another process has returned.

        Args:
            call: The call.
            parts: Those of its card.
            lines: What it has printed, with times.
        """
        made = list(parts)
        if made:
            self.card(call).extend(made)
        for when, text in lines:
            self.line(call, when, text)

    def line(self, call: Call, when: float, text: str) -> None:
        """Record a line that a call has printed or logged.

        Args:
            call: The call.
            when: The time, as ``time.time()`` counts.
            text: The line.
        """
        if len(self.lines) < MOST_LINES:
            self.lines.append(Line(when, self._named(call), text))

    def _named(self, call: Call) -> Call:
        return call._replace(node=self.names.get(call.node, call.node))
