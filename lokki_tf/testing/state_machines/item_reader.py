"""``ItemReader`` of a Distributed Map: read the items from objects in S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lokki_tf.datasets import items_of as items_of_dataset
from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.map_fields import items_of, number
from lokki_tf.testing.state_machines.queries import arguments
from lokki_tf.testing.state_machines.values import Json

FAILED = "States.ItemReaderFailed"


def read_items(run: StateRun, value: Json) -> Iterable[Json]:
    """Return the items of a Distributed Map, from S3 or from the state's input.

    Raises:
        StateFailure: If the items cannot be read or are not an array; items of S3 are read, and the
            error is raised, while the caller iterates.
    """
    reader = run.state.get("ItemReader")
    return items_of(run, value) if reader is None else _of_reader(run, value, reader)


def _of_reader(run: StateRun, value: Json, reader: Json) -> Iterator[Json]:
    location = arguments(run, reader, value, "ItemReader/")
    config = reader.get("ReaderConfig", {})
    if not reader["Resource"].endswith(":s3:listObjectsV2"):
        config = {"InputType": "JSON", **config}
    most = int(
        number(run, value, "MaxItems", 0, config, place="ItemReader/ReaderConfig/", negative=FAILED)
    )
    try:
        client = run.frame.settings.services.client("s3")
        yield from items_of_dataset(client, {**config, "MaxItems": most}, location)
    except Exception as error:
        raise StateFailure(FAILED, str(error)) from None
