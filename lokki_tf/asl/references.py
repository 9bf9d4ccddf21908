"""How a scope reads a result or an item, wherever that was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lokki_tf.model import Map

    from .payloads import Reference
    from .scopes import Scope


def path(reference: Reference, scope: Scope) -> Any:
    """The path of a result or an item; for the items of a batch, an object with one.

    Args:
        reference: What is read.
        scope: Where.
    """
    around = scope.map
    if reference.home != (around.name if around else None):
        assert around is not None
        return f"{shared(around)}.arguments.{reference.key}"
    if not reference.is_item:
        return f"${scope.variable(reference.name)}"
    assert around is not None
    if around.options.batch_size > 1:
        return {"batch.$": "$.Items[*].item"}
    return "$.item"


def shared(one: Map) -> str:
    """Where an execution of a map's body finds what all of them are given."""
    return "$.BatchInput" if one.options.batch_size > 1 else "$"
