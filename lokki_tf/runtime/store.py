"""Access of a step to the pipeline's bucket."""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_AT_ONCE = 16  # objects that are read in parallel
_ATTEMPTS = 10
_READS = 3


@cache
def client() -> Any:
    """Return the S3 client, created when a reference is first read or written.

    It repeats requests for which S3 returns 500, 503 or "slow down", at an adaptive rate, so that
    a step does not fail after its work because its result cannot be stored at the moment.
    Source: boto3's guide, "Retries".
    """
    import boto3  # imported here: most calls never need it, and it takes 300 ms
    from botocore.config import Config

    retries = {"mode": "adaptive", "total_max_attempts": _ATTEMPTS}
    return boto3.client("s3", config=Config(retries=retries))


def read(uri: str) -> bytes:
    """Return the bytes of an object.

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
    """Return the bytes of several objects, read in parallel."""
    wanted = list(dict.fromkeys(uris))
    if len(wanted) < 2:
        return {uri: read(uri) for uri in wanted}
    from concurrent.futures import ThreadPoolExecutor

    client()  # created once, before threads could create it twice
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(read, wanted)))


def write(uri: str, data: bytes) -> str:
    """Store an object.

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
    """Split an ``s3://bucket/key`` URI into bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
