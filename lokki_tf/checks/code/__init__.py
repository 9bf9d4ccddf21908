"""Checks of steps' own code that behaves differently in AWS.

``reading`` finds the names that a step's code uses, ``differences`` has rules for names that depend
on the computer or the process, ``files`` follows literal paths, ``shared`` finds state that steps
share, ``runtimes`` compares versions, and ``decorators`` checks decorators above ``@step``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import decorators, differences, files, runtimes, shared
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
    return [*found, *files.check_shared(codes), *shared.check(codes)]


__all__ = ["check_code"]
