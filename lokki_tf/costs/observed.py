"""Assumptions that follow from what real runs have used."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .estimate import Assumptions, scopes_of, step_of, steps_by_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.model import Step
    from lokki_tf.terraform.plan import StackPlan

    from .walk import Scope


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs have used.

    Args:
        runs: How many runs.
        calls: Calls of all runs, by step.
        seconds: Billed seconds of all runs, by step.
        items: Mean number of items of each map, by its name.
        used_mb: The most memory that a call has used, in MB, by step, where it is known.
    """

    runs: int
    calls: Mapping[str, float]
    seconds: Mapping[str, float]
    items: Mapping[str, float] = field(default_factory=dict)
    used_mb: Mapping[str, float] = field(default_factory=dict)


def assumptions_of(plan: StackPlan, observed: Observed, assumed: Assumptions) -> Assumptions:
    """Return assumptions with which the estimate has the calls and durations of real runs.

    Args:
        plan: The stack plan of the pipeline.
        observed: What the runs have used.
        assumed: What the user has given, which has precedence.
    """
    steps = steps_by_placeholder(plan)
    seen = {name: number / observed.runs for name, number in observed.calls.items()}
    made = replace(assumed, items={**observed.items, **assumed.items})
    # The history counts the items of outer maps; those of inner ones follow from their calls.
    for scope in scopes_of(plan, replace(made, calls={})):
        called = next((one for one, _ in _calls(scope, steps)), None)
        if scope.map and scope.map not in made.items and called is not None:
            ratio = seen.get(called, 0.0) / scope.children
            made = replace(made, items={**made.items, scope.map: made.items_of(scope.map) * ratio})
    expected: defaultdict[str, float] = defaultdict(float)
    items: dict[str, float] = {}
    for scope in scopes_of(plan, replace(made, calls={})):
        for name, often in _calls(scope, steps):
            expected[name] += often
            items[name] = scope.items
    calls = {name: seen.get(name, 0.0) / often for name, often in expected.items() if often}
    seconds = {
        name: observed.seconds.get(name, 0.0) / number / items.get(name, 1.0)
        for name, number in observed.calls.items()
        if number and name in expected
    }
    return replace(
        made,
        calls={**calls, **assumed.calls},
        seconds={**seconds, **assumed.seconds},
        observed=observed.runs,
        used_mb=observed.used_mb,
    )


def _calls(scope: Scope, steps: Mapping[str, Step]) -> Iterator[tuple[str, float]]:
    """Yield the steps that a scope calls, with the number of calls, the first one first."""
    for name, often in scope.entered.items():
        step = step_of(scope.states[name], steps)
        if step is not None:
            yield step.name, often
