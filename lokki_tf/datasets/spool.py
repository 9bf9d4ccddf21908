"""Items in a temporary file, so that their number is known before the first one is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

_MEMORY = 1024 * 1024


class Spool:
    """The items of a dataset, of which only the number is in memory.

    It is an iterator over the items with their indices, which threads may share.

    Args:
        items: The items, which are JSON. They are read here.
        made: Converts each item when it is taken.

    Raises:
        Exception: What the iterator of the items raises.
    """

    def __init__(
        self, items: Iterable[Any], made: Callable[[int, Any], Any] = lambda _, item: item
    ) -> None:
        self._file = TemporaryFile("w+", encoding="utf-8", buffering=_MEMORY)  # noqa: SIM115
        self._made = made
        self._lock = Lock()
        self._taken = self._count = 0
        for item in items:
            self._file.write(json.dumps(item))
            self._file.write("\n")
            self._count += 1
        self._file.seek(0)

    def __len__(self) -> int:
        return self._count

    def __length_hint__(self) -> int:
        return self._count - self._taken

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        return self

    def __next__(self) -> tuple[int, Any]:
        with self._lock:
            if self._taken == self._count:
                self._file.close()
                raise StopIteration
            number = self._taken
            self._taken += 1
            line = self._file.readline()
        return number, self._made(number, json.loads(line))
