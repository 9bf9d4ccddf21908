"""A call of a step of a routed pipeline: from the state to the changed state.

In addition to the fields in :mod:`.handler`, the event contains::

    {"route": {"next_key": "$next", "default": "drink", "targets": ["drink", "dip"],
               "ends": true, "limit": 25, "asks": true, "most": 245760, "waits": true},
     "state": {"each": {"choice": envelope, …}}, "taken": 2, "input": {…}}

``state`` and ``taken``, the number of steps before this one, are left out for the first step of a
run, whose state is ``input``, the execution's own. After an error of the first step, the state is
``{"given": {…}}``, that input. After any error, ``failure`` is its envelope, in the event of a step
that takes it. The result is::

    {"next": "drink", "state": {…}, "taken": 3}

with ``"after": 30``, the seconds before the next step, if the event has ``waits``; or, if the
pipeline ends, ``{"next": null, "result": {"<step>": envelope}}``. A state with too many envelopes
for a state machine's state is ``{"all": {"ref": …}}``.

The event of a step that is answered from outside has a ``token`` in its ``context``; its result is
not used. A second call of the same function, with the ``answer`` in its event, adds that to the
state under the step's name, and returns what the step of another kind returns. An answer with which
the pipeline ends is the result; the state is returned beside it, for the cleanup step.

A routed pipeline that is a node of a graph has the node's arguments instead of an input, in
``call``: the fields of a step's event with which :mod:`.handler` reads arguments. They are in the
event of the first step, and of each that asks for the input; after an error of the first step, the
state is ``{"call": {…}}``. The event of a step with which the pipeline may end has in ``returns``
the fields that describe the result, ``inline`` for example; ``result`` is then the node's envelope.
``name`` in ``route`` is the step's name in the state, where an answer is added.

The event of a cleanup step contains instead the names of its parameters, each with whether it is
required, the latest result of a step, and the execution's input::

    {"cleanup": {"lock": true, "rows": false}, "last": {"state": {…}}, "input": {…}}

Before the first result, ``last`` is ``{"state": {"given": <input>}}``. Arguments are looked up in
the state and then in the input; required ones that are in neither are ``None``.
"""

from __future__ import annotations

import json

from .arguments import arguments_of
from .call import call
from .envelope import (
    JSON,
    compress,
    freeze,
    is_digest_of,
    json_text,
    name_and_form,
    references,
    thaw,
    unpack,
)
from .parameters import own, refuse_large, refuse_strangers, without_reserved
from .routes import LARGEST, TooManySteps, moved, refuse_stranger, seconds_before, too_many

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .envelope import Envelope, Frozen

    Envelopes = dict[str, Envelope]

ORIGINAL = "_original_input"  # the parameter of a step that receives the execution's input
FAILURE = "failure"  # the parameter of a step that receives the failure before it
FRAME = len('"": {"value": }, ')  # the characters of an entry without its name and value


def routed(
    function: Callable[..., Any],
    event: dict[str, Any],
    write: Callable[[str, Frozen], str],
    of_node: Callable[[Any, dict[str, Any]], Envelope],
) -> dict[str, Any]:
    """Call the function with the state, and return its next step.

    Args:
        function: The step's function.
        event: As described at the top of this module.
        write: As of :func:`.envelope.pack`.
        of_node: Returns the envelope of the result of a pipeline that is a node.

    Raises:
        TooManySteps: If the run has reached its limit of steps.
        ValueError: If the function returns a step that is not among its targets.
        Exception: The error of the function.
    """
    route, step, taken = event["route"], event["node"], event.get("taken", 0)
    if taken >= route["limit"]:
        raise TooManySteps(too_many(route["limit"], step))
    envelopes, values = _state(event)
    given = dict(values)
    if route.get("asks"):
        given[ORIGINAL] = _input(event)
    if "failure" in event:
        from .failure import received

        given[FAILURE] = received(event["failure"])
    returned = call(function, (), given)
    if "token" in event.get("context", ()):
        return {}
    following, state = moved(returned, values, route["next_key"], route["default"], step)
    seconds = seconds_before(returned)
    refuse_stranger(step, following, route["targets"], route["ends"], seconds)
    if following is None:
        return {"next": None, "result": _result(step, state, event, write, of_node)}
    kept = {name: one for name, one in envelopes.items() if state.get(name) is values[name]}
    each = _packed(state, kept, event["inline"], write)
    result = {"next": following, "state": whole_state(each, write), "taken": taken + 1}
    return {**result, "after": seconds} if route.get("waits") else result


def answered(
    event: dict[str, Any],
    write: Callable[[str, Frozen], str],
    of_node: Callable[[Any, dict[str, Any]], Envelope],
) -> dict[str, Any]:
    """Add the answer to a step to the state, and return the next step.

    Args:
        event: As described at the top of this module.
        write: As of :func:`.envelope.pack`.
        of_node: As of :func:`routed`.
    """
    step, following = event["route"].get("name", event["node"]), event["route"]["targets"]
    if not following and "returns" in event:
        return {"next": None, "result": _result(step, event["answer"], event, write, of_node)}
    answer = _packed({step: event["answer"]}, {}, event["inline"], write)
    state = whole_state({**envelopes_of(event), **answer}, write)
    if not following:
        return {"next": None, "result": answer, "state": state}
    return {"next": following[0], "state": state, "taken": event.get("taken", 0) + 1}


def cleaned(function: Callable[..., Any], event: dict[str, Any]) -> Envelope:
    """Call a cleanup step with the latest state; its result is not used.

    Args:
        function: The step's function.
        event: As described at the top of this module.

    Raises:
        Exception: The error of the function.
    """
    last, given = event["last"], event.get("input")
    known = without_reserved(given) if isinstance(given, dict) else {}
    if "state" in last:
        known.update({} if "given" in last["state"] else _state(last)[1])
    elif last.get("result"):
        (ended,) = last["result"].values()
        known.update(_unpacked({"": ended})[""])
    arguments = {
        name: known.get(name)
        for name, required in event["cleanup"].items()
        if required or name in known
    }
    call(function, (), arguments)
    return {"value": None}


def _result(
    step: str,
    value: Any,
    event: dict[str, Any],
    write: Callable[[str, Frozen], str],
    of_node: Callable[[Any, dict[str, Any]], Envelope],
) -> Envelope:
    """Return the envelope of the result under the step's name; of a node, the node's envelope."""
    if "returns" not in event:
        return _packed({step: value}, {}, event["inline"], write)
    return of_node(value, {**event, **event["returns"]})


def _input(event: dict[str, Any]) -> dict[str, Any]:
    if "call" not in event:
        return own(without_reserved(event["input"]))  # type: ignore[no-any-return]  # a dict
    return arguments_of({**event, **event["call"]})


def _called(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the arguments of a node that are the state; ``None`` if it has another one."""
    call = event["state"].get("call") if "state" in event else event.get("call")
    if call is None:
        return None
    return arguments_of({**event, **call})


def _state(event: dict[str, Any]) -> tuple[Envelopes, dict[str, Any]]:
    """Return the state's envelopes, and their values."""
    called = _called(event)
    if called is not None:
        return {}, called
    envelopes = envelopes_of(event)
    return envelopes, _unpacked(envelopes)


def envelopes_of(event: dict[str, Any]) -> Envelopes:
    """Return the envelopes of the state by name.

    Args:
        event: As described at the top of this module.

    Raises:
        TypeError: If the execution's input is not an object.
        ValueError: If it is too large, or has a name that is unknown.
    """
    from functools import partial

    from . import store

    called = _called(event)
    if called is not None:
        return _packed(called, {}, event["inline"], partial(store.keep, store.folder_of(event)))
    if "state" not in event:
        given = event["input"]
        if not isinstance(given, dict):
            raise TypeError("the execution's input must be an object with arguments by name")
        refuse_large(given, event["route"].get("most"))
        if "flow" in event:
            refuse_strangers(given, event["flow"])
        return _inline(given)
    if "given" in event["state"]:
        return _inline(event["state"]["given"])
    envelopes: Envelopes = event["state"].get("each", {})
    if "all" in event["state"]:
        envelopes = thaw(JSON, store.read(event["state"]["all"]["ref"]))
    return envelopes


def _inline(given: Mapping[str, Any]) -> Envelopes:
    return {name: {"value": value} for name, value in without_reserved(given).items()}


def _unpacked(envelopes: Envelopes) -> dict[str, Any]:
    from . import store

    uris = [uri for one in envelopes.values() for uri in references(one)]
    objects = store.open_all(uris) if uris else {}
    return {name: unpack(one, objects.__getitem__) for name, one in envelopes.items()}


def _packed(
    state: Mapping[str, Any],
    kept: Envelopes,
    room: int,
    write: Callable[[str, Frozen], str],
) -> Envelopes:
    """Return envelopes of the state's values: inline as long as they fit, the smallest first.

    A value that a step passes unchanged keeps its object, unless it was modified in place.
    """
    packed: Envelopes = {}
    inline: dict[str, int] = {}
    for name, value in state.items():
        text = json_text(value)
        uri = kept[name].get("ref") if name in kept else None
        if text is not None and uri is None:
            packed[name], inline[name] = {"value": value}, len(text) + len(name) + FRAME
        else:
            packed[name] = _stored(value, uri, write)
    total = sum(inline.values())
    for name in sorted(inline, key=inline.__getitem__, reverse=True):
        if total <= room:
            break
        total -= inline[name]
        packed[name] = _stored(state[name], None, write)
    return packed


def _stored(
    value: Any,
    uri: str | None,
    write: Callable[[str, Frozen], str],
) -> Envelope:
    form, data = freeze(value)
    if uri is not None:
        name, ending = name_and_form(uri)
        if ending == form and is_digest_of(name, form, data):
            return {"ref": uri}
    return {"ref": write(form, data)}


def whole_state(each: Envelopes, write: Callable[[str, Frozen], str]) -> dict[str, Any]:
    """Return the state as the next event has it.

    Args:
        each: The envelopes, by name.
        write: As of :func:`.envelope.pack`.
    """
    text = json.dumps(each)
    if len(text) <= LARGEST:
        return {"each": each}
    return {"all": {"ref": write(JSON, compress(text.encode()))}}
