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
- ``failed``: what Step Functions reports of the failed execution, which is raised as
  :class:`.failure.PipelineFailed`, unless the execution of this pipeline was redriven since.
"""

from __future__ import annotations

import json

from .envelope import form_of, pack, unpack
from .failure import Failure, PipelineFailed
from .handler import keep_object, result_envelope, shared_part
from .started import (
    TOO_LARGE,
    ClassRefused,
    NoClasses,
    combined,
    failed_text,
    input_of,
    last_results,
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
    known, objects = shared_part(event)
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
    from functools import partial

    from .routed import FRAME, envelopes_of, whole_state

    write = partial(keep_object, event)
    each, update = envelopes_of(event), event["update"]
    value = result_of(event["pipeline"], event["output"])  # refused also where it is not used
    if update is not None:
        others = ((name, one) for name, one in each.items() if name != update and "value" in one)
        taken_up = sum(len(json.dumps(one["value"])) + len(name) + FRAME for name, one in others)
        each = {**each, update: pack(value, max(0, event["inline"] - taken_up), write)}
    if event["next"] is not None:
        state = whole_state(each, write)
        return {"next": event["next"], "state": state, "taken": event.get("taken", 0) + 1}
    items = {str(index): one for index, one in enumerate(each.values())}
    whole = {"make": "dict", "keys": {"value": [*each]}, "items": items}
    return {"next": None, "result": {event["node"]: whole}}


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
