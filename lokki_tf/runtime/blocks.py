"""Large values as blocks: a pickle, and the buffers of arrays and tables outside of it.

Buffers are neither joined nor copied, compressed where a sample shows that it pays, and written and
read by several threads. An object in this format consists of

- the stored blocks: each has at most :data:`BLOCK` bytes of one stream, as they are (codec 0),
  compressed with zlib (codec 1), or ordered and then compressed with zlib (codec 2): first the
  first byte of each eight, then the second of each, and so on, which makes numbers compressible;
- the index, JSON: ``{"format": 1, "streams": [["pickle", bytes], …], "blocks": [[stream, bytes,
  stored bytes, codec], …], "sha256": "…"}`` with the digests of all blocks before compression,
  joined;
- the length of the index in 8 bytes, the most significant first, and :data:`MAGIC`.

The first stream is a pickle of protocol 5. Streams ``"buffer"`` are its out-of-band buffers, in
order (Python's documentation of pickle, "Out-of-band Buffers"). Streams ``"slice"`` are parts of
values that have no such buffers, see :mod:`.slices`. The name of an object is the SHA-256 of
format, streams and digests, so it depends on the value alone, and can be known before anything is
compressed.
"""

from __future__ import annotations

import io
import json
import os
import threading
import zlib
from collections import deque
from contextlib import suppress
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any, Protocol

    Bytes = bytes | bytearray | memoryview

    class Source(Protocol):
        """The bytes of an object: itself, a view of a mapped file, or requests to the bucket."""

        def __len__(self) -> int: ...

        def __getitem__(self, part: slice) -> Bytes: ...


MAGIC = b"lokkiblk"
FOOTER = 8 + len(MAGIC)
BLOCK = 2 * 2**20  # bytes of a stream
LARGE = 256 * 2**10  # a smaller buffer is in the pickle
SMALL = 2**20  # a smaller pickle without buffers is no object of blocks
_FORMAT = 1
_PICKLE, _BUFFER, _SLICE = "pickle", "buffer", "slice"
_PLAIN, _ZLIB, _ORDERED = 0, 1, 2
_WORD = 8
_SAMPLES, _SAMPLE, _SHORT = 4, 4 * 2**10, 2**10
_PAYS = 0.8  # compressed to this share of its size at most
_HOPELESS = 0.85  # if short samples have more, no others are made
_SPOOL = 16 * 2**20  # bytes of compressed blocks in memory; further ones are in a temporary file
_AHEAD = 4  # blocks of the pickle that are compressed or read before they are needed
_REQUEST = 4 * 2**20  # stored bytes that are read at once
_DIGEST = 32
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"


def threads() -> int:
    """Return how many threads compress and read."""
    return min(8, os.cpu_count() or 1)


class _Block:
    """A block that will be stored: a view of the value's memory, or a part of the spool."""

    __slots__ = ("codec", "digest", "size", "start", "stored", "stream", "view")

    def __init__(self, stream: int, view: memoryview) -> None:
        self.stream = stream
        self.size = view.nbytes
        self.view: memoryview | None = view
        self.digest = b""
        self.codec = _PLAIN
        self.stored = 0
        self.start = 0


class Blocks:
    """A value that is pickled, and will be stored in blocks.

    It refers to the value's own memory: store it before the value changes.

    Args:
        value: The value.
        dump: Pickles a value into a file, with a ``buffer_callback`` and a function that may
            replace parts of the value, as :meth:`pickle.Pickler.reducer_override`.

    Raises:
        Exception: Any error of pickle, for a value that cannot be pickled.
    """

    def __init__(self, value: Any, dump: Callable[..., None]) -> None:
        from .slices import Slicer

        self.pickle: bytes | None = None
        """The pickle of a value that is too small for blocks."""
        self._blocks: list[_Block] = []
        self._streams: list[list[Any]] = [[_PICKLE, 0]]
        self._spool: Any = None
        self._pool: Any = None
        self._own: deque[tuple[_Block, Future[Bytes]]] = deque()
        pickle = _Sink(self, 0)
        try:
            dump(value, pickle, self._buffer, Slicer(self.add_stream).reduced)
            if not self._blocks and len(pickle.pending) < SMALL:
                self.pickle = bytes(pickle.pending)
                return
            pickle.end()
            self._settle(0)
        finally:
            self._end()
        self._index = _Index(self._streams, [], [one.digest for one in self._blocks])
        self._index.blocks = self._layout()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def _layout(self) -> list[list[int]]:
        return [[one.stream, one.size, one.stored, one.codec] for one in self._blocks]

    def _begun(self, block: _Block, work: Callable[[_Block], Bytes]) -> None:
        """Add a block, and begin to work at it."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor
            from tempfile import SpooledTemporaryFile

            self._pool = ThreadPoolExecutor(threads())
            self._spool = SpooledTemporaryFile(_SPOOL)  # noqa: SIM115  # it lives as long as this
        self._blocks.append(block)
        self._own.append((block, self._pool.submit(work, block)))

    @property
    def digest(self) -> str:
        """The SHA-256 that is the object's name."""
        return self._index.name

    @property
    def size(self) -> int:
        """Bytes of the value's streams."""
        return sum(size for _, size in self._streams)

    def stored(self) -> Iterator[Bytes]:
        """Yield the object's bytes, in order; blocks are compressed as they are taken."""
        from concurrent.futures import ThreadPoolExecutor

        waiting: deque[tuple[_Block, Future[Bytes]]] = deque()
        blocks = iter(self._blocks)
        with ThreadPoolExecutor(threads()) as pool:
            while True:
                while len(waiting) < threads() + 1 and (block := next(blocks, None)) is not None:
                    waiting.append((block, pool.submit(self._stored, block)))
                if not waiting:
                    break
                block, done = waiting.popleft()
                data = done.result()
                block.stored = len(data)
                yield data
        self._index.blocks = self._layout()
        index = self._index.text()
        yield index + len(index).to_bytes(8, "big") + MAGIC

    def __bytes__(self) -> bytes:
        return b"".join(self.stored())

    def add_stream(self, parts: Iterator[Bytes]) -> int:
        """Add a stream of bytes that nobody else keeps; return its number."""
        self._streams.append([_SLICE, 0])
        number = len(self._streams) - 1
        sink = _Sink(self, number)
        for part in parts:
            sink.copy(memoryview(part).cast("B"))
        sink.end()
        return number

    def _buffer(self, buffer: Any) -> bool:
        """Add a stream for an out-of-band buffer; return whether it is in the pickle instead."""
        view = buffer.raw()
        if view.nbytes < LARGE:
            return True
        self._streams.append([_BUFFER, 0])
        self.view(len(self._streams) - 1, view)
        return False

    def view(self, stream: int, view: memoryview) -> None:
        """Add bytes of the value itself to a stream."""
        self._streams[stream][1] += view.nbytes
        for start in range(0, view.nbytes, BLOCK):
            self._begun(_Block(stream, view[start : start + BLOCK]), _measured)

    def data(self, stream: int, data: bytes) -> None:
        """Add at most a block of bytes that nobody else keeps to a stream."""
        self._streams[stream][1] += len(data)
        self._begun(_Block(stream, memoryview(data)), _compressed)
        self._settle(threads() + _AHEAD)

    def _settle(self, most: int) -> None:
        """Take the results of all but the latest blocks; spool those that are not views."""
        while len(self._own) > most:
            block, done = self._own.popleft()
            data = done.result()
            if block.view is None:
                block.start = self._spool.tell()
                self._spool.write(data)

    def _stored(self, block: _Block) -> Bytes:
        if block.view is not None:
            return _encoded(block.view, block.codec)
        return self._spooled(block)

    def _spooled(self, block: _Block) -> bytes:
        with _SPOOLED:
            self._spool.seek(block.start)
            data: bytes = self._spool.read(block.stored)
            return data


_SPOOLED = threading.Lock()


def _measured(block: _Block) -> Bytes:
    """Note a view's digest and whether compressing it pays."""
    assert block.view is not None
    block.digest = sha256(block.view).digest()
    block.codec = _best_codec(block.view)
    return b""


def _compressed(block: _Block) -> Bytes:
    """Note a block's digest; return it as it is stored, and forget its memory."""
    view, block.view = block.view, None
    assert view is not None
    block.digest = sha256(view).digest()
    block.codec = _best_codec(view)
    data = _encoded(view, block.codec)
    block.stored = len(data)
    return data


def _best_codec(view: memoryview) -> int:
    """Return how samples of some bytes become smallest, if that is worth the time."""
    share, codec = 0.0, _PLAIN
    for length in (_SHORT, _SAMPLE):
        if share <= _HOPELESS:
            share, codec = _smallest(view, length)
    return codec if share <= _PAYS else _PLAIN


def _smallest(view: memoryview, length: int) -> tuple[float, int]:
    """Return the share of their size to which samples are compressed, and how."""
    step = max(length, view.nbytes // _SAMPLES // _WORD * _WORD)
    sample = b"".join(view[at : at + length] for at in range(0, view.nbytes, step))
    size, codec = min((len(_encoded(sample, one)), one) for one in (_ZLIB, _ORDERED))
    return size / len(sample), codec


def _encoded(data: Bytes, codec: int) -> Bytes:
    if codec == _PLAIN:
        return data
    if codec == _ORDERED:
        plain = bytes(data)  # its slices are made much faster than those of a view
        whole = len(plain) // _WORD * _WORD
        ordered = [plain[place:whole:_WORD] for place in range(_WORD)]
        data = b"".join((*ordered, plain[whole:]))
    return zlib.compress(data, 1)


def _decoded(data: Bytes, codec: int, size: int) -> Bytes:
    if codec == _PLAIN:
        return data
    plain = zlib.decompressobj().decompress(data, size)
    if codec == _ZLIB or len(plain) != size:
        return plain
    restored, count = bytearray(size), size // _WORD
    for place in range(_WORD):
        restored[place : count * _WORD : _WORD] = plain[place * count : (place + 1) * count]
    restored[count * _WORD :] = plain[count * _WORD :]
    return restored


class _Sink:
    """The file into which a pickle is written: a stream in blocks.

    Args:
        blocks: Where the blocks are added.
        stream: The number of the stream.
    """

    def __init__(self, blocks: Blocks, stream: int) -> None:
        self._blocks = blocks
        self._stream = stream
        self.pending = bytearray()

    def write(self, data: Any) -> int:
        """Add bytes; long ``bytes`` belong to the value, and are not copied."""
        # A buffer in the pickle is written as it is: with items of several bytes, and dimensions.
        view = data.raw() if hasattr(data, "raw") else memoryview(data).cast("B")
        if type(data) is bytes and view.nbytes >= LARGE:
            self.end()
            self._blocks.view(self._stream, view)
        else:
            self.copy(view)
        return view.nbytes

    def copy(self, view: memoryview) -> None:
        """Add bytes that will change."""
        while view.nbytes:
            room = BLOCK - len(self.pending)
            self.pending += view[:room]
            view = view[room:]
            if len(self.pending) == BLOCK:
                self.end()

    def end(self) -> None:
        """Make a block of the bytes that are pending."""
        if self.pending:
            self._blocks.data(self._stream, bytes(self.pending))
            self.pending = bytearray()


class _Index:
    """What an object contains, and where."""

    def __init__(
        self, streams: list[list[Any]], blocks: list[list[int]], digests: Sequence[bytes]
    ) -> None:
        self.streams = streams
        self.blocks = blocks
        self.digests = digests

    @property
    def name(self) -> str:
        """The SHA-256 of the value's streams."""
        layout = json.dumps([_FORMAT, self.streams, [block[:2] for block in self.blocks]])
        return sha256(layout.encode() + b"".join(self.digests)).hexdigest()

    def text(self) -> bytes:
        """Return the index as it is stored."""
        known = {"format": _FORMAT, "streams": self.streams, "blocks": self.blocks}
        return json.dumps({**known, "sha256": b"".join(self.digests).hex()}).encode()

    @property
    def size(self) -> int:
        """Bytes of all streams."""
        return sum(size for _, size in self.streams)


class CorruptObjectError(Exception):
    """An object does not contain what was written."""


def length_of_index(tail: Bytes) -> int:
    """Return the length of an object's index and footer.

    Args:
        tail: The object's last bytes, at least :data:`FOOTER`.

    Raises:
        CorruptObjectError: If it is no object of blocks.
    """
    if bytes(tail[len(tail) - len(MAGIC) :]) != MAGIC:
        raise CorruptObjectError("the object is incomplete, or in a format that is not known here")
    start = len(tail) - FOOTER
    return int.from_bytes(tail[start : start + 8], "big") + FOOTER


def _index(source: Source) -> _Index:
    size = len(source)
    length = length_of_index(source[max(0, size - FOOTER) : size])
    known = json.loads(bytes(source[size - length : size - FOOTER]))
    if known["format"] > _FORMAT:
        raise CorruptObjectError("the object is newer than this code: deploy the pipeline again")
    digests = bytes.fromhex(known["sha256"])
    count = len(known["blocks"])
    found = _Index(
        known["streams"],
        known["blocks"],
        [digests[at * _DIGEST : (at + 1) * _DIGEST] for at in range(count)],
    )
    sizes = [0] * len(found.streams)
    for stream, plain, _, _ in found.blocks:
        sizes[stream] += plain
    stored = sum(block[2] for block in found.blocks)
    if sizes != [size for _, size in found.streams] or stored != size - length:
        raise CorruptObjectError("the object's index contradicts itself")
    return found


def name_of(source: Source) -> str:
    """Return the name that an object must have, from its index."""
    return _index(source).name


def load(source: Source, unpickle: Callable[..., Any]) -> Any:
    """Return the value of an object.

    Args:
        source: The object.
        unpickle: Unpickles a file with ``buffers``.

    Raises:
        CorruptObjectError: If a block has been changed.
        MemoryError: If the function's memory is too small.
    """
    index = _index(source)
    refuse_too_large(index.size)
    with _Loader(source, index) as loader:
        return unpickle(loader.file(0), loader.buffers())


def refuse_too_large(size: int) -> None:
    """Raise an error if a value cannot fit in the memory of a Lambda function.

    Lambda ends the process otherwise, with ``Runtime.OutOfMemory`` and without saying why.

    Args:
        size: Bytes that the value needs at least.

    Raises:
        MemoryError: If fewer are left.
    """
    limit = int(os.environ.get(MEMORY, 0)) * 2**20
    if not limit:
        return
    left = limit - _resident()
    if size > left:
        mib = [f"{n / 2**20:,.0f} MiB" for n in (size, max(left, 0), limit)]
        raise MemoryError(
            f"a value of {mib[0]} does not fit: {mib[1]} of the function's {mib[2]} are left; "
            f"increase memory=, or process the data in parts"
        )


def _resident() -> int:
    """Return the bytes of memory that this process has."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


class _Loader:
    """Reads streams of an object with several threads."""

    def __init__(self, source: Source, index: _Index) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._source = source
        self._index = index
        self._pool = ThreadPoolExecutor(getattr(source, "threads", threads()))
        self._ahead = ThreadPoolExecutor(2)  # so that the pickle does not wait for all buffers
        self._blocks: list[list[int]] = [[] for _ in index.streams]
        self._starts: list[int] = []
        at = 0
        for number, (stream, _, stored, _) in enumerate(index.blocks):
            self._blocks[stream].append(number)
            self._starts.append(at)
            at += stored

    def __enter__(self) -> _Loader:
        from .slices import LOADING

        self._outer = getattr(LOADING, "loader", None)
        LOADING.loader = self
        return self

    def __exit__(self, *_: object) -> None:
        from .slices import LOADING

        LOADING.loader = self._outer
        for pool in (self._pool, self._ahead):
            pool.shutdown(wait=True, cancel_futures=True)

    def file(self, stream: int) -> io.BufferedReader:
        """Return a stream as a file."""
        return io.BufferedReader(_Stream(self._parts(stream)), 2**16)

    def size(self, stream: int) -> int:
        """Return the bytes of a stream."""
        size: int = self._index.streams[stream][1]
        return size

    def _parts(self, stream: int) -> Iterator[Bytes]:
        """Yield the blocks of a stream, some of which are read ahead."""
        waiting: deque[Future[Bytes]] = deque()
        numbers = iter(self._blocks[stream])
        while True:
            while len(waiting) < _AHEAD and (number := next(numbers, None)) is not None:
                waiting.append(self._ahead.submit(self._block, number))
            if not waiting:
                return
            yield waiting.popleft().result()

    def buffers(self) -> Iterator[Any]:
        """Yield the out-of-band buffers; all are being read from the first on."""
        wanted = [n for n, (kind, _) in enumerate(self._index.streams) if kind == _BUFFER]
        begun = deque((self._buffer(stream)) for stream in wanted)
        while begun:
            memory, reading = begun.popleft()
            for one in reading:
                one.result()
            yield memory

    def _buffer(self, stream: int) -> tuple[Any, list[Future[None]]]:
        memory = _memory(self._index.streams[stream][1])
        view, at, reading = memoryview(memory), 0, []
        for group in self._groups(self._blocks[stream]):
            size = sum(self._index.blocks[number][1] for number in group)
            reading.append(self._pool.submit(self._into, view[at : at + size], group))
            at += size
        return memory, reading

    def _groups(self, numbers: list[int]) -> list[list[int]]:
        """Return consecutive blocks that are read at once."""
        groups: list[list[int]] = []
        stored = 0
        for number in numbers:
            size = self._index.blocks[number][2]
            if groups and number == groups[-1][-1] + 1 and stored + size <= _REQUEST:
                groups[-1].append(number)
                stored += size
            else:
                groups.append([number])
                stored = size
        return groups

    def _into(self, memory: memoryview, group: list[int]) -> None:
        """Read consecutive blocks into memory."""
        start, last = self._starts[group[0]], group[-1]
        data = memoryview(self._source[start : self._starts[last] + self._index.blocks[last][2]])
        at = used = 0
        for number in group:
            _, size, stored, _ = self._index.blocks[number]
            memory[at : at + size] = self._plain(number, data[used : used + stored])
            at, used = at + size, used + stored

    def _block(self, number: int) -> Bytes:
        start = self._starts[number]
        return self._plain(number, self._source[start : start + self._index.blocks[number][2]])

    def _plain(self, number: int, data: Bytes) -> Bytes:
        _, size, _, codec = self._index.blocks[number]
        data = _decoded(data, codec, size)
        if len(data) != size or sha256(data).digest() != self._index.digests[number]:
            raise CorruptObjectError(f"block {number} has been changed since it was written")
        return data


def _memory(size: int) -> Any:
    """Return memory that can be written, and is not zeroed before it is needed."""
    import mmap

    if not hasattr(mmap, "MAP_PRIVATE"):
        return bytearray(size)
    # Private, so that the memory of a forked process remains its own.
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # not every kernel has them
            memory.madvise(mmap.MADV_HUGEPAGE)  # pages of 2 MiB, which are much faster to get
    return memory


class _Stream(io.RawIOBase):
    """A file of blocks that are read one after another."""

    def __init__(self, parts: Iterator[Bytes]) -> None:
        self._parts = parts
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._left.nbytes:
            self._left = memoryview(next(self._parts, b""))
        view = memoryview(target).cast("B")
        count = min(view.nbytes, self._left.nbytes)
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
