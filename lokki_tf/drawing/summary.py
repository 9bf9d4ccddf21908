"""A picture in words, for readers who do not see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .characters import clipped
from .notes import ends_of, starts_of
from .status import LOOKS, format_count, outcome_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

_FAILED_SHOWN = 5
_LONGEST_NAME = 60


def summary(definition: Definition, outcomes: Mapping[str, Outcome] | None = None) -> str:
    """Return a picture's contents in a few sentences.

    Args:
        definition: The pipeline.
        outcomes: The outcomes of a run's nodes, or of the steps of a routed pipeline.
    """
    return " ".join(f"{one}." for one in _sentences(definition, outcomes))


def _sentences(definition: Definition, outcomes: Mapping[str, Outcome] | None) -> Iterator[str]:
    if definition.routes is None:
        names = [node.name for node in definition.whole.nodes]
    else:
        names = [*definition.routes.by_name]
    first = clipped(names[0], _LONGEST_NAME) if names else ""
    between = f" from {first} to {clipped(names[-1], _LONGEST_NAME)}" if len(names) > 1 else ""
    yield f"A pipeline of {format_count(len(names), 'step')}{between}"
    starts = starts_of(definition)
    if starts:
        yield f"Runs: {'; '.join(starts)}"
    yield from (f"{one[0].upper()}{one[1:]}" for one in ends_of(definition))
    if outcomes is not None:
        statuses = {name: outcome_of(name, outcomes).status for name in names}
        counts = Counter(statuses.values())
        yield ", ".join(f"{counts[one]:,} {one}" for one in LOOKS if counts[one])
        failed = [name for name, status in statuses.items() if status.startswith("failed")]
        if failed:
            more = ", …" if len(failed) > _FAILED_SHOWN else ""
            shown = (clipped(name, _LONGEST_NAME) for name in failed[:_FAILED_SHOWN])
            yield f"Failed: {', '.join(shown)}{more}"
