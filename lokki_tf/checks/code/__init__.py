"""Checks of steps' own code: what behaves differently in AWS, and annotations.

``reading`` finds the names that a step's code uses, ``differences`` has rules for names that depend
on the computer or the process, ``files`` follows literal paths, ``shared`` finds state that steps
share, ``streams`` checks uses of what is read one after another, ``runtimes`` compares versions,
``decorators`` checks decorators above ``@step``, and :mod:`lokki_tf.checks.annotations` compares
annotations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..annotations import check as check_annotations
from . import decorators, differences, files, runtimes, shared, streams
from .reading import code_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Finding


def check_code(definition: Definition) -> list[Finding]:
    """Return the findings of all rules in the code of a pipeline's steps, in their order.

    Args:
        definition: A pipeline with its settings applied.
    """
    found: dict[Finding, None] = {}
    paths = files.arguments(definition)
    codes = {
        step: code_of(step.function, paths[step])
        for step in definition.steps
        if not step.is_condition
    }
    for step, code in codes.items():
        for rule in (decorators.check, differences.check, runtimes.check, files.check):
            found |= dict.fromkeys(rule(step, code))
    found |= dict.fromkeys([*files.check_shared(codes), *shared.check(codes)])
    found |= dict.fromkeys(streams.check(definition))
    return [*found, *check_annotations(definition)]


__all__ = ["check_code"]
