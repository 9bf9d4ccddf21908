"""How a scope reads a result or an item, wherever that was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .text import Template

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


def located(start: str, step: str, node: str, scope: Scope | None, suffix: str = "") -> Template:
    """Where something of a node's stands, as an expression.

    Args:
        start: What stands before ``runs/``.
        step: The name of the step, which is the folder of all that it writes.
        node: Whose it is.
        scope: The node's scope; ``None`` in a routed pipeline.
        suffix: What stands behind the node's name.
    """
    around = scope.map if scope else None
    folder = f"{start}runs/{step}"
    if around is None:
        return Template(f"States.Format('{folder}/{{}}/{node}{suffix}', $$.Execution.Name)")
    given = shared(around)
    return Template(
        f"States.Format('{folder}/{{}}/{{}}/{node}{suffix}', {given}.run, {given}.place)"
    )


def shared(one: Map) -> str:
    """Where an execution of a map's body finds what all of them are given."""
    return "$.BatchInput" if one.options.batch_size > 1 else "$"
