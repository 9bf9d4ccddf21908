"""A run of a routed pipeline on its picture: how often each step ran, and each arrow was taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lokki_tf.model import Node, Outcome

from .status import format_count, format_outcomes, outcome_of

if TYPE_CHECKING:
    from lokki_tf.model import Graph

    from .shapes import Arrow, Picture, Shape


class Taken(NamedTuple):
    """How often an arrow was taken, which two tests with the same target leave open.

    Args:
        least: The smallest possible number.
        most: The largest possible number.
    """

    least: int = 0
    most: int = 0

    @property
    def label(self) -> str:
        """The number in pictures; empty for an arrow that was not taken."""
        if not self.most:
            return ""
        return f"{'' if self.least == self.most else '≤ '}{self.most:,}×"


@dataclass(frozen=True, slots=True)
class Visits:
    """The visits of steps in a run.

    Args:
        outcomes: The outcomes of each step's visits, by the step's name.
        moves: How often a step followed another: the two names, and whether the first had failed.
    """

    outcomes: Mapping[str, Sequence[Outcome]] = field(default_factory=dict)
    moves: Mapping[tuple[str, str, bool], int] = field(default_factory=dict)

    @property
    def latest(self) -> dict[str, Outcome]:
        """The outcome of each step's last visit."""
        return {name: known[-1] for name, known in self.outcomes.items()}

    def of(self, step: str) -> Sequence[Outcome]:
        """Return the outcomes of a step's visits; of a step without visits, that it has not run."""
        return self.outcomes.get(step) or (Outcome("not run", attempts=0),)

    def notes(self, shape: Shape) -> list[str]:
        """Return the lines below a step's name: its visits and their outcomes."""
        if shape.kind != "step":
            return []
        known = self.outcomes.get(shape.id, ())
        if not known:
            return ["not run"]
        visits = f"{format_count(len(known), 'visit')}: " if len(known) > 1 else ""
        return [f"{visits}{format_outcomes(known)}"]

    def taken(self, picture: Picture) -> dict[Arrow, Taken]:
        """Return how often each arrow of a picture was taken.

        Args:
            picture: The picture of the pipeline.
        """
        kinds = {shape.id: shape for shape in picture.shapes}
        leaving: dict[str, list[Arrow]] = {}
        for arrow in picture.arrows:
            leaving.setdefault(arrow.before, []).append(arrow)
        least: Counter[Arrow] = Counter()
        most: Counter[Arrow] = Counter()
        for (before, after, has_failed), count in self.moves.items():
            ways = list(_ways(before, after, leaving, kinds))
            fitting = [
                way for way in ways if any(kinds[one.after].is_error for one in way) == has_failed
            ]
            ways = fitting or ways
            for arrow in dict.fromkeys(arrow for way in ways for arrow in way):
                most[arrow] += count
                if all(arrow in way for way in ways):
                    least[arrow] += count
        return {arrow: Taken(least[arrow], most[arrow]) for arrow in picture.arrows}


def visits_of(graph: Graph, outcomes: Mapping[str, Outcome]) -> Visits:
    """Return the visits of a run.

    Args:
        graph: A node for each visit, in their order.
        outcomes: The outcomes of the nodes.
    """
    ran = [
        (node.step.name, outcome_of(node.name, outcomes))
        for node in graph.nodes
        if isinstance(node, Node) and (not node.box or node.step.includes)  # of included pipelines
    ]
    by_step: dict[str, list[Outcome]] = {}
    for name, outcome in ran:
        by_step.setdefault(name, []).append(outcome)
    moves = Counter(
        (before, after, outcome.status == "failed, caught")
        for (before, outcome), (after, _) in pairwise(ran)
    )
    return Visits(by_step, moves)


def _ways(
    before: str, after: str, leaving: Mapping[str, Sequence[Arrow]], shapes: Mapping[str, Shape]
) -> Iterator[tuple[Arrow, ...]]:
    """Yield the ways from a step to another, through tests and waits only."""
    for arrow in leaving.get(before, ()):
        if arrow.after == after:
            yield (arrow,)
        elif shapes[arrow.after].kind != "step":
            yield from ((arrow, *way) for way in _ways(arrow.after, after, leaving, shapes))
