"""Values that several steps take, of which each step has a copy of its own, as in AWS.

Numbers, text and tuples of these cannot be changed and are shared. Other values are copied for
each step that takes them: lists, dicts and sets of such values by their own method, all else by
pickle, up to :data:`LARGEST` bytes. What is larger, or cannot be pickled, is shared; of the larger
ones a checksum is compared after the run, and a change is a warning.
"""

from __future__ import annotations

import zlib
from typing import Any

from lokki_tf.errors import Place

LARGEST = 4 * 2**20
"""Bytes of the pickle of a value that is copied for each step."""
LARGEST_OF_ITEMS = 2**16
"""The same, of a value that a map passes to each of its items."""
CHECKED = 32 * 2**20
"""Bytes of a pickle that are part of the checksum of a shared value."""
ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None), range))
"""Types whose values cannot be modified."""
_FLAT = frozenset((list, dict, set, bytearray))


class _Enough(Exception):
    """A pickle has as many bytes as are looked at."""


class _Sink:
    """Keeps the first bytes of a pickle, and a checksum of more."""

    def __init__(self, limit: int) -> None:
        self.data: bytearray | None = bytearray()
        self.checksum = 0
        self._limit = limit
        self._seen = 0

    def write(self, part: Any) -> None:
        """Take the next bytes."""
        view = memoryview(part).cast("B")[: CHECKED - self._seen]
        self.checksum = zlib.crc32(view, self.checksum)
        self._seen += len(view)
        if self.data is not None:
            self.data += view
            if len(self.data) > self._limit:
                self.data = None
        if self._seen >= CHECKED:
            raise _Enough


class Kept:
    """A value that may be changed by those who take it, and is kept as it is.

    Args:
        value: The value.
        limit: Bytes of its pickle up to which it is copied.
    """

    __slots__ = ("_checksum", "_data", "_limit", "_prepared", "value")

    def __init__(self, value: Any, limit: int = LARGEST) -> None:
        self.value = value
        self._limit = limit
        self._prepared = False
        self._data: bytes | None = None
        self._checksum: int | None = None

    def copy(self) -> Any:
        """A copy for one step; the value itself where there can be none."""
        if not self._prepared:
            self.prepare()
        if self._data is not None:
            import pickle

            return pickle.loads(self._data)
        return self.value if self._checksum != _FLAT_COPY else self.value.copy()

    def prepare(self) -> None:
        """Find out how it is copied, before a step can change it."""
        value = self.value
        if type(value) in _FLAT and _is_flat(value):
            self._checksum = _FLAT_COPY
        else:
            sink = _pickled(value, self._limit)
            if sink is not None and sink.data is not None:
                self._data = bytes(sink.data)
            elif sink is not None:
                self._checksum = sink.checksum
        self._prepared = True

    @property
    def is_changed(self) -> bool:
        """Whether the value is shared, and not what it was when it was first taken."""
        if self._checksum is None or self._checksum == _FLAT_COPY:
            return False
        sink = _pickled(self.value, 0)
        return sink is not None and sink.checksum != self._checksum


_FLAT_COPY = -1


def _is_flat(value: Any) -> bool:
    members = value.values() if type(value) is dict else value
    return set(map(type, members)) <= ATOMS


def _pickled(value: Any, limit: int) -> _Sink | None:
    """The beginning of the value's pickle; ``None`` if it cannot be pickled."""
    import pickle

    sink = _Sink(limit)
    try:
        pickle.Pickler(sink, 5).dump(value)
    except _Enough:
        pass
    except Exception:
        return None
    return sink


def guarded(value: Any, limit: int = LARGEST) -> Any:
    """The value, or what keeps it as it is if those who take it could change it.

    Args:
        value: The value.
        limit: As for :class:`Kept`.
    """
    kind = type(value)
    if kind in ATOMS or kind is Kept or (kind is tuple and set(map(type, value)) <= ATOMS):
        return value
    return Kept(value, limit)


def copied(value: Any) -> Any:
    """A copy of a value for one step, or the value if it is not copied."""
    stored = guarded(value)
    return stored.copy() if type(stored) is Kept else stored


def plain(stored: Any) -> Any:
    """The value itself."""
    return stored.value if type(stored) is Kept else stored


class Copies:
    """Gives each step its copy, in the place of serialization."""

    def freeze(self, value: Any) -> Any:
        """The value: what is stored is guarded elsewhere."""
        return value

    def thaw(self, stored: Any) -> Any:
        """A value for one step."""
        return stored.copy() if type(stored) is Kept else stored


def warn_of_change(what: str, place: Place, takers: str) -> None:
    """Warn of a shared value that a step has changed.

    Args:
        what: The value.
        place: Where it is made.
        takers: The steps that take it.
    """
    import warnings

    warnings.warn_explicit(
        f"{what} was changed by a step that takes it ({takers}): in AWS each step has a copy of "
        "its own, and here the value is too large to be copied; return a new value instead",
        RuntimeWarning,
        place.file,
        place.line,
    )
