"""The pipeline's bucket, as a step sees it."""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_AT_ONCE = 16  # objects that are read side by side
_ATTEMPTS = 10
_READS = 3


@cache
def client() -> Any:
    """The S3 client, made when a reference is first read or written.

    It repeats requests that S3 answers with 500, 503 or "slow down", at a rate that adapts, so that
    a step does not fail after its work because its result cannot be stored at this moment.
    Source: boto3's guide, "Retries".
    """
    import boto3  # not at the top: most calls never need it, and it costs 300 ms
    from botocore.config import Config

    retries = {"mode": "adaptive", "total_max_attempts": _ATTEMPTS}
    return boto3.client("s3", config=Config(retries=retries))


def read(uri: str) -> bytes:
    """The bytes of an object.

    Args:
        uri: ``s3://bucket/key``.
    """
    bucket, key = split(uri)
    left = _READS
    while True:
        left -= 1
        opened = client().get_object(Bucket=bucket, Key=key)
        try:
            body: bytes = opened["Body"].read()
        except Exception as error:
            # boto3 repeats requests, but not bodies that end early.
            from botocore.exceptions import HTTPClientError, IncompleteReadError

            if not left or not isinstance(error, (HTTPClientError, IncompleteReadError)):
                raise
        else:
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
