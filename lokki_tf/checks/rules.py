"""The rules that run when a pipeline is made, which are fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lokki_tf.model import Definition, Graph

from . import (
    batch,
    callbacks,
    concurrency,
    datasets,
    express,
    lambda_limits,
    limits,
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

if TYPE_CHECKING:
    from lokki_tf.model import Finding

Rule = Callable[[Definition], Iterator["Finding"]]

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
    limits.check,
    waits.check,
    datasets.check,
    ways.check,
    parts.check,
)


def check_definition(definition: Definition) -> list[Finding]:
    """Return the findings of all rules, in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(_alone(definition))]
    for step in definition.inclusions:
        found += check_definition(definition.included(step))
    for node in definition.graph.routed:
        found += check_definition(node.routed)
    if definition.inclusions:
        found += names.check(definition)
    return list(dict.fromkeys(found))


def _alone(definition: Definition) -> Definition:
    """Return a routed pipeline without the nodes of included ones, which have own parameters."""
    return replace(definition, graph=Graph(())) if definition.inclusions else definition
