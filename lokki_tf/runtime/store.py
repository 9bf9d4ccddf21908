"""The pipeline's bucket, as a step sees it."""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_AT_ONCE = 16  # objects that are read side by side


@cache
def client() -> Any:
    """The S3 client, made when a reference is first read or written."""
    import boto3  # not at the top: most calls never need it, and it costs 300 ms

    return boto3.client("s3")


def read(uri: str) -> bytes:
    """The bytes of an object.

    Args:
        uri: ``s3://bucket/key``.
    """
    bucket, key = split(uri)
    body: bytes = client().get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def read_all(uris: Iterable[str]) -> dict[str, bytes]:
    """The bytes of several objects, read side by side."""
    wanted = list(dict.fromkeys(uris))
    if len(wanted) < 2:
        return {uri: read(uri) for uri in wanted}
    from concurrent.futures import ThreadPoolExecutor

    client()  # made once, before threads could make it twice
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(read, wanted)))


def write(uri: str, data: bytes) -> str:
    """Stores an object.

    Args:
        uri: ``s3://bucket/key``.
        data: Its bytes.

    Returns:
        The URI.
    """
    bucket, key = split(uri)
    client().put_object(Bucket=bucket, Key=key, Body=data)
    return uri


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an ``s3://bucket/key`` URI."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
