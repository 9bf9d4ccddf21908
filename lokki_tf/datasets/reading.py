"""Datasets in S3, read with a client of boto3."""

from __future__ import annotations

import codecs
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from .delimited import DELIMITERS, rows_of
from .failures import DatasetError
from .json_items import items_in, lines_of

_CHUNK = 256 * 1024
_LINE_BYTES = 8 * 1024 * 1024
_GZIP = 31  # zlib's number for the gzip format


def items_of(client: Any, config: Mapping[str, Any], location: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the items of a dataset.

    Args:
        client: A client of S3.
        config: ``ReaderConfig`` of the state; objects are listed if it has no ``InputType``.
        location: ``Bucket``, and either ``Key`` or ``Prefix``.

    Raises:
        DatasetError: If it cannot be read.
    """
    most = int(config.get("MaxItems", 0)) or None  # 0 means all
    return _explained(islice(_items(client, config, location), most), location)


def _items(client: Any, config: Mapping[str, Any], location: Mapping[str, Any]) -> Iterator[Any]:
    kind = config.get("InputType")
    if kind is None:
        return _objects(client, location)
    if kind not in _READERS:
        raise DatasetError(f"InputType must be one of {', '.join(_READERS)}, got {kind}")
    return _READERS[kind](client, config, location)


def _explained(items: Iterator[Any], location: Mapping[str, Any]) -> Iterator[Any]:
    """Yield items; errors of S3 contain the location."""
    try:
        yield from items
    except DatasetError as error:
        raise DatasetError(str(error)) from None
    except Exception as error:
        if not type(error).__module__.startswith(("botocore", "boto3", "urllib3")):
            raise
        key = location.get("Key", location.get("Prefix", ""))
        where = f"s3://{location.get('Bucket')}/{key}"
        raise DatasetError(f"{where} cannot be read: {error}") from error


def _objects(client: Any, location: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what ``ListObjectsV2`` returns about each object, under the names of Step Functions.

    Recorded of AWS: ``Etag`` has its quotation marks, and ``LastModified`` is a number such as
    ``1.789180622E9``.
    """
    pages = client.get_paginator("list_objects_v2").paginate(**location)
    for page in pages:
        for one in page.get("Contents", ()):
            yield {
                "Etag": one["ETag"],
                "Key": one["Key"],
                "LastModified": one["LastModified"].timestamp(),
                "Size": one["Size"],
                "StorageClass": one.get("StorageClass", "STANDARD"),
            }


def _csv(client: Any, config: Mapping[str, Any], location: Mapping[str, Any]) -> Iterator[Any]:
    given = config.get("CSVHeaderLocation", "FIRST_ROW") == "GIVEN"
    delimiter = config.get("CSVDelimiter", "COMMA")
    if delimiter not in DELIMITERS:
        raise DatasetError(f"CSVDelimiter must be one of {', '.join(DELIMITERS)}, got {delimiter}")
    header = config["CSVHeaders"] if given else None
    return rows_of(_lines(client, location), DELIMITERS[delimiter], header)


def _json(client: Any, config: Mapping[str, Any], location: Mapping[str, Any]) -> Iterator[Any]:
    pointer = config.get("ItemsPointer", "")
    chunks = _texts(client, location)
    if not pointer:
        return items_in(chunks)
    return items_in([json.dumps(_selected("".join(chunks), pointer))])


def _selected(text: str, pointer: str) -> Any:
    """Return the part of a JSON text at a pointer."""
    try:
        found = json.loads(text)
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"ItemsPointer {pointer!r} selects nothing: {error}") from None
    return found


def _json_lines(
    client: Any, config: Mapping[str, Any], location: Mapping[str, Any]
) -> Iterator[Any]:
    return lines_of(_lines(client, location))


def _inventory(
    client: Any, config: Mapping[str, Any], location: Mapping[str, Any]
) -> Iterator[Any]:
    """Yield the rows of all files that the manifest of an inventory lists.

    Source of the manifest: Amazon S3 User Guide, "Locating your inventory list".
    """
    text = "".join(_texts(client, location))
    try:
        manifest = json.loads(text)
        form, schema = manifest["fileFormat"], manifest["fileSchema"]
        bucket = manifest["destinationBucket"].rpartition(":")[2]
        keys = [one["key"] for one in manifest["files"]]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"the manifest of the inventory is not valid: {error!r}") from None
    if form != "CSV":
        raise DatasetError(f"an inventory in {form} cannot be read locally: only CSV can")
    columns = [one.strip() for one in schema.split(",")]
    for key in keys:
        yield from rows_of(_lines(client, {"Bucket": bucket, "Key": key}), ",", columns)


_READERS: dict[str, Callable[[Any, Mapping[str, Any], Mapping[str, Any]], Iterator[Any]]] = {
    "CSV": _csv,
    "JSON": _json,
    "JSONL": _json_lines,
    "MANIFEST": _inventory,
}


def _lines(client: Any, location: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a file with their ends, which are ``\\n``, ``\\r\\n`` or ``\\r``."""
    left = ""
    for text in _texts(client, location):
        if len(left) > _LINE_BYTES:
            raise DatasetError(f"a line has more than {_LINE_BYTES:,} bytes")
        lines, left = io.StringIO(left + text, newline=""), ""
        for line in lines:
            # The last line may go on in the next part, and \r may be followed by \n there.
            if left:
                yield left
            left = line
    if left:
        yield from io.StringIO(left, newline="")


def _texts(client: Any, location: Mapping[str, Any]) -> Iterator[str]:
    """Yield a file in parts, decompressed and decoded from UTF-8, without a byte order mark."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    key = str(location.get("Key"))
    try:
        for chunk in _decompressed(_chunks(client, location), key):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DatasetError(f"the file {key!r} is not UTF-8: {error}") from None


def _chunks(client: Any, location: Mapping[str, Any]) -> Iterator[bytes]:
    known = {name: location[name] for name in ("Bucket", "Key", "VersionId") if name in location}
    body = client.get_object(**known)["Body"]
    try:
        yield from body.iter_chunks(_CHUNK)
    finally:
        body.close()


def _decompressed(chunks: Iterable[bytes], key: str) -> Iterator[bytes]:
    """Yield the bytes of a file whose name may end in ``.gz`` or ``.zst``."""
    if key.endswith((".gz", ".gzip")):
        return _gunzipped(chunks)
    if key.endswith((".zst", ".zstd")):
        return _unzstd(chunks)
    return iter(chunks)


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if unpacker.eof:  # the file has several parts
                    unpacker = zlib.decompressobj(_GZIP)
                yield unpacker.decompress(rest, _CHUNK)
                rest = unpacker.unconsumed_tail or unpacker.unused_data
        yield unpacker.flush()
    except zlib.error as error:
        raise DatasetError(f"the file is not compressed with gzip: {error}") from None
    if not unpacker.eof:
        raise DatasetError("the file ends before its compressed data does")


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found]  # Python 3.14
    except ImportError:
        raise DatasetError(
            "files that are compressed with zstd can be read by Python 3.14 or later"
        ) from None
    unpacker = zstd.ZstdDecompressor()
    try:
        for chunk in chunks:
            yield unpacker.decompress(chunk)
    except zstd.ZstdError as error:
        raise DatasetError(f"the file is not compressed with zstd: {error}") from None
