"""Values in order, of which many or large ones are in a temporary file.

The results of a map that only steps read one after another are collected so, and the items of a
generator.
"""

from __future__ import annotations

import os
import sys
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, BinaryIO, overload

from .copies import ATOMS, copied

MOST_OBJECTS = 10_000
MOST_BYTES = 16 * 2**20
"""Values in memory; further ones are in a file."""

Convert = Callable[[Any], Any]


class Spool:
    """Collects values by their indices, from any thread.

    Values that cannot be pickled stay in memory.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._objects: dict[int, Any] = {}
        self.bytes = 0
        """Bytes of all values, as they are serialized."""
        self._file: BinaryIO | None = None
        self._path = ""
        self._starts = array("q")
        self._sizes = array("q")
        self._end = 0
        self.count = 0
        """The number of values."""

    def __setitem__(self, index: int, value: Any) -> None:
        # With the lock, so that threads that wait for it have no pickles.
        with self._lock:
            self.count += 1
            if self._file is None:
                self._objects[index] = value
                self.bytes += _size(value)
                if len(self._objects) > MOST_OBJECTS or self.bytes > MOST_BYTES:
                    self._open()
            elif not self._written(self._file, index, value):
                self._objects[index] = value

    def _written(self, file: BinaryIO, index: int, value: Any) -> bool:
        """Append a value to the file; return whether it can be pickled."""
        if type(value) in ATOMS:
            size = file.write(self._dumps(value, 5))
        else:
            from lokki_tf.runtime.envelope import dump  # imported here: the runtime imports json

            try:
                dump(value, file, bool)  # a buffer is true, and becomes part of the pickle
            except OSError:  # the disk is full
                raise
            except Exception:
                file.seek(self._end)
                file.truncate()
                return False
            size = file.tell() - self._end
        missing = index + 1 - len(self._starts)
        if missing > 0:
            self._starts.extend([0] * missing)
            self._sizes.extend([0] * missing)
        self._starts[index], self._sizes[index] = self._end, size
        self._end += size
        self.bytes += size
        return True

    def _open(self) -> None:
        import pickle
        from tempfile import mkstemp

        self._dumps = pickle.dumps
        descriptor, self._path = mkstemp(prefix="lokki_tf-")
        self._file = open(descriptor, "wb")  # noqa: SIM115  # closed with the spool
        weakref.finalize(self, _remove, self._file, self._path)

    def values(self) -> list[Any] | Spooled:
        """Return all values, in order: a list, unless some are in a file."""
        if self._file is None:
            return [self._objects[index] for index in sorted(self._objects)]
        self._file.flush()
        return Spooled(
            self,
            self._path,
            self._starts,
            self._sizes,
            self._objects,
            self.count,
        )


def _remove(file: BinaryIO, path: str) -> None:
    with suppress(OSError):
        file.close()
        os.unlink(path)


def _size(value: Any) -> int:
    if type(value) in ATOMS:
        return sys.getsizeof(value)
    import pickle  # not at the top: few runs need it

    try:
        return len(pickle.dumps(value, 5))
    except Exception:
        return sys.getsizeof(value)


class Spooled(Sequence[Any]):
    """Values in order, which are read from a file when they are needed.

    Args:
        spool: Keeps the file.
        path: The file.
        starts: The position of each pickle in it.
        sizes: Bytes of each pickle; 0 for values that are elsewhere or missing.
        objects: Values in memory, by index.
        count: The number of values.
        convert: Applied to each value that is taken.
    """

    def __init__(
        self,
        spool: Spool,
        path: str,
        starts: array[int],
        sizes: array[int],
        objects: Mapping[int, Any],
        count: int,
        convert: Convert | None = None,
    ) -> None:
        self._spool = spool
        self._parts = path, starts, sizes, objects
        self._count = count
        self._convert = convert

    def converted(self, convert: Convert) -> Spooled:
        """Return the same values, each of which a function converts when it is taken."""
        return Spooled(self._spool, *self._parts, self._count, convert)

    @property
    def source(self) -> Source:
        """What reads the values, also in another process while this one keeps them."""
        return Source(*self._parts)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        values = iter(self.source)
        return values if self._convert is None else map(self._convert, values)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        from itertools import islice

        if isinstance(index, slice):
            wanted = range(self._count)[index]
            found = {n: one for n, one in enumerate(self) if n in wanted}
            return [found[n] for n in wanted]
        number = range(self._count)[index]
        return next(islice(self, number, None))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | Spooled):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as a list has none

    def __repr__(self) -> str:
        from itertools import islice

        first = ", ".join(repr(one) for one in islice(self, 3))
        return f"<{self._count:,} values in a file: [{first}, …]>"

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)  # the file ends with this process


class Source:
    """Reads spooled values in order, each time from the first.

    Args:
        path: As for :class:`Spooled`, as are the others.
        starts: See there.
        sizes: See there.
        objects: See there.
    """

    __slots__ = ("_objects", "_path", "_sizes", "_starts")

    def __init__(
        self, path: str, starts: array[int], sizes: array[int], objects: Mapping[int, Any]
    ) -> None:
        self._path = path
        self._starts = starts
        self._sizes = sizes
        self._objects = objects

    def __iter__(self) -> Iterator[Any]:
        import pickle

        last = max(len(self._starts), 1 + max(self._objects, default=-1))
        with open(self._path, "rb") as file:
            for index in range(last):
                if index in self._objects:
                    yield self._objects[index]
                elif index < len(self._sizes) and self._sizes[index]:
                    if file.tell() != self._starts[index]:
                        file.seek(self._starts[index])
                    yield pickle.loads(file.read(self._sizes[index]))


def each(values: Any, convert: Convert | None = None) -> Iterator[Any]:
    """Yield values one after another; each is a copy of the reader's own, as in AWS.

    Args:
        values: A list or a :class:`Source`.
        convert: Returns the copy; by default as other values between steps are copied.
    """
    return map(convert or copied, values)
