"""What is written into the boxes of a picture, the same in every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .boxes import Drawn, Stack, names_of, node_of
from .characters import clipped
from .notes import notes_of, routes_in
from .status import format_items, format_outcomes, outcome_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Outcome

NAMES_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Contents:
    """What is written into boxes.

    Args:
        outcomes: The outcomes of a run's nodes; ``None`` for the picture of a definition.
        cleanup: Name of the cleanup step, if there is one.
    """

    outcomes: Mapping[str, Outcome] | None = None
    cleanup: str | None = None

    def of(self, drawn: Drawn) -> list[Outcome]:
        """Return the outcomes of the nodes of a box, if there are any."""
        if self.outcomes is None or node_of(drawn) is None:
            return []
        return [outcome_of(name, self.outcomes) for name in names_of(drawn)]

    def notes(self, drawn: Drawn) -> tuple[str, ...]:
        """Return the lines below a box's name."""
        node = node_of(drawn)
        return (*self.facts(drawn), *(() if node is None else routes_in(node)))

    def facts(self, drawn: Drawn) -> tuple[str, ...]:
        """Return the lines below a box's name, without the steps of a routed pipeline."""
        node = node_of(drawn)
        notes: list[str] = []
        if isinstance(drawn, Stack) and drawn.custom_names:
            first, *between, last = drawn.custom_names
            shown = f"{first}, {between[0]}, … {last}" if len(between) > 1 else f"{first}, {last}"
            notes.append(clipped(shown, NAMES_SHOWN))
        known = self.of(drawn)
        if known:
            notes.append(format_outcomes(known))
            notes += (format_items(one.items) for one in known if one.items is not None)
        elif node is not None:
            notes += notes_of(node, is_cleanup=node.name == self.cleanup)
        return tuple(notes)


def contents_of(definition: Definition, outcomes: Mapping[str, Outcome] | None) -> Contents:
    """Return what is written into the boxes of a pipeline's picture.

    Args:
        definition: The pipeline.
        outcomes: The outcomes of a run's nodes.
    """
    return Contents(outcomes, None if definition.cleanup is None else definition.cleanup.name)
