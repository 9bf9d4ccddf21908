"""Maps: parameters that limit how many items run at once, and maps inside of maps.

Source: Step Functions Developer Guide, "Service quotas": an account has at most 1,000 open Map Runs
in a region, which cannot be raised; further ones wait until another has ended. At most 10,000
executions of a Map Run run at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.errors import OptionError
from lokki_tf.model import REQUIRED, Finding, Map

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.model import Definition, FlowParameter, Graph

MOST_AT_ONCE, OPEN_MAP_RUNS = 10_000, 1_000


def check(definition: Definition) -> Iterator[Finding]:
    """Check the parameters that limit maps, and how many Map Runs can be open at once."""
    parameters = {one.name: one for one in definition.parameters}
    for one in definition.graph.every():
        if isinstance(one, Map) and one.limit is not None:
            yield from _of_limit(one, parameters[one.limit.name])
    yield from _of_nested(definition.graph, (), parameters)


def _of_limit(one: Map, parameter: FlowParameter) -> Iterator[Finding]:
    kind, default = parameter.kind, parameter.default
    allowed = f"a whole number from 0, for no limit, to {MOST_AT_ONCE:,}"
    if kind is not int:
        problem = f"is of {kind.__name__}, but must be of type int"
    elif default is not REQUIRED and (default is None or not 0 <= default <= MOST_AT_ONCE):
        problem = f"has the default {default!r}, but must be {allowed}"
    else:
        return
    yield Finding(
        "concurrency-limit",
        f"parameter {parameter.name!r} is the concurrency_limit of a map and {problem}",
        one.place,
        f'write Parameter("{parameter.name}", int, default=10), or "{parameter.name}: int = 10" '
        "in a flow",
        error=OptionError,
    )


def _of_nested(
    graph: Graph, around: tuple[Map, ...], parameters: Mapping[str, FlowParameter]
) -> Iterator[Finding]:
    """Yield a warning for each map whose runs, with those of the maps around it, are too many.

    A run of an outer map stays open while its items wait for inner ones to begin. If maps are
    nested three deep, runs of the middle one can use the whole quota, and wait forever.
    """
    for one in graph.nodes:
        if not isinstance(one, Map):
            continue
        inside = (*around, one) if one.options.mode == "distributed" else around
        yield from _of_nested(one.body, inside, parameters)
        if inside is around or not around:
            continue
        runs, total = 1, 1
        for outer in around:
            runs *= _at_once(outer, parameters)
            total += runs
        if total > OPEN_MAP_RUNS:
            last = "forever" if len(around) > 1 else "until others have ended"
            yield Finding(
                "map-runs",
                f"the map is inside of another, so up to {total:,} Map Runs can be open at once; "
                f"AWS allows {OPEN_MAP_RUNS:,} in an account, and lets the others, of other "
                f"pipelines too, wait {last}",
                one.place,
                'write mode="inline" for this map if its lists are small, or a concurrency_limit= '
                f"for the map at {around[-1].place}",
                severity="warning",
            )


def _at_once(one: Map, parameters: Mapping[str, FlowParameter]) -> int:
    """Return how many items of a map can run at once; 1 if only a run knows it."""
    if one.limit is None:
        return one.options.concurrency_limit or MOST_AT_ONCE
    default = parameters[one.limit.name].default
    return 1 if not isinstance(default, int) else default or MOST_AT_ONCE
