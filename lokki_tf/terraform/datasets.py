"""What a state machine may read from S3: the datasets of its maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lokki_tf.model import Literal, TerraformRef

from . import iam

if TYPE_CHECKING:
    from lokki_tf.model import Binding, Definition

    from .account import Account
    from .iam import Statement


def read_datasets(definition: Definition, account: Account) -> list[Statement]:
    """Return the statements for the datasets of all maps.

    A bucket, key or prefix that exists only in a run is replaced by a wildcard.

    Args:
        definition: The pipeline.
        account: The account and region.
    """
    objects: dict[str, None] = {}
    listed: dict[str, dict[str, None] | None] = {}
    for _, one in definition.datasets:
        known = {name: _known(binding, account) for name, binding in one.fields.items()}
        bucket = f"arn:{account.partition}:s3:::{known['Bucket'] or '*'}"
        if one.kind != "objects":
            keys = _keys(known["Key"], is_inventory=one.kind == "inventory")
            objects |= dict.fromkeys(f"{bucket}/{key}" for key in keys)
            continue
        prefix, prefixes = known.get("Prefix"), listed.setdefault(bucket, {})
        if prefix is None:
            listed[bucket] = None
        elif prefixes is not None:
            prefixes[prefix] = None
    found = [iam.read_datasets([*objects])] if objects else []
    whole = [bucket for bucket, prefixes in listed.items() if prefixes is None]
    found += [iam.list_objects(whole)] if whole else []
    for number, (bucket, prefixes) in enumerate(listed.items()):
        if prefixes is not None:
            found.append(iam.list_objects([bucket], [*prefixes], number))
    return found


def _known(binding: Binding, account: Account) -> str | None:
    """Return a text that is known before a run; ``None`` for any other."""
    if isinstance(binding, Literal | TerraformRef):
        return account.text(binding.value if isinstance(binding, Literal) else binding)
    return None


def _keys(key: str | None, *, is_inventory: bool) -> list[str]:
    """Return the keys of a file; of an inventory, also those of the files that it lists.

    Source: Amazon S3 User Guide, "Locating your inventory list": the manifest is in a folder with
    the time, and the files are in the folder ``data`` beside it.
    """
    if key is None:
        return ["*"]
    if not is_inventory:
        return [key]
    folder = key.rpartition("/")[0].rpartition("/")[0]
    return [key, f"{folder}/data/*"] if folder else ["*"]
