"""The children of a Map Run: those that run are in memory, all others in the archive."""

from __future__ import annotations

import pickle
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4

from lokki_tf.testing.state_machines.archive import Archive
from lokki_tf.testing.state_machines.cancel_scope import CancelScope
from lokki_tf.testing.state_machines.failures import Stopped
from lokki_tf.testing.state_machines.statuses import (
    ABORTED,
    FAILED,
    PENDING,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
)

_STATUSES = (PENDING, RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED)
_CODES = {status: code for code, status in enumerate(_STATUSES)}
_READ = 50
"""The number of inputs that are read at once."""
_WRITTEN = 100
"""The number of records that are written at once, because threads wait for each other there."""
_WRITTEN_BYTES = 4 * 1024 * 1024
_LOADED = 250
"""The number of records that are loaded at once."""


class Child(Protocol):
    """An execution that is a child of a Distributed Map."""

    attempt: int

    @property
    def status(self) -> str:
        """The status of the execution."""

    @property
    def has_map_runs(self) -> bool:
        """Whether the execution has Map Runs of its own."""

    def pack(self) -> tuple[Any, ...]:
        """Return its name, the JSON of its input, and what else differs from other children."""

    def unpack(self, *packed: Any) -> None:
        """Set what ``pack`` has returned, except the name and the input."""

    def ready(self, outer: CancelScope | None, *, redriven: bool) -> None:
        """Reset the outcome, so that the execution can run again."""

    def stop(self, error: str | None = None, cause: str | None = None) -> None:
        """Stop the execution."""


E = TypeVar("E", bound=Child)
Make = Callable[[str, str, CancelScope | None], E]
"""Makes a child that has not started. The arguments: its name, the JSON of its input, the outer
cancel scope."""


class Children(Generic[E]):
    """The children of a Map Run in the order of their items.

    A child is in memory while it runs. Children that have Map Runs of their own stay in memory.

    Args:
        archive: Where the others are stored.
        make: Makes a child.
    """

    def __init__(self, archive: Archive, make: Make[E]) -> None:
        self.run = uuid4().hex
        """The id in the archive."""
        self.weights = array("L")
        """The number of items of each child."""
        self._statuses = bytearray()
        self._counts = {status: [0, 0] for status in _STATUSES}
        self._live: dict[int, E] = {}
        self._again: set[int] = set()
        self._is_closed = False
        self.attach(archive, make)

    def attach(self, archive: Archive, make: Make[E]) -> None:
        """Set what is not kept with the state of the account.

        Args:
            archive: Where children are stored.
            make: Makes a child.
        """
        self._archive = archive
        self._make = make
        self._lock = Lock()
        self._inputs: dict[int, tuple[str, str]] = {}
        self._new: list[tuple[int, str, str]] = []
        self._ended: dict[int, tuple[str, bytes]] = {}
        self._ended_bytes = 0
        if archive.is_temporary:
            weakref.finalize(self, archive.forget, self.run).atexit = False

    def __getstate__(self) -> dict[str, object]:
        """Return what is kept with the state of the account."""
        with self._lock:
            self._write()
            own = ("run", "weights", "_statuses", "_counts", "_live", "_again", "_is_closed")
            state = {name: getattr(self, name) for name in own}
            return {**state, "_live": dict(self._live), "_statuses": bytearray(self._statuses)}

    def recover(self) -> None:
        """Set the statuses of children that ran when the state of the account was stored."""
        for position, status in self._archive.statuses(self.run):
            if self.status(position) in (PENDING, RUNNING):
                self._set(position, status)
        for position in range(len(self)):
            if self.status(position) == RUNNING:
                self._set(position, ABORTED)

    def __len__(self) -> int:
        return len(self._statuses)

    def add(self, text: str, items: int) -> None:
        """Add a child, without starting it.

        Args:
            text: The JSON of its input.
            items: The number of items in the input.
        """
        with self._lock:
            self._new.append((len(self._statuses), str(uuid4()), text))
            self._statuses.append(_CODES[PENDING])
            self.weights.append(items)
            self._count(PENDING, items, 1)
            if len(self._new) >= _READ:
                self._write()

    def status(self, position: int) -> str:
        """Return the status of a child; ``PENDING`` if it has not started."""
        return _STATUSES[self._statuses[position]]

    def counts(self, *, items: bool) -> dict[str, int]:
        """Return the number of children, or of their items, by status."""
        return {status: both[items] for status, both in self._counts.items()}

    def begin(self, position: int, outer: CancelScope | None) -> E:
        """Return a child that is about to run.

        Args:
            position: The child's position.
            outer: The cancel scope of the Map state.

        Raises:
            Stopped: If no more children may start.
        """
        with self._lock:
            if self._is_closed:
                raise Stopped
            if position in self._again:
                self._again.discard(position)
                child = self._live.get(position) or self._restored(position)
                child.ready(outer, redriven=True)
            else:
                child = self._make(*self._input(position), outer)
            self._live[position] = child
            self._set(position, RUNNING)
            return child

    def end(self, position: int, attempt: int) -> None:
        """Store a child that has ended.

        Args:
            position: The child's position.
            attempt: The attempt that has ended; nothing happens if another one runs.
        """
        child = self._live.get(position)
        if child is None or child.attempt != attempt:
            return
        stays = child.has_map_runs
        data = b"" if stays else pickle.dumps(child.pack(), pickle.HIGHEST_PROTOCOL)
        with self._lock:
            if self._live.get(position) is not child or child.attempt != attempt:
                return
            self._set(position, child.status)
            if stays:
                return
            del self._live[position]
            self._ended[position] = (child.status, data)
            self._ended_bytes += len(data)
            if len(self._ended) >= _WRITTEN or self._ended_bytes > _WRITTEN_BYTES:
                self._write()

    def close(self) -> list[E]:
        """Let no more children start, and return those that run."""
        with self._lock:
            self._is_closed = True
            return [
                child for position, child in self._live.items() if self.status(position) == RUNNING
            ]

    def stopped(self) -> None:
        """Set the statuses of children that were stopped but whose threads have not ended."""
        with self._lock:
            for position, child in self._live.items():
                self._set(position, child.status)

    def reopen(self) -> None:
        """Let the children that have not succeeded run again."""
        with self._lock:
            self._is_closed = False
            for position in range(len(self)):
                status = self.status(position)
                if status not in (SUCCEEDED, PENDING):
                    self._again.add(position)
                    self._set(position, PENDING)

    def unfinished(self) -> Iterator[int]:
        """Yield the positions of the children that have not succeeded."""
        return (each for each in range(len(self)) if self.status(each) != SUCCEEDED)

    def latest(self, status: str | None) -> list[int]:
        """Return the positions of the children that have started, the latest first.

        Args:
            status: The status of the children; None for all that have started.
        """
        chosen = range(1, len(_STATUSES)) if status is None else [_CODES.get(status, -1)]
        codes = set(chosen) - {_CODES[PENDING]}
        return [each for each in reversed(range(len(self))) if self._statuses[each] in codes]

    def by_name(self) -> list[int]:
        """Return the positions of all children in the order of their names."""
        with self._lock:
            self._write()
        return self._archive.by_name(self.run)

    def find(self, name: str) -> E | None:
        """Return the child with a name, if it has started."""
        with self._lock:
            self._write()
        position = self._archive.position(self.run, name)
        if position is None or self.status(position) == PENDING:
            return None
        return next(self.load([position]))

    def live(self) -> list[E]:
        """Return the children that are in memory."""
        with self._lock:
            return list(self._live.values())

    def load(self, positions: Iterable[int]) -> Iterator[E]:
        """Yield children, those that have ended as they were.

        Args:
            positions: Their positions.
        """
        waiting = list(positions)
        for begin in range(0, len(waiting), _LOADED):
            part = waiting[begin : begin + _LOADED]
            with self._lock:
                self._write()
                stored = self._archive.records(self.run, part)
                found = [self._live.get(each) or self._loaded(each, stored) for each in part]
            yield from found

    def _loaded(self, position: int, stored: dict[int, bytes]) -> E:
        if position in stored:
            name, text, *others = pickle.loads(stored[position])
            child = self._make(name, text, None)
            child.unpack(*others)
            return child
        ((_, name, text),) = self._archive.inputs(self.run, position, position + 1)
        child = self._make(name, text, None)
        if self.status(position) == ABORTED:  # the process ended before the record was written
            child.stop()
        return child

    def _restored(self, position: int) -> E:
        self._write()
        return self._loaded(position, self._archive.records(self.run, [position]))

    def _input(self, position: int) -> tuple[str, str]:
        """Return the name and the input of a child, and read those of the next ones."""
        if position not in self._inputs:
            self._write()
            rows = self._archive.inputs(self.run, position, position + _READ)
            self._inputs = {each: (name, text) for each, name, text in rows}
        return self._inputs.pop(position)

    def _write(self) -> None:
        if self._new:
            self._archive.add(self.run, self._new)
            self._new = []
        if self._ended:
            rows = [(each, *entry) for each, entry in self._ended.items()]
            self._archive.end(self.run, rows)
            self._ended, self._ended_bytes = {}, 0

    def _set(self, position: int, status: str) -> None:
        weight = self.weights[position]
        self._count(self.status(position), weight, -1)
        self._statuses[position] = _CODES[status]
        self._count(status, weight, 1)

    def _count(self, status: str, items: int, sign: int) -> None:
        both = self._counts[status]
        both[0] += sign
        both[1] += sign * items
