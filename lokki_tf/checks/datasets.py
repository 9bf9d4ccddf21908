"""Maps over datasets in S3: which values the state machine receives as a location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError
from lokki_tf.model import REQUIRED, Dataset, Finding, Item, Literal, Map, Node, TerraformRef, whole

from .waits import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lokki_tf.model import Binding, Definition, Graph

    from .waits import Around

_LEAST_ROOM = 60_000
_REMEDY = "return the text from a step in Lambda, outside of batches, that always runs"


def check(definition: Definition) -> Iterator[Finding]:
    """Check the location of each dataset."""
    yield from _of_graph(definition, definition.graph, ())


def _of_graph(definition: Definition, graph: Graph, around: Around) -> Iterator[Finding]:
    for node in graph.nodes:
        if not isinstance(node, Map):
            continue
        yield from _of_graph(definition, node.body, (*around, (graph, node)))
        if isinstance(node.items, Dataset):
            yield from _compressed(node, node.items)
            for name, binding in node.items.fields.items():
                if not isinstance(binding, Literal | TerraformRef):
                    problem = _problem(definition, graph, around, whole(binding))
                    if problem:
                        what = f"{node.items.name}({name.lower()}=…) is {problem}"
                        yield Finding("dataset", what, node.place, _REMEDY, error=OptionError)


def check_room(definition: Definition, room: Mapping[str, int]) -> Iterator[Finding]:
    """Warn if items of a dataset may have little room.

    Args:
        definition: The pipeline.
        room: Bytes that an item has beside the longest further arguments, by map.
    """
    for one in definition.graph.every():
        if one.name in room and room[one.name] < _LEAST_ROOM:
            assert isinstance(one, Map)
            assert isinstance(one.items, Dataset)
            yield Finding(
                "item-size",
                f"an item of {one.items.name} has room for {max(0, room[one.name]):,} bytes, if "
                f"further arguments of map {one.name!r} are as long as they may be",
                one.place,
                "pass fewer results to the steps of the map, or return smaller ones",
                severity="warning",
            )


def _compressed(node: Map, dataset: Dataset) -> Iterator[Finding]:
    key = dataset.fields.get("Key")
    named = isinstance(key, Literal) and key.value.endswith((".gz", ".gzip", ".zst", ".zstd"))
    if named and dataset.kind != "inventory":
        yield Finding(
            "compressed",
            f"{dataset.label} is compressed; local runs read it, but AWS documents compressed "
            "files only for inventories",
            node.place,
            "try it in AWS, or store the file uncompressed",
            severity="warning",
        )


def _problem(definition: Definition, graph: Graph, around: Around, binding: Binding) -> str:
    level, binding, source = source_of(binding, graph, around)
    if isinstance(binding, Item):
        return "the item of a map, which the state machine does not receive as a text"
    if source is None:
        name = getattr(binding, "name", "")
        one = next((one for one in definition.parameters if one.name == name), None)
        if one is None or (one.kind in (str, Any) and isinstance(one.default, str)):
            return ""
        if one.kind in (str, Any) and one.default is REQUIRED:
            return ""
        kind = getattr(one.kind, "__name__", "Any")
        shown = "" if one.default is REQUIRED else f" with the default {one.default!r}"
        return f"the parameter {name!r} of type {kind}{shown}, which is not a text"
    batch = level and level[-1][1].options.batch_size > 1
    if batch:
        return f"the result of {source.name!r}, in a batch of items"
    if not isinstance(source, Node) or source.step.is_job or source.step.starts is not None:
        return f"the result of {source.name!r}, which is a job, a map or another pipeline"
    if source.step.options.callback:
        return f"the answer to {source.name!r}, which only a step can check"
    if source.when is not None:
        return f"the result of {source.name!r}, which is None if its condition is false"
    return ""
