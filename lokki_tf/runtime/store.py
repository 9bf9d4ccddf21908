"""Access of a step to the pipeline's bucket.

Two variables of a function's environment locate its objects: ``LOKKI_STORE`` is the pipeline's part
of a bucket, ``s3://bucket/prefix``, and ``LOKKI_STEP`` the step's name. Nothing outside of the
store is read. A step writes only below ``runs/<step>/``: values and items under the SHA-256 of
their bytes. So a reference contains the hash of its object, a reader verifies it, and a second
delivery of an event cannot replace what another step has read.
"""

from __future__ import annotations

import os
from functools import cache

from .names import DIGEST_LENGTH, STEP, STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_AT_ONCE = 16  # objects that are read in parallel
_ATTEMPTS = 10
_READS = 3


class UntrustedReferenceError(Exception):
    """A reference is outside of the pipeline's store, or its object has been changed."""


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


def read(uri: str, root: str | None = None) -> bytes:
    """Return the bytes of an object.

    Args:
        uri: ``s3://bucket/key``.
        root: ``s3://bucket/prefix`` of its pipeline, if that is another one than this.

    Raises:
        UntrustedReferenceError: As for :func:`refuse_outside` and :func:`verified`.
    """
    root = root or os.environ.get(STORE)
    if root:
        refuse_outside(uri, root)
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
            return verified(uri, body)


def refuse_outside(uri: str, root: str) -> None:
    """Raise an error for a reference to anything but run data and literals of one pipeline.

    Args:
        uri: ``s3://bucket/key``.
        root: ``s3://bucket/prefix`` of the pipeline.

    Raises:
        UntrustedReferenceError: If it is outside.
    """
    first, *rest = uri.removeprefix(f"{root}/").split("/")
    known = uri.startswith(f"{root}/") and first in ("runs", "literals")
    if known and rest and not {"", ".", ".."} & {*rest}:
        return
    raise UntrustedReferenceError(f"{uri!r} is not an object of the pipeline in {root}")


def verified(uri: str, data: bytes) -> bytes:
    """Return the bytes of an object, if its name is not the SHA-256 of others.

    Args:
        uri: ``s3://bucket/key``; objects of earlier versions have no digest in their names.
        data: The bytes.

    Raises:
        UntrustedReferenceError: If they are not those that were written.
    """
    name = uri.rpartition("/")[2].partition(".")[0]
    is_digest = len(name) == DIGEST_LENGTH and not name.strip("0123456789abcdef")
    if is_digest and digest(data) != name:
        raise UntrustedReferenceError(f"{uri!r} has been changed since it was written")
    return data


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def folder_of(event: dict[str, Any]) -> str:
    """Return the URI of the folder for a step's objects of one run.

    Args:
        event: As described in :mod:`.handler`; without the variables, its store and node count.
    """
    root, step = os.environ.get(STORE) or event["store"], os.environ.get(STEP) or event["node"]
    return f"{root}/runs/{step}/{event['run']}"


def keep(folder: str, form: str, data: bytes) -> str:
    """Store bytes under their SHA-256 and return the URI.

    Args:
        folder: URI of the folder.
        form: The name's ending, such as ``json.gz``.
        data: The bytes.
    """
    return write(f"{folder}/{digest(data)}.{form}", data)


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
