"""Outcomes of nodes as colours and words, the same in every picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from lokki_tf.model import Outcome

if TYPE_CHECKING:
    from lokki_tf.model import MapItems, Status

INK: Final = "#1b2a41"


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a status. They do not depend on the page's background.

    Args:
        fill: Background of boxes, for dark text.
        line: Outlines and bars; dark enough for text on the fill or on white.
        dashed: Whether the outline is dashed, because nothing ran.
    """

    fill: str
    line: str
    dashed: bool = False


LOOKS: Final[Mapping[Status, Look]] = MappingProxyType(
    {
        "done": Look("#e2f4ec", "#17795b"),
        "cached": Look("#e3eefc", "#2f6fc4"),
        "skipped": Look("#e9ecf1", "#667184", dashed=True),
        "failed, caught": Look("#fdf0d5", "#c0362c"),
        "failed": Look("#fde6e3", "#c0362c"),
        "interrupted": Look("#fdf0d5", "#a86400"),
        "not run": Look("#eff1f4", "#7a8596", dashed=True),
    }
)
_BY_WEIGHT: Final[tuple[Status, ...]] = (
    *("failed", "interrupted", "failed, caught", "not run"),
    *("skipped", "cached", "done"),
)
_ITEMS_SHOWN = 3
_UNTIMED = ("cached", "skipped", "not run")


def outcome_of(name: str, outcomes: Mapping[str, Outcome]) -> Outcome:
    """Return the outcome of a node; a node without one has not run."""
    return outcomes.get(name) or Outcome("not run", attempts=0)


def format_outcome(outcome: Outcome) -> str:
    """Format an outcome in a few words, such as ``failed after 3 attempts · 0.4 s``."""
    tries = f" after {outcome.attempts} attempts" if outcome.attempts > 1 else ""
    if outcome.seconds is None or outcome.status in _UNTIMED:
        return f"{outcome.status}{tries}"
    return f"{outcome.status}{tries} · {format_duration(outcome.seconds)}"


def format_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Format the outcomes of equal nodes, such as ``40 done · 0.3 s to 2.1 s``.

    Args:
        outcomes: At least one outcome.
    """
    if len(outcomes) == 1:
        return format_outcome(outcomes[0])
    counts = Counter(one.status for one in outcomes)
    parts = [", ".join(f"{counts[status]:,} {status}" for status in LOOKS if counts[status])]
    attempts = max(one.attempts for one in outcomes)
    if attempts > 1:
        parts[0] += f" after up to {attempts} attempts"
    times = [
        one.seconds for one in outcomes if one.seconds is not None and one.status not in _UNTIMED
    ]
    if times:
        least, most = format_duration(min(times)), format_duration(max(times))
        parts.append(least if least == most else f"{least} to {most}")
    return " · ".join(parts)


def look_of(outcomes: Sequence[Outcome]) -> Look:
    """Return the colours of equal nodes: those of the status that needs the most attention."""
    statuses = {
        "failed, caught" if one.status == "done" and one.items and one.items.failed else one.status
        for one in outcomes
    }
    return LOOKS[next(status for status in _BY_WEIGHT if status in statuses)]


def format_items(items: MapItems) -> str:
    """Format the items of a map, such as ``3 of 10,000 items failed: 17, 402, 9001``."""
    total = format_count(items.total, "item")
    if not items.failed:
        return total
    shown = [_index(one) for one in items.first[:_ITEMS_SHOWN]]
    more = ", …" if shown and items.failed > len(shown) else ""
    listed = f": {', '.join(shown)}{more}" if shown else ""
    return f"{items.failed:,} of {total} failed{listed}"


def format_count(number: int, noun: str) -> str:
    """Return a number and a noun, in the plural if it is not one: ``3 items``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _index(key: int | tuple[int, ...]) -> str:
    return str(key) if isinstance(key, int) else "/".join(map(str, key))


def tooltip(name: str, outcome: Outcome) -> str:
    """Return the tooltip of a node: its name, outcome, start and end."""
    if outcome.start is None:
        return f"{name}: {format_outcome(outcome)}"
    until = "" if outcome.end is None else f" to {format_duration(outcome.end)}"
    return f"{name}: {format_outcome(outcome)}, from {format_duration(outcome.start)}{until}"


def format_duration(seconds: float) -> str:
    """Format a duration in milliseconds, seconds, minutes or hours."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 119.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
