"""What an execution has done, for a local run that continues it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import AwsError
from lokki_tf.local.seeds import Seeds
from lokki_tf.model import Map
from lokki_tf.runtime.maps import results_by_index
from lokki_tf.runtime.store import split

from .outputs import RemoteOutputs, envelope_of, manifest_of
from .results import readable_here
from .visits import up

if TYPE_CHECKING:
    from lokki_tf.runtime.envelope import Envelope

    from .execution import Execution
    from .visits import Visit

_AT_ONCE = 16  # results that are read at the same time
_ENDED = ("done", "skipped", "failed, caught")


def seeds_of(execution: Execution[Any]) -> Seeds:
    """Read everything that an execution has done.

    Args:
        execution: The execution.

    Raises:
        SerializationError: If a result cannot be read, or is a pickle and pickles are not allowed.
        AwsError: If AWS refuses or cannot be reached.
    """
    steps, parameters = execution.steps, execution.parameters
    if execution.history.tracker.definition.routes is not None:
        return Seeds(execution.name, parameters, visits=_visits(execution))
    items = {
        name: RemoteOutputs(
            {str(index): one for index, one in found.items()}, execution.reader, execution.name
        )
        for name, found in _items(execution).items()
    }
    return Seeds(
        execution.name,
        parameters,
        nodes=_read(execution.outputs),
        skipped={one.node for one in steps if one.status == "skipped"},
        items={
            name: {int(index): value for index, value in _read(one).items()}
            for name, one in items.items()
        },
        ended={one.node for one in steps if one.status in _ENDED},
    )


def _read(outputs: RemoteOutputs) -> dict[str, Any]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(outputs, pool.map(outputs.__getitem__, outputs), strict=True))


def _items(execution: Execution[Any]) -> dict[str, dict[int, Envelope]]:
    """Return the results of items of maps that are not inside of others."""
    tracker = execution.history.tracker
    maps = {one.name: one for one in tracker.definition.graph.nodes if isinstance(one, Map)}
    found: dict[str, dict[int, Envelope]] = {}
    for visit in tracker.done:
        around = up(visit.outer, kind="Map")
        if around is None or around.name not in maps or up(around.outer, kind="Map") is not None:
            continue
        envelope = envelope_of(visit)
        is_last = visit.name == maps[around.name].body.terminals[-1]
        if is_last and envelope is not None and visit.item is not None:
            found.setdefault(around.name, {})[visit.item] = envelope
    for visit in (*tracker.done, *tracker.open):
        if visit.map_run is not None and up(visit.outer, kind="Map") is None:
            found[visit.name] = _of_files(execution, visit)
    return found


def _of_files(execution: Execution[Any], visit: Visit) -> dict[int, Envelope]:
    """Return the results of a Distributed Map's items, from the files of its run."""
    reader, store = execution.reader, execution.deployed.store
    uri = manifest_of(visit, store, execution.name)
    assert uri is not None
    bucket, key = split(uri)
    with readable_here(f"the results of map {visit.name!r} of run {execution.name}"):
        try:
            return results_by_index({"Bucket": bucket, "Key": key}, reader.read, reader.read_all)
        except AwsError as error:
            if error.code != "NoSuchKey":
                raise
            return {}  # the map's run has not ended


def _visits(execution: Execution[Any]) -> list[tuple[str, tuple[str | None, dict[str, Any], int]]]:
    """Return the steps of a routed pipeline up to the first that failed, with what they led to."""
    tracker = execution.history.tracker
    cleanup = tracker.definition.cleanup
    done: list[tuple[str, Envelope]] = []
    for visit in tracker.done:
        envelope = envelope_of(visit)
        if envelope is None or "next" not in execution.reader.expanded(envelope):
            break
        if cleanup is None or visit.name != cleanup.name:
            done.append((visit.name, execution.reader.expanded(envelope)))
    named = {str(number): one for number, (_, one) in enumerate(done)}
    states = _read(RemoteOutputs(named, execution.reader, execution.name))
    return [
        (step, (one["next"], states[str(number)], one.get("after", 0)))
        for number, (step, one) in enumerate(done)
    ]
