"""Cards of calls in the pipeline's bucket: one object each, in the step's own folder.

Each has the fields ``format``, ``node``, ``item`` (the item path), ``visit`` (of a routed pipeline,
the number of steps before), ``attempt`` (from 1) and ``parts``, as :mod:`.cards` describes them.
"""

from __future__ import annotations

import json

from . import store
from .envelope import compress
from .names import CARD_SUFFIX, CARDS, TAKEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def store_card(parts: list[dict[str, Any]], event: dict[str, Any], item_path: str | None) -> None:
    """Store the card of a call in the step's own folder of the bucket.

    A card is never worth a step's result: if it cannot be stored, the log says so.

    Args:
        parts: The parts.
        event: As described in :mod:`.handler`, with ``context``.
        item_path: Inside a map, the item's folder in the bucket.
    """
    try:
        own, attempt = event["context"], event["context"]["attempt"] + 1
        # In an included pipeline, the number of steps before the pipeline.
        visit = (event["given"] if "around" in own else event).get(TAKEN)
        about = {"node": event["node"], "item": item_path, "visit": visit, "attempt": attempt}
        data = compress(json.dumps({"format": 1, **about, "parts": parts}).encode())
        item = "" if item_path is None else f".{item_path.replace('/', '.')}"
        visited = "" if visit is None else f".{visit}"
        name = f"{event['node']}{visited}{item}.{attempt}{CARD_SUFFIX}"
        store.write(f"{store.folder_of(event)}/{CARDS}/{name}", data)
    except Exception as error:
        print(f"the step's card was not stored: {type(error).__name__}: {error}")
