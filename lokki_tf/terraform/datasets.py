"""What a state machine may read from S3: the datasets of its maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import Dataset, Literal, Map

from . import iam

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Binding, Definition

    from .iam import Statement


def read_datasets(definition: Definition, partition: str) -> list[Statement]:
    """Return the statements for the datasets of all maps.

    A bucket, key or prefix that exists only in a run is replaced by a wildcard.

    Args:
        definition: The pipeline.
        partition: The partition of AWS: ``aws``, ``aws-cn`` and so on.
    """
    objects: dict[str, None] = {}
    listed: dict[str, dict[str, None] | None] = {}
    for one in _datasets(definition):
        fields = one.fields
        bucket = f"arn:{partition}:s3:::{_pattern(fields['Bucket'])}"
        if one.kind != "objects":
            objects |= dict.fromkeys(f"{bucket}/{key}" for key in _keys(one, fields["Key"]))
            continue
        prefix, known = fields.get("Prefix"), listed.setdefault(bucket, {})
        if not isinstance(prefix, Literal):
            listed[bucket] = None
        elif known is not None:
            known[prefix.value] = None
    found = [iam.read_datasets([*objects])] if objects else []
    whole = [bucket for bucket, prefixes in listed.items() if prefixes is None]
    found += [iam.list_objects(whole)] if whole else []
    for number, (bucket, prefixes) in enumerate(listed.items()):
        if prefixes is not None:
            found.append(iam.list_objects([bucket], [*prefixes], number))
    return found


def _datasets(definition: Definition) -> Iterator[Dataset]:
    for one in definition.graph.every():
        if isinstance(one, Map) and isinstance(one.items, Dataset):
            yield one.items


def _keys(one: Dataset, key: Binding) -> list[str]:
    """Return the keys of a file; of an inventory, also those of the files that it lists.

    Source: Amazon S3 User Guide, "Locating your inventory list": the manifest is in a folder with
    the time, and the files are in the folder ``data`` beside it.
    """
    if one.kind != "inventory":
        return [_pattern(key)]
    folder = (
        str(key.value).rpartition("/")[0].rpartition("/")[0] if isinstance(key, Literal) else ""
    )
    return [_pattern(key), f"{folder}/data/*"] if folder else ["*"]


def _pattern(binding: Binding) -> str:
    return str(binding.value) if isinstance(binding, Literal) else "*"
