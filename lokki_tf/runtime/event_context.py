"""What ``run_context()`` returns in AWS, from the event of a call."""

from __future__ import annotations

import os

from .context import CURRENT, RunContext
from .envelope import references, unpack
from .moments import moment
from .names import STAGE, STEP
from .parameters import RESERVED, SCHEDULED, filled, own, without_reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

    from .blocks import Source


def in_context(call: Callable[[], Any], event: dict[str, Any], item_path: str | None) -> Any:
    """Call a function inside which ``run_context()`` returns the context of an event.

    Args:
        call: The function.
        event: As described in :mod:`.handler`, with ``context``.
        item_path: Inside a map, the item's folder in the bucket.
    """
    parts: list[dict[str, Any]] = []
    token = CURRENT.set((_of_call, event, item_path, parts))
    try:
        return call()
    finally:
        CURRENT.reset(token)
        if parts:
            from .card_store import store_card

            store_card(parts, event, item_path)


def _of_call(
    event: dict[str, Any], item_path: str | None, parts: list[dict[str, Any]]
) -> RunContext:
    return of_event(event, item_path, opened=lambda: parts)


def of_event(
    event: dict[str, Any],
    item_path: str | None,
    environment: Mapping[str, str] = os.environ,
    read: Callable[[list[str]], Mapping[str, Source]] | None = None,
    *,
    opened: Callable[[], list[dict[str, Any]]] | None = None,
) -> RunContext:
    """Make the context of a call in AWS.

    Args:
        event: As described in :mod:`.handler`, with ``context``.
        item_path: Inside a map, the item's folder in the bucket.
        environment: The variables of the step's function.
        read: Returns the objects with some URIs; by default with the function's rights.
        opened: Returns the parts of the call's card; ``None`` outside of the call.
    """
    own, given = event["context"], event.get("given", event.get("input")) or {}
    if "around" in own:  # in an included pipeline, the input of the run
        given = given[own["around"]]
    return RunContext(
        run_id=event["run"],
        pipeline=own["pipeline"],
        stage=environment.get(STAGE),
        step=environment.get(STEP) or event["node"],
        attempt=own["attempt"] + 1,
        started_at=moment(own["started"]),
        scheduled_at=scheduled(given),
        parameters=_parameters(event, given, read),
        item_index=item_index(item_path),
        task_token=own.get("token"),
        opened=opened,
    )


def item_index(item_path: str | None) -> int | tuple[int, ...] | None:
    """Return the indices in an item path, ``outer/3/inner/5``.

    Args:
        item_path: The item path; ``None`` outside of maps.
    """
    if item_path is None:
        return None
    indices = tuple(map(int, item_path.split("/")[1::2]))
    return indices[0] if len(indices) == 1 else indices


def scheduled(given: Any) -> datetime | None:
    """Return the time for which a schedule has started a run, from the run's input.

    Args:
        given: The input.
    """
    text = given.get(RESERVED, {}).get(SCHEDULED) if isinstance(given, dict) else None
    return None if text is None else moment(text)


def _parameters(
    event: dict[str, Any],
    given: dict[str, Any],
    read: Callable[[list[str]], Mapping[str, Source]] | None,
) -> dict[str, Any]:
    declared = {
        name: filled(one, given)
        for name, one in event["context"].get("parameters", {}).items()
        if name in given or "default" in one
    }
    uris = [uri for one in declared.values() for uri in references(one)]
    objects: Mapping[str, Source] = {}
    if uris:
        from . import store

        objects = (read or store.open_all)(uris)
    modules = {"__main__": event["main"]} if "main" in event else None
    values = {name: unpack(one, objects.__getitem__, modules) for name, one in declared.items()}
    others = without_reserved(given).items()
    return {**values, **{name: own(value) for name, value in others if name not in values}}
