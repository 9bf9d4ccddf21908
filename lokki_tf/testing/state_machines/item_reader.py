"""``ItemReader`` of a Distributed Map: read the items from objects in S3."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

from lokki_tf.testing.state_machines.failures import StateFailure
from lokki_tf.testing.state_machines.frame import StateRun
from lokki_tf.testing.state_machines.map_fields import items_of, number
from lokki_tf.testing.state_machines.templates import fill
from lokki_tf.testing.state_machines.values import Json, load

FAILED = "States.ItemReaderFailed"
_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}


def read_items(run: StateRun, value: Json) -> list[Json]:
    """Return the items of a Distributed Map, from S3 or from the state's input.

    Raises:
        StateFailure: If the items cannot be read or are not an array.
    """
    reader = run.state.get("ItemReader")
    if reader is None:
        return items_of(run, value)
    arguments = fill(reader.get("Parameters", {}), run.view(value))
    config = reader.get("ReaderConfig", {})
    try:
        found = _read(run, reader["Resource"], arguments, config)
    except StateFailure:
        raise
    except Exception as error:  # from boto3 or from a parser
        raise StateFailure(FAILED, f"The items could not be read: {error}") from None
    items = _as_items(found)
    most = int(number(run, value, "MaxItems", 0, config))
    return items[:most] if most else items


def _read(run: StateRun, resource: str, arguments: Mapping[str, Json], config: Json) -> Json:
    s3 = run.frame.settings.services.client("s3")
    if resource.endswith(":s3:listObjectsV2"):
        return _list(s3, arguments)
    kind = config.get("InputType", "JSON")
    if kind not in _PARSERS:
        known_types = ", ".join(_PARSERS)
        message = f"InputType must be one of {known_types} in the local AWS, got {kind}"
        raise StateFailure(FAILED, message)
    known = {key: arguments[key] for key in ("Bucket", "Key", "VersionId") if key in arguments}
    body = s3.get_object(**known)["Body"].read()
    return _PARSERS[kind](body, config)


def _as_items(found: Json) -> list[Json]:
    if isinstance(found, dict):
        return [{"Key": key, "Value": value} for key, value in found.items()]
    if isinstance(found, list):
        return found
    raise StateFailure(FAILED, "Attempting to map over non-iterable node.")


def _list(s3: Any, arguments: Mapping[str, Json]) -> list[Json]:
    pages = s3.get_paginator("list_objects_v2").paginate(**arguments)
    return [
        {
            "Etag": item["ETag"],
            "Key": item["Key"],
            "LastModified": item["LastModified"].timestamp(),
            "Size": item["Size"],
            "StorageClass": item.get("StorageClass", "STANDARD"),
        }
        for page in pages
        for item in page.get("Contents", ())
    ]


def _json(body: bytes, config: Mapping[str, Json]) -> Json:
    found = load(body)
    for part in config.get("ItemsPointer", "").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def _json_lines(body: bytes, config: Mapping[str, Json]) -> Json:
    return [load(line) for line in body.splitlines() if line.strip()]


def _csv(body: bytes, config: Mapping[str, Json]) -> Json:
    delimiter = _DELIMITERS[config.get("CSVDelimiter", "COMMA")]
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig")), delimiter=delimiter))
    given = config.get("CSVHeaderLocation", "FIRST_ROW") == "GIVEN"
    headers = config["CSVHeaders"] if given else rows.pop(0)
    return [dict(zip(headers, row, strict=False)) for row in rows]


_PARSERS: dict[str, Callable[[bytes, Mapping[str, Json]], Json]] = {
    "JSON": _json,
    "JSONL": _json_lines,
    "CSV": _csv,
}
