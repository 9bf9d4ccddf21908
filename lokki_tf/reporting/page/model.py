"""The data of a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lokki_tf.model import MapItems

from .values import MISSING

if TYPE_CHECKING:
    from datetime import datetime

    from lokki_tf.model import Definition, Outcome


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt that failed, and after which there was another one.

    Args:
        what: The attempt: ``attempt 1``, with its item in a map.
        error: Its error.
        trace: The traceback; empty if it is not known.
        seconds: When, from the start of the run; ``None`` if it is not known.
    """

    what: str
    error: str
    trace: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item of a map that has failed.

    Args:
        item: Its index.
        error: The error.
        trace: The traceback; empty if it is not known.
    """

    item: str
    error: str
    trace: str = ""


def indices_of(items: Iterable[FailedItem]) -> tuple[int, ...]:
    """Return the indices of failed items of a map itself, without those of maps inside it."""
    found = (re.fullmatch(r"\[(\d+)\]", one.item) for one in items)
    return tuple(sorted({int(one[1]) for one in found if one}))


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of a log.

    Args:
        time: When it was written.
        node: The node; empty if it is not known.
        text: The line.
    """

    time: datetime
    node: str
    text: str


@dataclass(frozen=True, slots=True)
class CardReport:
    """What a call of a step has added to the report.

    Args:
        node: The node.
        title: The call: the node, with its item and attempt.
        parts: The parts, as :mod:`lokki_tf.runtime.cards` describes them.
    """

    node: str
    title: str
    parts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a step has used.

    Args:
        node: The node.
        calls: The number of calls, retries included.
        seconds: Their duration in seconds; ``None`` if it is not known.
        billed: Milliseconds that Lambda has billed; ``None`` if they are not known.
        memory: Memory of the function in MB; ``None`` if it is not known.
    """

    node: str
    calls: int
    seconds: float | None = None
    billed: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """An argument of a step.

    Args:
        name: Its name.
        source: Where it is from, in words.
        value: The value; ``MISSING`` if there is none to show.
    """

    name: str
    source: str
    value: Any = MISSING


@dataclass(slots=True)
class StepReport:
    """A step, map or wait of the run.

    Args:
        name: Name of the node.
        kind: What it is, in words.
        outcome: Its outcome.
        status: Its status, where it is another than that of the outcome.
        place: Source location of its use, in words.
        inputs: Its arguments.
        result: Its result; ``MISSING`` if there is none.
        error: Its error; empty if there is none.
        trace: The traceback.
        retries: Attempts that failed and were repeated.
        items: Of a map: the numbers of items that succeeded, that failed, and of all.
        failed_items: Items that have failed.
        facts: Further facts, each a name and a text.
    """

    name: str
    kind: str
    outcome: Outcome
    status: str = ""
    place: str = ""
    inputs: Sequence[Input] = ()
    result: Any = MISSING
    error: str = ""
    trace: str = ""
    retries: Sequence[Retry] = ()
    items: tuple[int, int, int] | None = None
    failed_items: Sequence[FailedItem] = ()
    facts: Sequence[tuple[str, str]] = ()

    @property
    def shown_status(self) -> str:
        """Its status in words."""
        return self.status or self.outcome.status

    @property
    def drawn_outcome(self) -> Outcome:
        """Its outcome in pictures, with the items of a map."""
        if self.outcome.items is not None or self.items is None:
            return self.outcome
        _, failed, total = self.items
        return replace(self.outcome, items=MapItems(total, failed, indices_of(self.failed_items)))


@dataclass(slots=True)
class RunReport:
    """A run.

    Args:
        definition: The pipeline; of a routed one, with a node for each visit of a step.
        name: The run's name or id.
        where: Where it ran, in words.
        status: Its status, in words.
        began: When it began.
        duration: Seconds until its end, or until now.
        steps: Its steps.
        parameters: The values of its parameters.
        result: Its result; ``MISSING`` if there is none.
        error: The error that ended it; empty if there is none.
        trace: The traceback of that error.
        facts: Further facts, each a name and a text.
        link: URL of its page in AWS's console.
        cards: What steps have added.
        cards_left_out: The number of further calls with cards.
        logs: Lines of logs, in the order of time.
        logs_note: Why there are no lines, or not all.
        usage: What steps have used.
        numbers: Totals about cost, each a name and a text.
        cost_note: What the numbers include.
        secrets: Texts that the page must not contain.
    """

    definition: Definition
    name: str
    where: str
    status: str
    began: datetime
    duration: float
    steps: Sequence[StepReport]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    result: Any = MISSING
    error: str = ""
    trace: str = ""
    facts: Sequence[tuple[str, str]] = ()
    link: str | None = None
    cards: Sequence[CardReport] = ()
    cards_left_out: int = 0
    logs: Sequence[LogEntry] = ()
    logs_note: str = ""
    usage: Sequence[Usage] = ()
    numbers: Sequence[tuple[str, str]] = ()
    cost_note: str = ""
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes of the steps, by name."""
        return {one.name: one.drawn_outcome for one in self.steps}
