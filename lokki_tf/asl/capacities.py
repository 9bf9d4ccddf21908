"""States that contain several results, and the bytes that they have for them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from lokki_tf.model import Map, Output, Wait, whole
from lokki_tf.model.retries import DEATHS, TIMEOUTS, lists_all
from lokki_tf.runtime.routes import LARGEST

from . import quotas
from .literals import REF_BYTES
from .payloads import Payloads, count_refs, references_in, with_paths
from .quotas import CAUSE_BYTES
from .references import Reference
from .scopes import Fork, Loop, Scope, handed_out
from .sizes import Capacity, parameter_bytes
from .walks import EVENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lokki_tf.model.retries import ErrorType

_RESULT_OVERHEAD = 2_048  # lambda:invoke's additions to the payload: status, headers
_MARGIN = 1_024  # names, braces and commas that Step Functions may write differently
_ITEM_OVERHEAD = 400  # index, item path and run of an item
SHORT_CAUSE_BYTES = 10_000  # the same of an error that the runtime reports, see runtime.failure
ROOM = quotas.STATE_BYTES - _MARGIN
BATCH_BYTES = ROOM // 2  # bytes of a batch's items; AWS makes batches smaller to stay below it


def item_of(name: str) -> str:
    """Return the name of a map's item among the results that share a state."""
    return f"item of {name}"


def capacities(
    root: Scope, payloads: Payloads, most_output: int | None = None
) -> tuple[list[Capacity], int]:
    """Return the states that limit the sizes of results, and the limit of the parameters.

    Args:
        root: The state machine's scope.
        payloads: Payloads of its tasks and maps.
        most_output: Bytes of the output, unless it has those of a state.

    Returns:
        The capacities, with room for the results in addition to the parameters; and the most bytes
        that an execution's input may have, as compact JSON.
    """
    reserved = failure_bytes(payloads)
    made = _capacities(root, payloads)
    if most_output is not None:
        made.append(_together("its output", _ends(root, payloads), 1, most_output))
    found = [_without_failures(one, reserved, payloads) for one in made]
    most = parameter_bytes(found)
    return [replace(one, size=one.size - most * one.takes_parameters) for one in found], most


def failure_bytes(payloads: Payloads) -> dict[str, int]:
    """Return the bytes of the failure that may be in place of each caught node's result.

    Args:
        payloads: Payloads of tasks and maps.
    """
    nodes = (node for node in payloads.definition.graph.walk() if node.catch)
    return {  # who refuses a step writes any text
        node.name: CAUSE_BYTES if node.step.options.callback else _longest_failure(node.catch)
        for node in nodes
    }


def _longest_failure(catch: tuple[ErrorType, ...]) -> int:
    known = (*TIMEOUTS, *DEATHS)  # AWS's own texts about these are short
    reported = all(isinstance(one, type) or one in known for one in catch)
    return SHORT_CAUSE_BYTES if reported and not lists_all(catch) else CAUSE_BYTES


def _without_failures(one: Capacity, reserved: Mapping[str, int], payloads: Payloads) -> Capacity:
    """Return a capacity without the bytes for failures: one for a whole batch of items."""
    size = one.size
    for name, count in one.results.items():
        if name in reserved:
            size -= reserved[name] * ceil(count / payloads.batch_of(name))
    return one if size == one.size else replace(one, size=size, failures=one.size - size)


def _ends(root: Scope, payloads: Payloads) -> list[str]:
    return _makers(payloads)(root.exports)


def _makers(payloads: Payloads) -> Callable[[Iterable[str]], list[str]]:
    """Return the function that returns the nodes which make results; a wait's is another node's."""
    waits = {
        one.name: one.value.node
        for one in payloads.definition.graph.every()
        if isinstance(one, Wait) and one.value is not None
    }
    return lambda names: [waits.get(name, name) for name in names]


def _capacities(root: Scope, payloads: Payloads) -> list[Capacity]:
    maps = {scope.of.name: scope.of for scope in root.walk() if scope.of}
    of_nodes = _makers(payloads)
    found: list[Capacity] = []
    stored: Counter[str] = Counter()
    for scope in root.walk():
        batch = scope.map.options.batch_size if scope.map else 1
        for part in scope.parts:
            if isinstance(part, Loop):
                found += _of_map(part.map, payloads, maps)
            elif not isinstance(part, Fork):
                if part not in payloads.of_tasks:
                    continue  # a wait
                found += _of_task(part, payloads, maps, batch, _layouts(part, maps))
            else:
                what = f"the output of the branches {title(part)!r}"
                found.append(_together(what, of_nodes(part.paths), batch))
        stored.update(of_nodes(scope.variables) * batch)
        what = "the pipeline's output" if scope.outer is None else "the output of a branch"
        found.append(_together(what, of_nodes(scope.exports), batch))
    total = quotas.ALL_VARIABLES_BYTES - _MARGIN
    return [*found, Capacity("the variables of an execution", total, stored)]


def _of_task(
    name: str, payloads: Payloads, maps: Mapping[str, Map], batch: int, inline: Counter[str]
) -> Iterator[Capacity]:
    payload = payloads.of_tasks[name]
    skeleton = len(json.dumps(with_paths(payload, lambda _: "$v")))
    skeleton += count_refs(payload) * REF_BYTES
    skeleton += BATCH_BYTES if batch > 1 else _ITEM_OVERHEAD
    taken: Counter[str] = Counter()
    own = payloads.home[name]
    for reference in references_in(payload):
        if batch > 1 and reference.is_item and reference.home == own:
            continue  # the items of a batch have one limit together
        taken[_name_of(reference, maps)] += batch if reference.home == own else 1
    given = name in payloads.given
    skeleton += payloads.walks.get(name, 0)
    yield Capacity(f"the input of {name!r}", ROOM - skeleton, taken, given)
    if name in payloads.walks and "context" in payload:
        what = f"the input of the steps of {name!r}"
        yield Capacity(what, ROOM - EVENT_BYTES - LARGEST, Counter(), given)
    result = Counter({name: batch}) + inline
    yield Capacity(f"the result of {name!r}", ROOM - _RESULT_OVERHEAD, result)


def _of_map(one: Map, payloads: Payloads, maps: Mapping[str, Map]) -> Iterator[Capacity]:
    """Add the input of one execution of the body."""
    taken = Counter(_name_of(reference, maps) for reference in payloads.captured[one.name])
    taken[_name_of(Reference(one.name, True, one.name), maps)] += 1
    room = (BATCH_BYTES if one.options.batch_size > 1 else ROOM) - _ITEM_OVERHEAD
    if (payloads.jobs | payloads.starts) & {node.name for node in one.body.nodes}:
        room -= CAUSE_BYTES
    given = one.name in payloads.given
    yield Capacity(f"the input of the items of {one.name!r}", room, taken, given)
    if one.options.mode == "inline":
        yield Capacity(f"the results of {one.name!r}", ROOM, Counter((one.name,)))


def _name_of(reference: Reference, maps: Mapping[str, Map]) -> str:
    """Add the capacity of an inline map: its items and its results share it."""
    if not reference.is_item:
        return reference.name
    inline = maps[reference.name].options.mode == "inline"
    return reference.name if inline else item_of(reference.name)


def _layouts(name: str, maps: Mapping[str, Map]) -> Counter[str]:
    """Return the arrays for inline maps in a node's result."""
    return Counter(
        one.name
        for one in maps.values()
        if whole(one.source) == Output(name) and one.options.mode == "inline"
    )


def _together(what: str, results: Iterable[str], batch: int, room: int = ROOM) -> Capacity:
    names = list(results)
    keys = sum(len(name) + 8 for name in names)
    counted: Counter[str] = Counter()
    for name in names:
        counted[name] += batch
    return Capacity(what, room - keys, counted)


def title(fork: Fork) -> str:
    """Return the title of a Parallel state: the first nodes of its branches."""
    firsts = [_first(branch) for branch in fork.branches]
    if len(firsts) == 2:
        return " and ".join(firsts)
    return f"{firsts[0]} and {len(firsts) - 1} more"


def _first(scope: Scope) -> str:
    part = scope.parts[0]
    return _first(part.branches[0]) if isinstance(part, Fork) else next(iter(handed_out(part)[1]))
