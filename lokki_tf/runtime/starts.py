"""Pipelines that another pipeline starts, and the function that moves their values.

A state starts the other pipeline and waits for its end. The function of this module is called
before it, for the parameters, and after it, for the result or the error. Its events have the fields
of a step's event (:mod:`.handler`), and::

    {"starts": "parameters", "pipeline": "prices", "kwargs": {…}}
    {"starts": "result", "pipeline": "prices", "output": {…}, "trusted": "s3://bucket"}
    {"starts": "error", "pipeline": "prices", "failed": {"Error": …, "Cause": …},
     "redrives": 0, "now": 0}

- ``kwargs``: the parameters, which the function returns as JSON;
- ``output``: the output of the other pipeline, with an envelope for each of its last steps;
- ``trusted``: where its values may be read from; without it, only inline JSON is accepted;
- ``takes`` and ``update``: of a routed pipeline, whose event also has the fields that
  :mod:`.routed` describes: the parameters, each with the name of the value in the state, and the
  name of the result there; ``next`` is the next step;
- ``{"starts": "given", "takes": {…}, "defaults": {…}, "room": 64000}`` makes the parameters of a
  pipeline that is included in a routed one: their envelopes, from the state and the defaults; and
  the input of the execution under the name in ``around``, if it is there, with the number of
  steps before under ``taken``.
  ``{"starts": "added", "output": {…}, "ends": […]}`` adds its result to the state;
- ``failed``: what Step Functions reports of the failed execution, which is raised as
  :class:`.failure.PipelineFailed`, unless the execution of this pipeline was redriven since.
"""

from __future__ import annotations

import json

from .arguments import shared_part
from .envelope import form_of, pack, unpack
from .failure import Failure, PipelineFailed
from .handler import keep_object, result_envelope
from .started import (
    TOO_LARGE,
    ClassRefused,
    NoClasses,
    combined,
    failed_text,
    input_of,
    last_results,
    not_in_state,
    not_json,
    result_of,
    taken,
    too_large_together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .envelope import Envelope


def handle(event: dict[str, Any], context: Any = None) -> Any:
    """Do what the event describes, see the top of this module.

    Args:
        event: As described there.
        context: Lambda's context.

    Raises:
        TypeError: If a parameter, or the result, is not JSON.
        ValueError: If they are too large, or the result cannot be received.
        PipelineFailed: If the event describes that the pipeline has failed.
    """
    if event["starts"] == "given":
        return _given(event)
    if event["starts"] == "added":
        return _added(event)
    if event["starts"] == "parameters":
        return _routed_parameters(event) if "takes" in event else _parameters(event)
    if event["starts"] == "result":
        return _routed_result(event) if "next" in event else _result(event)
    if event["now"] == event["redrives"]:
        failed = event["failed"]
        if failed["Error"] == TOO_LARGE:
            raise too_large_together(event["pipeline"])
        raise PipelineFailed(failed_text(event["pipeline"], failed["Error"], failed.get("Cause")))
    return None


def _parameters(event: dict[str, Any]) -> dict[str, Any]:
    known, objects, _ = shared_part(event)
    names, keys = [*event.get("kwargs", {})], [*event.get("wholes", {})]
    classes = NoClasses()

    def read(envelope: Envelope, wholes: Any = None) -> Any:
        return unpack(envelope, objects.__getitem__, classes, wholes)

    wholes, values = _Wholes(), {}
    for key, one in zip(keys, known[len(names) :]):
        try:
            whole = read(one)
        except ClassRefused:
            continue
        if not isinstance(whole, Failure):
            wholes[key] = whole
    for name, one in zip(names, known):
        try:
            values[name] = read(one, wholes)
        except ClassRefused:
            raise not_json(event["pipeline"], name) from None
    return input_of(event["pipeline"], values)


class _Wholes(dict):  # type: ignore[type-arg]  # runs on Python 3.9
    def __missing__(self, key: str) -> Any:
        raise ClassRefused(key)


def _routed_parameters(event: dict[str, Any]) -> dict[str, Any]:
    from . import store
    from .routed import envelopes_of
    from .routes import TooManySteps, too_many

    limit, pipeline = event["route"]["limit"], event["pipeline"]
    if event.get("taken", 0) >= limit:
        raise TooManySteps(too_many(limit, event["node"]))
    values = {}
    for name, one in taken(pipeline, event["takes"], envelopes_of(event)).items():
        try:
            values[name] = unpack(one, store.opened, NoClasses())
        except ClassRefused:
            raise not_json(pipeline, name) from None
    return input_of(pipeline, values)


def _routed_result(event: dict[str, Any]) -> dict[str, Any]:
    """Return the next step and its state, of which other values are not read."""
    from .routed import envelopes_of

    each, update = envelopes_of(event), event["update"]
    value = result_of(event["pipeline"], event["output"])  # refused also where it is not used
    if update is not None:
        each = _updated(event, each, update, {"value": value})
    return _moved(event, each)


def _updated(
    event: dict[str, Any], each: Mapping[str, Envelope], update: str, result: Envelope
) -> dict[str, Envelope]:
    """Return the envelopes of the state with a result, inline if there is room."""
    from functools import partial

    from .routed import FRAME

    others = ((name, one) for name, one in each.items() if name != update and "value" in one)
    taken_up = sum(len(json.dumps(one["value"])) + len(name) + FRAME for name, one in others)
    if "value" in result:
        room = max(0, event["inline"] - taken_up)
        result = pack(result["value"], room, partial(keep_object, event))
    return {**each, update: result}


def _moved(event: dict[str, Any], each: dict[str, Envelope]) -> dict[str, Any]:
    """Return the next step and its state, or the state as the result of the run."""
    from functools import partial

    from .routed import whole_state

    write = partial(keep_object, event)
    if event["next"] is not None:
        state = whole_state(each, write)
        return {"next": event["next"], "state": state, "taken": event.get("taken", 0) + 1}
    items = {str(index): one for index, one in enumerate(each.values())}
    whole = {"make": "dict", "keys": {"value": [*each]}, "items": items}
    if "returns" not in event:
        return {"next": None, "result": {event["node"]: whole}}
    if len(json.dumps(whole)) > event["returns"]["inline"]:
        whole = {"at": keep_object(event, "json", json.dumps(whole).encode())}
    return {"next": None, "result": whole}


def _given(event: dict[str, Any]) -> dict[str, Any]:
    """Return the state, and the parameters of an included pipeline."""
    from functools import partial

    from . import store
    from .names import TAKEN
    from .parameters import json_bytes
    from .routed import FAILURE, envelopes_of, whole_state
    from .routes import TooManySteps, too_many

    if event.get("taken", 0) >= event["route"]["limit"]:
        raise TooManySteps(too_many(event["route"]["limit"], event["node"]))
    each, write = envelopes_of(event), partial(keep_object, event)
    known = {**each, **({FAILURE: event["failure"]} if "failure" in event else {})}
    given = dict(event["defaults"])
    for name, source in event["takes"].items():
        if source in known:
            given[name] = known[source]
        elif name not in given:
            raise not_in_state(source, name[len(event["node"]) + 1 :], event["pipeline"])
    rest: dict[str, Any] = {}
    if "around" in event:  # for contexts, and cards of them
        rest = {event["around"]: event["input"], TAKEN: event.get("taken", 0)}
    sizes = {name: json_bytes(one) for name, one in given.items()}
    left = event["room"] - json_bytes(rest) - sum(sizes.values())
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if left >= 0:
            break
        # The envelope itself, which may have many references.
        text = json.dumps(given[name]).encode()
        given[name] = {"at": store.keep(store.folder_of(event), "envelope.json", text)}
        left += sizes[name] - json_bytes(given[name])
    state = event["state"] if "state" in event else whole_state(each, write)
    return {"state": state, "taken": event.get("taken", 0), "given": {**rest, **given}}


def _added(event: dict[str, Any]) -> dict[str, Any]:
    """Return the next step and the state with the result of an included pipeline."""
    from . import maps, store
    from .routed import envelopes_of

    ends = [
        maps.expanded(_alone(event["output"][name]), store.read, store.read_all)
        for name in event["ends"]
    ]
    result: Envelope = {"value": None}
    if len(ends) == 1:
        result = ends[0]
    elif ends:
        items = {str(index): one for index, one in enumerate(ends)}
        result = {"make": "tuple", "items": items}
    return _moved(event, _updated(event, envelopes_of(event), event["update"], result))


def _alone(envelope: Envelope) -> Envelope:
    """Return an envelope without what only maps and waits read."""
    if "make" in envelope or "value" not in envelope:
        return envelope
    return {"value": envelope["value"]}


def _result(event: dict[str, Any]) -> Envelope:
    pipeline, output = event["pipeline"], event["output"]
    if "trusted" not in event:
        return result_envelope(result_of(pipeline, output), event, skipped=False)
    from . import store

    def read(uri: str) -> bytes:
        return store.read(uri, event["trusted"])

    known = last_results(pipeline, output, read)
    try:
        values = {name: unpack(one, read, NoClasses()) for name, one in known.items()}
    except ClassRefused:
        return _copied(event, known, read)
    return result_envelope(combined(output, values), event, skipped=False)


def _copied(
    event: dict[str, Any], known: Mapping[str, Envelope], read: Callable[[str], bytes]
) -> Envelope:
    """Return an envelope with copies of objects, which this function cannot unpickle."""
    if "items" in event or "parts" in event:
        raise ValueError(
            f"the result of pipeline {event['pipeline']!r} is mapped, and contains objects: let a "
            "step take the result and return the list"
        )

    def copied(one: Envelope) -> Envelope:
        if "make" in one:
            return {**one, "items": {key: copied(item) for key, item in one["items"].items()}}
        if "ref" not in one:
            return one
        return {"ref": keep_object(event, form_of(one["ref"]), read(one["ref"]))}

    items = {str(index): copied(one) for index, one in enumerate(known.values())}
    whole = items["0"]
    if len(event["output"]) > 1:
        whole = {"make": "dict", "keys": {"value": [*known]}, "items": items}
    if len(json.dumps(whole)) > event["inline"]:
        raise ValueError(
            f"the result of pipeline {event['pipeline']!r} consists of too many objects: let its "
            "last step combine them"
        )
    return whole
