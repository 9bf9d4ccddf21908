"""Large values whose pickle would copy them: they are pickled slice by slice.

polars pickles a data frame as one piece of bytes, and numpy an array that is not contiguous as a
copy. Pickle keeps these until its end, so memory would contain everything twice. Each slice is a
stream of its own instead, see :mod:`.blocks`.
"""

from __future__ import annotations

import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

SLICE = 4 * 2**20
"""Bytes of a slice, about."""
LOADING = threading.local()
"""``loader``: reads the object that this thread is loading."""


class Slicer:
    """Replaces large values in a pickle by calls that load their slices.

    Args:
        add: Adds a stream, and returns its number.
    """

    def __init__(self, add: Callable[[Iterator[Any]], int]) -> None:
        self._add = add
        # Not bound methods: only the garbage collector would free this, and the value with it.
        self._kinds: dict[type, Callable[[Slicer, Any], Any]] = {}
        if "numpy" in sys.modules:
            self._kinds[sys.modules["numpy"].ndarray] = Slicer._array
        if "polars" in sys.modules:
            polars = sys.modules["polars"]
            self._kinds |= {polars.DataFrame: Slicer._frame, polars.Series: Slicer._frame}

    def reduced(self, part: Any) -> Any:
        """Return how to load a part of the value, or ``None`` if pickle can do it."""
        sliced = self._kinds.get(type(part))
        return None if sliced is None else sliced(self, part)

    def _array(self, array: Any) -> Any:
        flags = array.flags
        is_plain = flags.c_contiguous or flags.f_contiguous
        if is_plain or array.dtype.hasobject or array.nbytes < SLICE:
            return None
        rows = max(1, SLICE // max(1, array.nbytes // len(array)))
        parts = (array[at : at + rows].tobytes() for at in range(0, len(array), rows))
        return numpy_array, (self._add(parts), array.dtype, array.shape)

    def _frame(self, frame: Any) -> Any:
        size = frame.estimated_size()
        if size < 2 * SLICE or frame.is_empty():
            return None
        import pickle

        rows = max(1, len(frame) * SLICE // size)
        first = count = 0
        for at in range(0, len(frame), rows):
            data = pickle.dumps(frame[at : at + rows], protocol=5)
            first, count = self._add(iter([data])) - count, count + 1
        return polars_frame, (first, count)


def numpy_array(stream: int, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Return an array whose bytes are a stream."""
    import numpy

    array = numpy.empty(shape, dtype)
    file, view = LOADING.loader.file(stream), array.reshape(-1).view("u1").data
    at = 0
    while count := file.readinto(view[at : at + SLICE]):
        at += count
    return array


def polars_frame(first: int, count: int) -> Any:
    """Return a frame or series whose slices are pickles, each in a stream."""
    import pickle

    import polars

    slices = [pickle.load(LOADING.loader.file(first + index)) for index in range(count)]
    return polars.concat(slices, rechunk=False)
