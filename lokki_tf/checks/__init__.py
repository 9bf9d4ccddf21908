"""Checks: one rule a file. A rule looks at a definition and gives findings.

:data:`RULES` are cheap and look at a pipeline as soon as it is written; what needs the
compiled machine or the cut source is found where those are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import (
    batch,
    lambda_limits,
    names,
    policies,
    requirements,
    retry,
    roles,
    runtimes,
    schedule,
    tags,
    ways,
)
from .annotations import check as check_annotations
from .machine import check_machine

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Finding

Rule = Callable[["Definition"], Iterator["Finding"]]

RULES: tuple[Rule, ...] = (
    names.check,
    runtimes.check,
    lambda_limits.check,
    batch.check,
    policies.check,
    roles.check,
    requirements.check,
    retry.check,
    schedule.check,
    tags.check,
    ways.check,
    check_annotations,
)


def check_definition(definition: Definition) -> list[Finding]:
    """What all rules find, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(definition)]


__all__ = ["RULES", "check_definition", "check_machine"]
