"""Access of a step to the pipeline's bucket.

Two variables of a function's environment locate its objects: ``LOKKI_STORE`` is the pipeline's part
of a bucket, ``s3://bucket/prefix``, and ``LOKKI_STEP`` the step's name. Nothing outside of the
store is read. A step writes only below ``runs/<step>/``: values and items under the SHA-256 of
their bytes. So a reference contains the hash of its object, a reader verifies it, and a second
delivery of an event cannot replace what another step has read.
"""

from __future__ import annotations

import os
from collections import deque
from functools import cache
from itertools import chain

from .envelope import BLOCKS, name_of
from .names import DIGEST_LENGTH, STEP, STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Any, TypeVar

    from .blocks import Bytes, Source
    from .envelope import Frozen

    SomeSource = TypeVar("SomeSource", bound=Source)

_AT_ONCE = 16  # objects that are read in parallel
_ATTEMPTS = 10
_READS = 3
_PART = 5 * 2**20  # bytes of a part of an upload
_SENT_AT_ONCE = 4
_MOST_UPLOADS = 8
_MOST_HELD = 32 * 2**20  # bytes of objects that wait to be stored
_TAIL = 2**18  # bytes at the end of an object of blocks that are read first: most have fewer
_WHOLE = 8 * 2**20  # objects of blocks that are read at once


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
    # As many connections as threads: urllib3 warns of each that it closes.
    return boto3.client("s3", config=Config(retries=retries, max_pool_connections=2 * _AT_ONCE))


def read(uri: str, root: str | None = None) -> bytes:
    """Return the bytes of an object.

    Args:
        uri: ``s3://bucket/key``.
        root: As for :func:`opened`.

    Raises:
        UntrustedReferenceError: As for :func:`opened`.
    """
    found = opened(uri, root)
    return bytes(found[0 : len(found)])


def opened(uri: str, root: str | None = None) -> Source:
    """Return the bytes of an object, or, of a large one in blocks, what reads some of them.

    Args:
        uri: ``s3://bucket/key``.
        root: ``s3://bucket/prefix`` of its pipeline, if that is another one than this.

    Raises:
        UntrustedReferenceError: As for :func:`refuse_outside` and :func:`verified`.
    """
    root = root or os.environ.get(STORE)
    if root:
        refuse_outside(uri, root)
    if not uri.endswith(BLOCKS):
        return verified(uri, _get(uri)[0])
    remote = Remote(uri)
    return verified(uri, remote[0 : len(remote)] if len(remote) <= _WHOLE else remote)


def parts_of(uri: str, size: int) -> Iterator[bytes]:
    """Yield the bytes of an object, in parts, each of which is requested while the last is used.

    Args:
        uri: ``s3://bucket/key``.
        size: Bytes of a part.

    Raises:
        UntrustedReferenceError: As for :func:`refuse_outside`.
    """
    from concurrent.futures import ThreadPoolExecutor

    root = os.environ.get(STORE)
    if root:
        refuse_outside(uri, root)
    data, where = _get(uri, f"bytes=0-{size - 1}")
    total, at = int(where.rpartition("/")[2]), len(data)
    with ThreadPoolExecutor(1) as pool:
        while data:
            part = f"bytes={at}-{at + size - 1}"
            following = pool.submit(_get, uri, part) if at < total else None
            yield data
            data = b"" if following is None else following.result()[0]
            at += len(data)


class Remote:
    """An object of blocks in the bucket, of which parts are read when they are needed.

    Args:
        uri: ``s3://bucket/key``.
    """

    threads = 8  # which read parts at once

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._tail, where = _get(uri, f"bytes=-{_TAIL}")
        self._size = int(where.rpartition("/")[2])

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        known = self._size - len(self._tail)
        if part.start >= known:
            return self._tail[part.start - known : part.stop - known]
        if part.stop <= known:
            return _get(self._uri, f"bytes={part.start}-{part.stop - 1}")[0]
        return self[part.start : known] + self[known : part.stop]


def _get(uri: str, part: str | None = None) -> tuple[bytes, str]:
    """Return an object's bytes, or those of a range, and the range that S3 sent."""
    bucket, key = split(uri)
    more, left = {} if part is None else {"Range": part}, _READS
    while True:
        left -= 1
        found = client().get_object(Bucket=bucket, Key=key, **more)
        try:
            return found["Body"].read(), found.get("ContentRange", "")
        except Exception as error:
            # boto3 repeats requests, but not bodies that end early.
            from botocore.exceptions import HTTPClientError, IncompleteReadError

            if not left or not isinstance(error, (HTTPClientError, IncompleteReadError)):
                raise


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


def verified(uri: str, data: SomeSource) -> SomeSource:
    """Return an object, if its name is not the digest of another one.

    Args:
        uri: ``s3://bucket/key``; objects of earlier versions have no digest in their names.
        data: Its bytes, or what reads them; blocks are verified as they are read.

    Raises:
        UntrustedReferenceError: If they are not those that were written.
    """
    name, _, form = uri.rpartition("/")[2].partition(".")
    is_digest = len(name) == DIGEST_LENGTH and not name.strip("0123456789abcdef")
    if is_digest and name_of(form, data) != name:
        raise UntrustedReferenceError(f"{uri!r} has been changed since it was written")
    return data


def folder_of(event: dict[str, Any]) -> str:
    """Return the URI of the folder for a step's objects of one run.

    Args:
        event: As described in :mod:`.handler`; without the variables, its store and node count.
    """
    root, step = os.environ.get(STORE) or event["store"], os.environ.get(STEP) or event["node"]
    return f"{root}/runs/{step}/{event['run']}"


def keep(folder: str, form: str, data: Frozen) -> str:
    """Store a value under its digest and return the URI.

    Args:
        folder: URI of the folder.
        form: The name's ending, such as ``json.gz``.
        data: The bytes or blocks.
    """
    return write(f"{folder}/{name_of(form, data)}.{form}", data)


def read_all(uris: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of several objects, read in parallel."""
    return _for_all(read, uris)


def open_all(uris: Iterable[str]) -> dict[str, Source]:
    """Return several objects as :func:`opened` does, in parallel."""
    return _for_all(opened, uris)


def _for_all(get: Callable[[str], Any], uris: Iterable[str]) -> dict[str, Any]:
    wanted = list(dict.fromkeys(uris))
    if len(wanted) < 2:
        return {uri: get(uri) for uri in wanted}
    from concurrent.futures import ThreadPoolExecutor

    client()  # created once, before threads could create it twice
    with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(get, wanted)))


def write(uri: str, data: Frozen) -> str:
    """Store an object.

    Args:
        uri: ``s3://bucket/key``.
        data: Its bytes or blocks.

    Returns:
        The URI.
    """
    if isinstance(data, bytes):
        _put(uri, data)
        return uri
    return write_parts(uri, data.stored())


def write_parts(uri: str, chunks: Iterator[Bytes]) -> str:
    """Store an object whose bytes are made while others are being sent.

    Args:
        uri: ``s3://bucket/key``.
        chunks: Its bytes, one after another.

    Returns:
        The URI.
    """
    parts = _parts(chunks)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        _put(uri, first)
    else:
        _upload(uri, chain((first, second), parts))
    return uri


def keep_parts(folder: str, form: str, chunks: Iterator[Bytes]) -> str:
    """Store an object whose bytes are made while others are being sent, and return the URI.

    It is named by its digest, or, if it has several parts, at random: the name is needed before the
    digest is known.

    Args:
        folder: URI of the folder.
        form: The name's ending, such as ``items.json``.
        chunks: Its bytes, one after another.
    """
    parts = _parts(chunks)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        return keep(folder, form, first)
    from uuid import uuid4

    return _upload(f"{folder}/{uuid4().hex}.{form}", chain((first, second), parts))


class Uploads:
    """Objects of which some are stored while others are made.

    At most eight, with 32 MiB, are in memory.

    Args:
        folder: URI of the folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pool: Any = None
        self._waiting: deque[tuple[int, Future[Any]]] = deque()

    def keep(self, form: str, data: Frozen) -> str:
        """Begin to store a value under its digest; return the URI.

        Args:
            form: The name's ending, such as ``json.gz``.
            data: Its bytes or blocks. Blocks refer to memory that may change afterwards, so they
                are copied, or stored before this returns.
        """
        uri = f"{self._folder}/{name_of(form, data)}.{form}"
        if not isinstance(data, bytes):
            if data.size > _WHOLE:
                return write(uri, data)
            data = bytes(data)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            client()  # created once, before threads could create it twice
            self._pool = ThreadPoolExecutor(_MOST_UPLOADS)
        while self._waiting and (
            len(self._waiting) == _MOST_UPLOADS or self._held + len(data) > _MOST_HELD
        ):
            self._waiting.popleft()[1].result()
        self._waiting.append((len(data), self._pool.submit(_put, uri, data)))
        return uri

    @property
    def _held(self) -> int:
        return sum(size for size, _ in self._waiting)

    def finish(self) -> None:
        """Wait until everything is stored."""
        while self._waiting:
            self._waiting.popleft()[1].result()

    def __enter__(self) -> Uploads:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def _put(uri: str, data: Bytes) -> None:
    bucket, key = split(uri)
    client().put_object(Bucket=bucket, Key=key, Body=data)


def _upload(uri: str, parts: Iterable[bytes]) -> str:
    """Store an object in parts, each while the next ones are made.

    Parts of an upload that fails are deleted by the bucket's lifecycle rule: a function that was
    killed could not do it.
    """
    from concurrent.futures import ThreadPoolExecutor

    bucket, key = split(uri)
    target = {"Bucket": bucket, "Key": key}
    target["UploadId"] = client().create_multipart_upload(**target)["UploadId"]

    def send(number: int, body: bytes) -> dict[str, Any]:
        sent = client().upload_part(**target, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    done: list[dict[str, Any]] = []
    waiting: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(_SENT_AT_ONCE) as pool:
        for number, body in enumerate(parts, 1):
            if len(waiting) == _SENT_AT_ONCE:
                done.append(waiting.popleft().result())
            waiting.append(pool.submit(send, number, body))
        done.extend(one.result() for one in waiting)
    client().complete_multipart_upload(**target, MultipartUpload={"Parts": done})
    return uri


def _parts(chunks: Iterator[Bytes]) -> Iterator[bytes]:
    """Yield pieces that are large enough for S3: at least 5 MiB, except the last.

    Source: S3 User Guide, "Amazon S3 multipart upload limits".
    """
    held: list[Bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= _PART:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def split(uri: str) -> tuple[str, str]:
    """Split an ``s3://bucket/key`` URI into bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
