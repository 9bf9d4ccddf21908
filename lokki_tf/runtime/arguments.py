"""The arguments of a call, from the envelopes in its event."""

from __future__ import annotations

from functools import partial

from .envelope import holds, references, unpack
from .parameters import filled, of_item, refuse_strangers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .blocks import Source
    from .envelope import Envelope
    from .store import Items

    Shared = tuple[list[Envelope], dict[str, Source], Items | None]


def shared_part(event: dict[str, Any]) -> Shared:
    """Return the arguments' envelopes, their objects, and those of a batch's items.

    Items of a batch are not replaced in the envelopes.
    """
    by_position, given = event.get("args", {}), event.get("given")
    envelopes = [by_position[str(index)] for index in range(len(by_position))]
    if "flow" in event:
        refuse_strangers(given, event["flow"])
    named = [*event.get("kwargs", {}).values(), *event.get("wholes", {}).values()]
    known = [filled(one, given) for one in (*envelopes, *named)]
    objects: dict[str, Source] = {}
    if any(holds(one, ("map", "gathered", "ref", "at")) for one in known):
        from . import maps, store

        known = [maps.expanded(one, store.read, store.read_all) for one in known]
        objects = store.open_all(uri for one in known for uri in references(one))
    if not isinstance(event.get("place"), list):
        return known, objects, None
    # Each item of a batch reads the arguments that they share.
    objects = {uri: data[0 : len(data)] for uri, data in objects.items()}
    indices = range(len(event["place"]))
    items = [uri for index in indices for one in known for uri in references(of_item(one, index))]
    if not items:
        return known, objects, None
    from . import store

    return known, objects, store.Items(uri for uri in items if uri not in objects)


def arguments(
    event: dict[str, Any], shared: Shared, batch: int | None
) -> tuple[list[Any], dict[str, Any]]:
    """Return the function's arguments by position and by name, with all references read.

    Args:
        event: As described in :mod:`.handler`.
        shared: The part that all calls of the event have in common.
        batch: Index of the item in a batch, ``None`` outside of batches.
    """
    known, objects, items = shared
    if batch is not None:
        known = [of_item(one, batch) for one in known]
        if items is not None:
            own = (uri for one in known for uri in references(one) if uri not in objects)
            objects = {**objects, **items.take(own)}
    modules = {"__main__": event["main"]} if "main" in event else None
    read = partial(unpack, read=objects.__getitem__, modules=modules)
    count, ends = len(event.get("args", {})), len(known) - len(event.get("wholes", {}))
    wholes = {key: read(one) for key, one in zip(event.get("wholes", {}), known[ends:])}
    values = [
        _streamed(one, modules) if "stream" in one else read(one, wholes=wholes)
        for one in known[:ends]
    ]
    if batch is None:
        objects.clear()  # so that they take no memory while the function runs
    return values[:count], dict(zip(event.get("kwargs", {}), values[count:]))


def _streamed(envelope: Envelope, modules: dict[str, str] | None) -> Any:
    from .streams import streamed

    return streamed(envelope["stream"], modules, once=envelope.get("once", False))


def arguments_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, for an event without a batch.

    Args:
        event: As described in :mod:`.handler`.
    """
    return arguments(event, shared_part(event), None)[1]
