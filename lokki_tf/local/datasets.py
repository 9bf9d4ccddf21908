"""Datasets in S3 in local runs: read with the user's credentials, in the way of Step Functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lokki_tf.datasets import Spool, items_of
from lokki_tf.errors import MissingToolError
from lokki_tf.model import Dataset, Map
from lokki_tf.runtime.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .settings import Settings

_MOST_BYTES = 262_144
"""Source: AWS Step Functions Developer Guide, "Service quotas": input of an execution."""


def spooled(
    node: Map,
    location: Mapping[str, Any],
    settings: Settings,
    made: Callable[[int, Any], Any] | None = None,
) -> Spool:
    """Read the items of a map over a dataset.

    Args:
        node: The map.
        location: Where the dataset is.
        settings: They contain the client of S3.
        made: Converts each item when it is taken.

    Raises:
        DatasetError: If it cannot be read.
        ValueError: If an item is longer than the input of an execution.
        TypeError: If a part of the location is not a text.
        MissingToolError: If boto3 is not installed, or the run has no client of S3.
    """
    dataset = node.items
    assert isinstance(dataset, Dataset)
    known = {key: text_of(one, f"{key} of {dataset.name}") for key, one in location.items()}
    if settings.s3 is None:
        raise MissingToolError(f"this run has no client of S3, which {dataset.name} requires")
    items = items_of(settings.s3(), dataset.reader_config, known)
    checked = _within_limit(items, dataset)
    return Spool(checked) if made is None else Spool(checked, made)


def _within_limit(items: Iterator[Any], dataset: Dataset) -> Iterator[Any]:
    """Yield items, as far as they are short enough for the input of a child execution."""
    for index, item in enumerate(items):
        text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > _MOST_BYTES:
            raise ValueError(
                f"item {index:,} of {dataset.name} has {size:,} bytes; Step Functions allows "
                f"{_MOST_BYTES:,}, including the step's further arguments"
            )
        yield item
