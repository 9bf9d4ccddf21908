"""How a scope reads a result or an item, wherever that was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .literals import STORE_VARIABLE
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Container

    from lokki_tf.model import Map

    from .payloads import Reference
    from .scopes import Scope


def path(reference: Reference, scope: Scope, jobs: Container[str] = ()) -> Any:
    """The path of a result or an item; for the items of a batch, and jobs, an object with one.

    Args:
        reference: What is read.
        scope: Where.
        jobs: Nodes whose results stand in the bucket, where their names say.
    """
    around = scope.map
    if reference.home != (around.name if around else None):
        assert around is not None
        return f"{shared(around)}.arguments.{reference.key}"
    if not reference.is_item:
        if reference.name in jobs:
            return answer(reference.name, scope)
        return f"${scope.variable(reference.name)}"
    assert around is not None
    if around.options.batch_size > 1:
        return {"batch.$": "$.Items[*].item"}
    return "$.item"


def answer(node: str, scope: Scope, *, after: bool = False) -> dict[str, Any]:
    """The envelope of a job's result.

    Args:
        node: The job's node.
        scope: Who reads it: the scope of the job itself.
        after: Whether what ``$`` stands for is the result of a state, and not its input.
    """
    return {"at.$": located(f"${{{STORE_VARIABLE}}}/", node, scope, ".answer.json", after=after)}


def located(
    start: str, node: str, scope: Scope | None, suffix: str, *, after: bool = False
) -> Template:
    """Where something of a node's stands, as an expression.

    Args:
        start: What stands before ``runs/``.
        node: Whose it is.
        scope: The node's scope; ``None`` in a routed pipeline.
        suffix: What stands behind the node's name.
        after: As for :func:`answer`.
    """
    around = scope.map if scope else None
    if around is None:
        return Template(f"States.Format('{start}runs/{{}}/{node}{suffix}', $$.Execution.Name)")
    given = "$$.Execution.Input" if after else shared(around)
    return Template(
        f"States.Format('{start}runs/{{}}/{{}}/{node}{suffix}', {given}.run, {given}.place)"
    )


def shared(one: Map) -> str:
    """Where an execution of a map's body finds what all of them are given."""
    return "$.BatchInput" if one.options.batch_size > 1 else "$"
