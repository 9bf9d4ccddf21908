"""Paths and URIs by which a scope reads a result or an item of any scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lokki_tf.model import Dataset, Output, Part, shortened, whole
from lokki_tf.model.names import identifier
from lokki_tf.runtime.envelope import PICKLE
from lokki_tf.runtime.names import ANSWER, DIGEST_LENGTH, STARTS

from .quotas import BUCKET_NAME_LENGTH, EXECUTION_NAME_LENGTH, JOB_ID_LENGTH
from .text import Template

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.model import Map, Node

    from .scopes import Scope


_NAME_LENGTH = 40  # characters of a node's name in names of a job's objects


class Array(NamedTuple):
    """The items over which maps run: those of a result, or of a part of it.

    Args:
        producer: The node with the result.
        key: The key of the array in the envelope of the result.
    """

    producer: str
    key: str = "items"


def arrays_of(maps: Iterable[Map]) -> dict[str, Array]:
    """Return the array over which each map runs, by the map's name; datasets have none.

    Args:
        maps: All maps of the pipeline.
    """
    found: dict[str, Array] = {}
    paths: dict[str, list[Any]] = {}
    for one in maps:
        if isinstance(one.items, Dataset):
            continue
        source = whole(one.items)
        assert isinstance(source, Output)
        known, key = paths.setdefault(source.node, []), "items"
        if isinstance(one.items, Part):
            if one.items.path not in known:
                known.append(one.items.path)
            key = f"items_{known.index(one.items.path)}"
        found[one.name] = Array(source.node, key)
    return found


@dataclass(frozen=True, slots=True)
class Reference:
    """A result, or a map's item, that a payload contains.

    Args:
        name: The node's, or the map's.
        is_item: Whether it is the map's item.
        home: The map in whose body it is made, or whose item it is; ``None`` outside of maps.
    """

    name: str
    is_item: bool
    home: str | None

    @property
    def key(self) -> str:
        """The name in a map's arguments."""
        return identifier(f"item_of_{self.name}" if self.is_item else self.name)


def reference_bytes(node: Node, pipeline: str) -> int:
    """Return the longest reference, as JSON, to the result of a node outside of maps.

    Args:
        node: The node.
        pipeline: The pipeline's name, the prefix of its keys in the user's own bucket.
    """
    around = len('{"ref": "s3:////runs///"}') + BUCKET_NAME_LENGTH + EXECUTION_NAME_LENGTH
    name = len(f".{PICKLE}") + DIGEST_LENGTH
    if node.step.is_job:
        name = min(len(node.name), _NAME_LENGTH) + len(f"..{ANSWER}") + JOB_ID_LENGTH
    names = [one.name for one in node.step.with_code]
    folder = max([STARTS, *names] if node.step.routed else names or [STARTS], key=len)
    return around + len(str(pipeline)) + len(folder) + name


def path(reference: Reference, scope: Scope) -> Any:
    """Return the path of a result or an item; for the items of a batch, an object with a path.

    Args:
        reference: The result or item.
        scope: The scope of the reader.
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
    """Return the URI of a node's object, as an expression.

    Args:
        start: The text before ``runs/``.
        step: The name of the step, which is the folder of its objects.
        node: The node.
        scope: The node's scope; ``None`` in a routed pipeline.
        suffix: The text after the node's name.
    """
    around, node = scope.map if scope else None, shortened(node, _NAME_LENGTH)
    folder = f"{start}runs/{step}"
    if around is None:
        return Template(f"States.Format('{folder}/{{}}/{node}{suffix}', $$.Execution.Name)")
    given = shared(around)
    return Template(
        f"States.Format('{folder}/{{}}/{{}}/{node}{suffix}', {given}.run, {given}.place)"
    )


def shared(one: Map) -> str:
    """Return the path of the common input in an execution of a map's body."""
    return "$.BatchInput" if one.options.batch_size > 1 else "$"
