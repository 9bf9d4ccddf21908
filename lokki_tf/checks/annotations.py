"""Annotations that contradict each other: of what a step gives, and of what takes it.

Source: PEP 484. Only what surely contradicts is told, and as a warning: Python itself never
asks for what an annotation promises. In routed pipelines nothing is compared: a state has no
annotations, and a run's parameters have the first step's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

    from .hints import Contradiction, NoItems


def check(definition: Definition) -> Iterator[Finding]:
    """Each argument's source beside the parameter that takes it."""
    from .hints import contradictions, without_items  # what needs no graph needs none of it

    told = set[Any]()
    for one in contradictions(definition):
        # Calls in a loop say the same at one line again and again.
        again = (one.source.key, one.node.step, one.taken.name, one.node.place)
        if again not in told:
            told.add(again)
            yield _finding(one)
    yield from map(_finding, without_items(definition))


def _finding(one: Contradiction | NoItems) -> Finding:
    given = one.source.given is not None
    return Finding(
        "annotations",
        one.message,
        one.node.place,
        "correct the annotation, or hand over what fits it"
        if given
        else "correct one of the two annotations, or convert in a step",
        severity="warning",
    )
