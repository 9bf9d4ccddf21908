"""Contradictions between annotations of a value's source and of its receiver.

Source: PEP 484. Only certain contradictions are reported, as warnings, since Python does not
enforce annotations. Routed pipelines are not checked: the state has no annotations, and a run's
parameters have those of the first step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

    from .hints import Contradiction, NoItems


def check(definition: Definition) -> Iterator[Finding]:
    """Compare the source of each argument with the parameter that receives it."""
    from .hints import contradictions, without_items  # only graphs need this import

    reported = set[Any]()
    for one in contradictions(definition):
        # Calls in a loop repeat the same contradiction at one line.
        again = (one.source.key, one.node.step, one.taken.name, one.node.place)
        if again not in reported:
            reported.add(again)
            yield _finding(one)
    yield from map(_finding, without_items(definition))


def _finding(one: Contradiction | NoItems) -> Finding:
    given = one.source.given is not None
    return Finding(
        "annotations",
        one.message,
        one.node.place,
        "correct the annotation, or pass a value that fits it"
        if given
        else "correct one of the two annotations, or convert in a step",
        severity="warning",
    )
