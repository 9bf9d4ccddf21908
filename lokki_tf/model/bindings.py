"""Bindings: the sources of a step's arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal as OneOf

from .terraform_refs import TerraformRef


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A value in the definition itself; the step receives an equal one."""

    value: Any


@dataclass(frozen=True, slots=True)
class Output:
    """The result of another node of the same graph."""

    node: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the flow; inside a map, an argument that every item receives."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """The item of a map for which the map's body runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A list, tuple, set, frozenset or dict that contains results of nodes at any depth.

    Args:
        kind: The type of the collection.
        members: Its elements; for a dict, its values.
        keys: The keys of a dict, in the order of ``members``; else empty.
    """

    kind: OneOf["list", "tuple", "set", "frozenset", "dict"]
    members: tuple[Binding, ...]
    keys: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute in the path of a part.

    Args:
        name: Its name.
    """

    name: str


Key = str | int | Attribute
"""One selection in the path of a part: a key of a dict, an index, or an attribute."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value, which the step that receives it selects.

    Args:
        of: The source of the whole value.
        path: What is selected, one after another: ``("rows", 0)`` for ``value["rows"][0]``.
        owner: The whole value in messages: ``the result of step 'load'``.
        skippable: Whether the whole is ``None`` if its step is skipped; the part is ``None`` then.
    """

    of: Output | Parameter | Item
    path: tuple[Key, ...]
    owner: str
    skippable: bool = False

    @property
    def selection(self) -> dict[str, Any]:
        """The selection as JSON, which :mod:`lokki_tf.runtime.parts` carries out."""
        path = [{"attribute": k.name} if isinstance(k, Attribute) else k for k in self.path]
        skippable = {"skippable": True} if self.skippable else {}
        return {"path": path, "what": self.what, **skippable}

    @property
    def what(self) -> str:
        """The part in messages."""
        return f"part {path_text(self.path)} of {self.owner}"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The items of a map that Step Functions reads from S3: objects, or the rows of a file.

    Source: AWS Step Functions Developer Guide, "ItemReader (Map)".

    Args:
        kind: ``objects`` below a prefix, the rows of a ``csv`` file, the items of a ``json`` array
            or object, the lines of a ``jsonl`` file, or the rows of an ``inventory`` of S3.
        location: A dict with ``Bucket`` and either ``Key`` or ``Prefix``.
        config: Further fields of ``ReaderConfig``: the columns and the delimiter of a CSV file, and
            ``MaxItems``.
        name: As its author writes it, for messages and pictures: ``S3Csv``.
    """

    kind: OneOf["objects", "csv", "json", "jsonl", "inventory"]
    location: Group
    config: Mapping[str, Any]
    name: str

    @property
    def fields(self) -> dict[str, Binding]:
        """The location's values by name."""
        return dict(zip(self.location.keys, self.location.members, strict=True))

    @property
    def label(self) -> str:
        """What is read, for people: ``s3://bucket/key``."""
        shown = {key: _shown(one) for key, one in self.fields.items()}
        bucket = shown.pop("Bucket")
        return f"s3://{bucket}/{''.join(shown.values())}{'*' * (self.kind == 'objects')}"

    @property
    def reader_config(self) -> dict[str, Any]:
        """``ReaderConfig``; empty for objects without a limit."""
        if self.kind == "objects":
            return dict(self.config)
        return {"InputType": _INPUT_TYPES[self.kind], **self.config}


_INPUT_TYPES = {"csv": "CSV", "json": "JSON", "jsonl": "JSONL", "inventory": "MANIFEST"}

Leaf = Literal | Output | Parameter | Item | TerraformRef
Binding = Leaf | Part | Group


def _shown(one: Binding) -> str:
    """Return a part of a location for people; names of later values are in braces."""
    if isinstance(one, Literal):
        return str(one.value)
    if isinstance(one, Part):
        return f"{{{_shown(one.of)[1:-1]}{path_text(one.path)}}}"
    if isinstance(one, TerraformRef):
        return one.filled(f"{{{one.address}}}")
    return f"{{{getattr(one, 'node', getattr(one, 'name', 'item'))}}}"


def path_text(path: Iterable[Key]) -> str:
    """Return a path as it is written in Python: ``['rows'][0].total``."""
    return "".join(f".{key.name}" if isinstance(key, Attribute) else f"[{key!r}]" for key in path)


def whole(binding: Binding) -> Binding:
    """Return the source of the whole value, for a part; other bindings are returned unchanged."""
    return binding.of if isinstance(binding, Part) else binding


def leaves(binding: Binding) -> Iterator[Leaf]:
    """Yield the innermost bindings of a binding, in order; of a part, the source of the whole."""
    waiting = [binding]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Group):
            waiting.extend(reversed(current.members))
        elif isinstance(current, Part):
            yield current.of
        else:
            yield current


def parts_in(binding: Binding) -> Iterator[Part]:
    """Yield the parts in a binding, in order."""
    waiting = [binding]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Group):
            waiting.extend(reversed(current.members))
        elif isinstance(current, Part):
            yield current


def outputs_in(binding: Binding) -> Iterator[str]:
    """Yield the names of the nodes whose results a binding requires, in order, with repeats."""
    return (leaf.node for leaf in leaves(binding) if isinstance(leaf, Output))
