"""Access of a step to the pipeline's bucket.

Two variables of a function's environment locate its objects: ``LOKKI_STORE`` is the pipeline's part
of a bucket, ``s3://bucket/prefix``, and ``LOKKI_STEP`` the step's name. Nothing outside of the
store is read. A step writes only below ``runs/<step>/``: values and items under the SHA-256 of
their bytes. So a reference contains the hash of its object, a reader verifies it, and a second
delivery of an event cannot replace what another step has read.

Many small values of a call are parts of common objects, which have random names. The reference to a
part is ``s3://bucket/key#start-end/digest.form``, with its first byte, the byte after its last one,
and the first half of the SHA-256 of its bytes.
"""

from __future__ import annotations

import os
from collections import deque
from functools import cache
from itertools import chain

from .envelope import BLOCKS, is_digest_of, name_and_form, name_of
from .names import DIGEST_LENGTH, PART_DIGEST_LENGTH, STEP, STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future
    from typing import Any, TypeVar

    from .blocks import Bytes, Source
    from .envelope import Frozen

    SomeSource = TypeVar("SomeSource", bound=Source)
    T = TypeVar("T")

_AT_ONCE = 16  # objects that are read in parallel
_ATTEMPTS = 10
_READS = 3
_PART = 5 * 2**20  # bytes of a part of an upload
_SENT_AT_ONCE = 4
_MOST_UPLOADS = 8
_MOST_HELD = 32 * 2**20  # bytes of objects that wait to be stored
_TAIL = 2**18  # bytes at the end of an object of blocks that are read first: most have fewer
_WHOLE = 8 * 2**20  # objects of blocks that are read at once
_SMALL = 2**20  # bytes of a value that is a part of a common object
_COMMON = 4 * 2**20  # bytes of a common object, and of parts that are read at once
_GAP = 2**16  # bytes between parts that are read at once


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
    if not uri.endswith(BLOCKS) or part_of(uri)[1] is not None:
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
    wanted, left = request_of(uri), _READS
    if part is not None:
        wanted["Range"] = part
    while True:
        left -= 1
        found = client().get_object(**wanted)
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
    name, form = name_and_form(uri)
    length = DIGEST_LENGTH if part_of(uri)[1] is None else PART_DIGEST_LENGTH
    is_digest = len(name) == length and not name.strip("0123456789abcdef")
    if is_digest and not is_digest_of(name, form, data):
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
    """Return several objects as :func:`opened` does, in parallel.

    Parts of one object that are near to each other are read together.
    """
    groups = {group[0]: group for group in together(dict.fromkeys(uris), str)}
    found = _for_all(lambda first: _opened_together(groups[first]), groups)
    return {uri: source for one in found.values() for uri, source in one.items()}


def together(found: Iterable[T], uri_of: Callable[[T], str]) -> Iterator[list[T]]:
    """Yield what has references in groups, each of which is read by one request.

    Args:
        found: References to parts of one object are in the order of the parts.
        uri_of: Returns the reference of each; an empty text, if it is read alone.
    """
    group: list[T] = []
    before, first, last = "", 0, 0
    for one in found:
        whole, part = part_of(uri_of(one))
        start, end = part or (0, 0)
        is_near = whole == before and 0 <= start - last <= _GAP and end - first <= _COMMON
        if group and (part is None or not is_near):
            yield group
            group = []
        if not group:
            first = start
        group.append(one)
        before, last = "" if part is None else whole, end
    if group:
        yield group


def _opened_together(group: list[str]) -> dict[str, Source]:
    """Return the bytes of the references of a group, by reference."""
    if len(group) == 1:
        return {group[0]: opened(group[0])}
    parts = [part_of(uri)[1] or (0, 0) for uri in group]
    begin, end = parts[0][0], parts[-1][1]
    data = read(f"{part_of(group[0])[0]}#{begin}-{end}")
    return {
        uri: verified(uri, data[start - begin : end - begin])
        for uri, (start, end) in zip(group, parts)
    }


class Items:
    """The objects of a batch's items, each of which is read when its item begins.

    Parts of one object that several items take are read together, and kept until then.

    Args:
        uris: The references of all items, in order.
    """

    def __init__(self, uris: Iterable[str]) -> None:
        self._groups = {uri: one for one in together(dict.fromkeys(uris), str) for uri in one}
        self._held: dict[str, Source] = {}

    def take(self, uris: Iterable[str]) -> dict[str, Source]:
        """Return the objects of one item.

        Args:
            uris: Its references.
        """
        wanted = list(dict.fromkeys(uris))
        # An object that an earlier item has taken is read again, alone.
        missing = [self._groups.pop(uri, [uri]) for uri in wanted if uri not in self._held]
        self._held |= open_all(one for group in missing for one in group)
        return {uri: self._held.pop(uri) for uri in wanted}


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

    At most eight, with 32 MiB, are in memory. Values of up to 1 MiB are parts of common objects.

    Args:
        folder: URI of the folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pool: Any = None
        self._waiting: deque[tuple[int, Future[Any]]] = deque()
        self._common = bytearray()
        self._name = ""

    def keep(self, form: str, data: Frozen) -> str:
        """Begin to store a value; return the reference to it.

        Args:
            form: The name's ending, such as ``json.gz``.
            data: Its bytes or blocks. Blocks refer to memory that may change afterwards, so they
                are copied, or stored before this returns.
        """
        name = name_of(form, data)
        uri = f"{self._folder}/{name}.{form}"
        if not isinstance(data, bytes):
            if data.size > _WHOLE:
                return write(uri, data)
            data = bytes(data)
        if len(data) > _SMALL:
            self._begin(uri, data)
            return uri
        if len(self._common) + len(data) > _COMMON:
            self._end_common()
        if not self._common:
            from uuid import uuid4

            self._name = f"{self._folder}/{uuid4().hex}"
        start = len(self._common)
        self._common += data
        part = f"{start}-{len(self._common)}/{name[:PART_DIGEST_LENGTH]}"
        return f"{self._name}#{part}.{form}"

    def _end_common(self) -> None:
        """Begin to store the common object."""
        if self._common:
            self._begin(self._name, self._common)
            self._common = bytearray()

    def _begin(self, uri: str, data: Bytes) -> None:
        """Begin to store an object, when there is room for its bytes."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            client()  # created once, before threads could create it twice
            self._pool = ThreadPoolExecutor(_MOST_UPLOADS)
        while self._waiting and (
            len(self._waiting) == _MOST_UPLOADS or self._held + len(data) > _MOST_HELD
        ):
            self._waiting.popleft()[1].result()
        self._waiting.append((len(data), self._pool.submit(_put, uri, data)))

    @property
    def _held(self) -> int:
        return sum(size for size, _ in self._waiting)

    def __enter__(self) -> Uploads:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until everything is stored; after an error, only for what has begun."""
        try:
            if kind is None:
                self._end_common()
                while self._waiting:
                    self._waiting.popleft()[1].result()
        finally:
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


def part_of(uri: str) -> tuple[str, tuple[int, int] | None]:
    """Split a reference to a part of an object: the object's URI, and the part's start and end.

    Args:
        uri: Any reference; that to a whole object has no part.
    """
    whole, _, part = uri.partition("#")
    if not part:
        return uri, None
    start, _, end = part.partition("/")[0].partition("-")
    return whole, (int(start), int(end))


def request_of(uri: str) -> dict[str, str]:
    """Return the parameters of S3's ``GetObject`` for a reference.

    Args:
        uri: The reference.
    """
    whole, part = part_of(uri)
    bucket, key = split(whole)
    wanted = {"Bucket": bucket, "Key": key}
    return wanted if part is None else {**wanted, "Range": f"bytes={part[0]}-{part[1] - 1}"}


def split(uri: str) -> tuple[str, str]:
    """Split an ``s3://bucket/key`` URI into bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
