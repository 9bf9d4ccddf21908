"""Checks, one module for each rule. A rule reads a definition and returns findings.

:data:`RULES` are fast and run when a pipeline is made. Rules that need the compiled state machine
or the steps' code (:mod:`.code`) run in ``check`` and ``synth``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import (
    batch,
    callbacks,
    concurrency,
    datasets,
    express,
    lambda_limits,
    maps,
    names,
    parts,
    policies,
    polls,
    requirements,
    retry,
    roles,
    runtimes,
    schedule,
    secrets,
    tags,
    triggers,
    waits,
    ways,
)
from .state_machine import check_state_machine

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Finding

Rule = Callable[["Definition"], Iterator["Finding"]]

RULES: tuple[Rule, ...] = (
    names.check,
    runtimes.check,
    lambda_limits.check,
    maps.check,
    batch.check,
    policies.check,
    roles.check,
    requirements.check,
    polls.check,
    callbacks.check,
    express.check,
    retry.check,
    retry.check_classes,
    schedule.check,
    triggers.check,
    secrets.check,
    tags.check,
    concurrency.check,
    waits.check,
    datasets.check,
    ways.check,
    parts.check,
)


def check_definition(definition: Definition) -> list[Finding]:
    """Return the findings of all rules, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(definition)]


__all__ = ["RULES", "check_definition", "check_state_machine"]
