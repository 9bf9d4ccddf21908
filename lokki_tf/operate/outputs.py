"""Results of the steps of a run, from its history and the pipeline's bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.quotas import STATE_NAME_LENGTH
from lokki_tf.errors import SerializationError
from lokki_tf.model.names import unique
from lokki_tf.runtime.envelope import JSON, holds, references, thaw
from lokki_tf.runtime.names import MAPS

from .results import NotLoaded, readable_here

if TYPE_CHECKING:
    from lokki_tf.runtime.envelope import Envelope

    from .results import Reader
    from .states import RunHistory
    from .visits import Visit

_OF_MAPS, _OF_JOBS = ("map", "gathered"), ("at",)
_IN_BUCKET = (*_OF_MAPS, *_OF_JOBS, "ref")
_AT_ONCE = 8  # results that are read at the same time
_MOST_OBJECTS = 50  # of a result that is shown in short


class InBucket:
    """The representation of a value that is in the bucket, and was not read."""

    def __repr__(self) -> str:
        return "<in the bucket>"


class RemoteOutputs(Mapping[str, Any]):
    """Results of steps by name, each read when it is first used.

    As in a local run, a step that was skipped or has not ended has no result.

    Args:
        envelopes: The results' envelopes, by name.
        reader: Reads values.
        run: Name of the run.
    """

    def __init__(self, envelopes: Mapping[str, Envelope], reader: Reader, run: str) -> None:
        self._envelopes = envelopes
        self._reader = reader
        self._run = run
        self._values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            what = f"the result of {name!r} of run {self._run}"
            with readable_here(what):
                value = self._reader.value(whole(self._envelopes[name], self._reader))
            refuse_unloaded(value, what)
            self._values[name] = value
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._envelopes)

    def __len__(self) -> int:
        return len(self._envelopes)

    def shown(self, largest: int) -> dict[str, Any]:
        """Return the values in short: large ones and unreadable ones are :class:`.Unread`.

        Args:
            largest: Bytes of the largest object that is read.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(
                zip(self, pool.map(partial(self._shown, largest=largest), self), strict=True)
            )

    def _shown(self, name: str, largest: int) -> Any:
        from lokki_tf.reporting.page import Unread

        if name in self._values:
            return self._values[name]
        try:
            size = self._bytes(self._envelopes[name])
            if size <= largest:
                envelope = whole(self._envelopes[name], self._reader)
                uris = references(envelope)
                if len(uris) > _MOST_OBJECTS:
                    return Unread(f"in the bucket, in {len(uris):,} objects; not read here")
                size = sum(map(self._reader.size, uris))
            if size > largest:
                return Unread(f"in the bucket, {size:,} bytes; not read here")
            value = self._reader.value(envelope)
        except Exception as error:  # whatever an object contains, the other values are shown
            return Unread(f"cannot be read here: {type(error).__name__}: {error}")
        return Unread(repr(value)) if isinstance(value, NotLoaded) else value

    def _bytes(self, envelope: Envelope) -> int:
        """Return the bytes of the result files of a Distributed Map; 0 for other results."""
        if "map" not in envelope:
            return 0
        manifest = envelope["map"]
        listed = json.loads(self._reader.read(f"s3://{manifest['Bucket']}/{manifest['Key']}"))
        return sum(int(one.get("Size", 0)) for one in listed["ResultFiles"]["SUCCEEDED"])

    def previews(self) -> dict[str, Any]:
        """Return the values that were read or are in the history, and placeholders of others."""
        return {name: self._preview(name) for name in self}

    def _preview(self, name: str) -> Any:
        envelope = self._envelopes[name]
        if name in self._values:
            return self._values[name]
        if holds(envelope, _IN_BUCKET) or not is_value(envelope):
            return InBucket()
        return self._reader.value(envelope)

    def __repr__(self) -> str:
        from lokki_tf.local.table import shortened_repr

        return shortened_repr(self.previews())


def refuse_unloaded(value: Any, what: str) -> None:
    """Raise an error for a value that contains a pickle that was not loaded.

    Args:
        value: The value.
        what: What it is, for the message.

    Raises:
        SerializationError: With what allows it.
    """
    parts = value.values() if isinstance(value, dict) else value
    inside = [value, *parts] if isinstance(value, (dict, list, tuple)) else [value]
    for one in inside:
        if isinstance(one, NotLoaded):
            raise SerializationError(
                f"{what} is a pickle with classes of {one.module}, which can run any code",
                remedy="if you trust everyone who can write to the pipeline's bucket: "
                "--allow-pickle, or allow_pickle=True in Python",
            )


def is_value(envelope: Envelope) -> bool:
    """Return whether an envelope has a value of its own, and not only items for maps."""
    return any(kind in envelope for kind in ("value", "pickle", "failed", "make", *_IN_BUCKET))


def whole(envelope: Envelope, reader: Reader) -> Envelope:
    """Return the envelope of a step's value, from that of its result.

    That of a result which only maps use has its items, and that of a step which leads to the next
    one the state.

    Args:
        envelope: The envelope of a result.
        reader: Reads what is in the bucket.
    """
    envelope = reader.expanded(envelope)
    if "result" in envelope and envelope.get("next", "") is None:  # the end of a routed pipeline
        (envelope,) = envelope["result"].values()
    elif "state" in envelope:
        state = envelope["state"]
        each = thaw(JSON, reader.read(state["all"]["ref"])) if "all" in state else state["each"]
        envelope = dict_of(each)
    elif not is_value(envelope):
        items = envelope["items"]
        if "Array" not in items:
            items = {"Array": json.loads(reader.read(f"s3://{items['Bucket']}/{items['Key']}"))}
        envelope = list_of(items["Array"])
    return reader.expanded(envelope)


def list_of(members: list[Envelope]) -> Envelope:
    """Return the envelope of a list."""
    return {"make": "list", "items": {str(index): one for index, one in enumerate(members)}}


def dict_of(members: Mapping[str, Envelope]) -> Envelope:
    """Return the envelope of a dict."""
    return {**list_of(list(members.values())), "make": "dict", "keys": {"value": list(members)}}


def outputs_of(history: RunHistory, reader: Reader, run: str) -> RemoteOutputs:
    """Return the results of the steps of a run.

    Those of steps inside maps are in the results of the maps.

    Args:
        history: The run's history.
        reader: Reads values.
        run: Name of the run.
    """
    tracker = history.tracker
    names = {node.name for node in tracker.definition.graph.nodes}
    inside = {node.name for node in tracker.definition.graph.every()} - names
    found: dict[str, Envelope] = {}
    for visit in tracker.done:
        envelope = envelope_of(visit)
        if tracker.definition.routes is not None:
            cleanup = tracker.definition.cleanup
            is_item = visit.name in inside
            if envelope is None or is_item or (cleanup and visit.name == cleanup.name):
                continue
            found[_unused(visit.name, found)] = envelope
        elif visit.name in names and envelope is not None and "skipped" not in envelope:
            found[visit.name] = envelope
    return RemoteOutputs(found, reader, run)


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    return unique(name, taken, STATE_NAME_LENGTH)  # as in a local run


def envelope_of(visit: Visit) -> Envelope | None:
    """Return the envelope of a visit's result; ``None`` if the history does not contain it.

    Args:
        visit: The visit of a step or map, which has ended.
    """
    if visit.kind == "Map":
        return _in_left(visit, _OF_MAPS)
    if visit.last is not None:
        ended = envelope_of(visit.last)
        return ended if ended is None or visit.last.is_callback else ended.get("result")
    if visit.failure is not None or visit.output is None:
        error = visit.error or {}
        failed = {"Error": error.get("error", ""), "Cause": error.get("cause", "")}
        return {"failed": failed, "step": visit.name}
    output = json.loads(visit.output)
    if visit.is_callback:
        return {"value": output}
    if visit.is_job and "Payload" not in output:
        return _in_left(visit, _OF_JOBS)
    payload: Envelope = output["Payload"]
    known = "items" in payload or "next" in payload or is_value(payload)
    return payload if known else None


def _in_left(visit: Visit, kinds: tuple[str, ...]) -> Envelope | None:
    """Return the envelope with which a state was left: in its output, or in a variable."""
    left = visit.left or {}
    texts = [left.get("output", "null"), *left.get("assignedVariables", {}).values()]
    waiting = [json.loads(text) for text in texts]
    for one in waiting:
        if isinstance(one, dict):
            if any(kind in one for kind in kinds):
                return one
            waiting += [each for each in one.values() if isinstance(each, dict)]
    return None


def manifest_of(visit: Visit, store: str, run: str) -> str | None:
    """Return the URI of the list of a Distributed Map's result files.

    Step Functions writes it at the end of the map's run, also if that has failed. Source: Step
    Functions Developer Guide, "ResultWriter".

    Args:
        visit: A visit of the map, outside of other maps.
        store: The pipeline's part of the bucket.
        run: Name of the run.
    """
    if visit.map_run is None:
        return None
    number = visit.map_run.rpartition(":")[2]
    return f"{store}/runs/{MAPS}/{run}/{visit.name}/{number}/manifest.json"
