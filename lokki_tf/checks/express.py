"""Maps whose items are Express executions: what these cannot contain, and how long they take.

Source: Step Functions Developer Guide, "Choosing workflow type in Step Functions": an Express
execution ends after five minutes, waits neither for jobs nor for answers (the patterns ``.sync``
and ``.waitForTaskToken``), and has no Distributed Maps.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError, OptionError
from lokki_tf.model import Finding, Map, Node, Wait
from lokki_tf.model.durations import duration
from lokki_tf.model.retries import Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lokki_tf.model import AnyNode, Definition, Graph, Routes

RULE = "express"
LONGEST = 300
"""Seconds after which Step Functions ends an Express execution."""
_ANY = 10 * LONGEST
"""Seconds of something of which only a longest time is not known, or far too long."""
_REMEDY = 'remove execution_type="express" from the map'


def check(definition: Definition) -> Iterator[Finding]:
    """Check what maps with Express executions contain."""
    for one in _maps(definition):
        for node in one.body.every():
            yield from _of_node(node)
        least = _longest_path(one.body, _least_seconds)
        if least >= LONGEST and not any(_waits_too_long(node) for node in one.body.every()):
            yield Finding(
                RULE,
                f"the waits of each item take {duration(least)} together, and Step Functions ends "
                f"an Express execution after {duration(LONGEST)}",
                one.place,
                _REMEDY,
                error=LimitError,
            )


def fits(one: Map) -> bool:
    """Return whether the items of a map may be Express executions, as far as that is known.

    Args:
        one: The map.
    """
    return not any(True for node in one.body.every() for _ in _of_node(node))


def check_durations(definition: Definition) -> Iterator[Finding]:
    """Check whether items of such maps can take too long, with the settings' time limits.

    Whether one does is known only when it runs, so this is a warning: time limits and retries are
    upper bounds.
    """
    if any(check(definition)):
        return
    for one in _maps(definition):
        most = _longest_path(one.body, _most_seconds)
        if most >= LONGEST:
            shown = f"more than {duration(_ANY)}" if most >= _ANY else duration(most)
            yield Finding(
                RULE,
                f"an item can take {shown}, with the time limits, retries and waits of its steps, "
                f"and Step Functions ends an Express execution after {duration(LONGEST)}, which "
                "neither retry= nor catch= of its steps handles",
                one.place,
                f"write timeout_seconds= for its steps, in total less than {LONGEST}, or fewer "
                "retries",
                severity="warning",
            )


def _maps(definition: Definition) -> Iterator[Map]:
    for one in definition.graph.every():
        if isinstance(one, Map) and one.options.execution_type == "express":
            yield one


def _of_node(node: AnyNode) -> Iterator[Finding]:
    if isinstance(node, Map):
        if node.options.mode == "distributed":
            yield _finding(node, "a Distributed Map is", f'{_REMEDY}, or write mode="inline" here')
    elif _waits_too_long(node):
        what = f"wait of {node.label}" if isinstance(node, Wait) else _poll(node)
        yield Finding(
            RULE,
            f'a {what} is in a map with execution_type="express", and Step Functions ends an '
            f"Express execution after {duration(LONGEST)}",
            node.place,
            f"{_REMEDY}, or wait less",
            error=LimitError,
        )
    elif isinstance(node, Node) and node.routes is not None:
        for one in node.routes.routes:
            yield from _of_node(replace(node, step=one.step, retry=one.step.options.retry))
    elif isinstance(node, Node):
        step = node.step
        if step.is_job:
            yield _finding(node, f"step {step.name!r}, a job of AWS Batch, is")
        elif step.starts is not None:
            yield _finding(node, f"pipeline {step.starts.name!r} is started")
        elif step.options.callback:
            yield _finding(node, f"step {step.name!r} has callback=True")


def _finding(node: AnyNode, what: str, remedy: str = _REMEDY) -> Finding:
    return Finding(
        RULE,
        f'{what} in a map with execution_type="express": Express executions cannot wait for jobs, '
        "answers or other executions",
        node.place,
        remedy,
        error=OptionError,
    )


def _waits_too_long(node: AnyNode) -> bool:
    if isinstance(node, Wait):
        return (node.seconds or 0) >= LONGEST
    return isinstance(node, Node) and _polls_for(node) >= LONGEST


def _poll(node: Node) -> str:
    return f"poll of up to {duration(_polls_for(node))} (poll_timeout=) of step {node.step.name!r}"


def _polls_for(node: Node) -> int:
    return max((one.timeout for one in node.retry if isinstance(one, Poll)), default=0)


def _longest_path(graph: Graph, seconds: Callable[[AnyNode], int]) -> int:
    """Return the seconds of the longest path through a graph.

    Args:
        graph: The graph; each node is after those that it follows.
        seconds: Returns the seconds of a node.
    """
    ends: dict[str, int] = {}
    for node in graph.nodes:
        begin = max((ends[name] for name in node.predecessors), default=0)
        ends[node.name] = begin + seconds(node)
    return max(ends.values(), default=0)


def _least_seconds(node: AnyNode) -> int:
    if isinstance(node, Map):
        return 0  # it may have no items
    return (node.seconds or 0) if isinstance(node, Wait) else 0


def _most_seconds(node: AnyNode) -> int:
    if isinstance(node, Map):
        return _longest_path(node.body, _most_seconds)
    if isinstance(node, Wait):
        return _ANY if node.seconds is None else node.seconds
    if node.routes is not None:
        return _most_seconds_of(node, node.routes)
    limit, total = node.step.options.timeout_seconds, 0
    total += limit + _polls_for(node)
    for one in node.retry:
        for delay in () if isinstance(one, Poll) else one.delays():
            total += max(1, ceil(delay)) + limit
            if total >= _ANY:
                return _ANY
    return total


def _most_seconds_of(node: Node, routes: Routes) -> int:
    """Return the seconds of a routed pipeline whose steps all take as long as the longest one."""
    uses = (replace(node, step=one, retry=one.options.retry) for one in routes.steps)
    longest = max(map(_most_seconds, uses), default=0)
    waits = any(one.after for route in routes.routes for one in route.transitions)
    return _ANY if waits else min(_ANY, longest * _longest_walk(routes))


def _longest_walk(routes: Routes) -> int:
    """Return how many steps a run has at most."""
    if any(routes.repeats(one.name) for one in routes.routes):
        return routes.limit
    return min(routes.limit, len(routes.routes))
