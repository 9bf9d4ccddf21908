"""Child executions on disk, so that Distributed Maps of any size need little memory.

Without a path this is SQLite's private temporary database, which is written to a file only when it
exceeds SQLite's cache, and deleted when the process ends.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Lock

_TABLES = """
    CREATE TABLE IF NOT EXISTS begun (
        run TEXT, position INTEGER, name TEXT, input TEXT, PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS names ON begun (run, name);
    CREATE TABLE IF NOT EXISTS ended (
        run TEXT, position INTEGER, status TEXT, data BLOB, PRIMARY KEY (run, position)
    ) WITHOUT ROWID;
"""


class Archive:
    """The inputs of the children of Map Runs, and the records of those that have ended.

    Args:
        path: The database's file; None for a temporary database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = Lock()
        self._opened: sqlite3.Connection | None = None
        self._unused: deque[str] = deque()

    def add(self, run: str, rows: Iterable[tuple[int, str, str]]) -> None:
        """Store children before they start.

        Args:
            run: The id of the Map Run.
            rows: The position, the name and the JSON of the input of each.
        """
        while self._unused:
            self._remove(self._unused.popleft())
        with self._lock:
            self._database.executemany(
                "INSERT OR REPLACE INTO begun VALUES (?, ?, ?, ?)", ((run, *row) for row in rows)
            )

    def end(self, run: str, rows: Iterable[tuple[int, str, bytes]]) -> None:
        """Store children that have ended.

        Args:
            run: The id of the Map Run.
            rows: The position, the status and the record of each.
        """
        with self._lock:
            self._database.executemany(
                "INSERT OR REPLACE INTO ended VALUES (?, ?, ?, ?)", ((run, *row) for row in rows)
            )

    def inputs(self, run: str, begin: int, end: int) -> list[tuple[int, str, str]]:
        """Return the position, the name and the JSON of the input of a range of children."""
        with self._lock:
            return self._database.execute(
                "SELECT position, name, input FROM begun "
                "WHERE run = ? AND position >= ? AND position < ?",
                (run, begin, end),
            ).fetchall()

    def records(self, run: str, positions: Sequence[int]) -> dict[int, bytes]:
        """Return the records of children that have ended, by position."""
        marks = ", ".join("?" * len(positions))
        with self._lock:
            found = self._database.execute(
                f"SELECT position, data FROM ended WHERE run = ? AND position IN ({marks})",
                (run, *positions),
            )
            return dict(found.fetchall())

    def position(self, run: str, name: str) -> int | None:
        """Return the position of the child with a name; None if there is none."""
        with self._lock:
            found = self._database.execute(
                "SELECT position FROM begun WHERE run = ? AND name = ?", (run, name)
            ).fetchone()
        return None if found is None else int(found[0])

    def by_name(self, run: str) -> list[int]:
        """Return the positions of all children in the order of their names."""
        with self._lock:
            found = self._database.execute(
                "SELECT position FROM begun WHERE run = ? ORDER BY name", (run,)
            )
            return [position for (position,) in found]

    def statuses(self, run: str) -> Iterator[tuple[int, str]]:
        """Return the position and the status of each child that has ended."""
        with self._lock:
            found = self._database.execute(
                "SELECT position, status FROM ended WHERE run = ?", (run,)
            ).fetchall()
        return iter(found)

    def forget(self, run: str) -> None:
        """Remove the children of a Map Run later, because the garbage collector calls this.

        It may do so in a thread that uses the database.
        """
        self._unused.append(run)

    def _remove(self, run: str) -> None:
        with self._lock:
            for table in ("begun", "ended"):
                self._database.execute(f"DELETE FROM {table} WHERE run = ?", (run,))

    def keep(self, runs: Iterable[str]) -> None:
        """Remove the children of all Map Runs except some."""
        with self._lock:
            known = {
                run
                for table in ("begun", "ended")
                for (run,) in self._database.execute(f"SELECT DISTINCT run FROM {table}")
            }
        for run in known - set(runs):
            self._remove(run)

    def commit(self) -> None:
        """Write everything to the file, so that it outlives the process."""
        with self._lock:
            if self._opened is not None and self._path is not None:
                self._opened.execute("COMMIT")
                self._opened.execute("BEGIN")

    @property
    def is_temporary(self) -> bool:
        """Whether the database is deleted when the process ends."""
        return self._path is None

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            database = sqlite3.connect(
                str(self._path or ""), check_same_thread=False, isolation_level=None
            )
            if self._path is None:  # nothing is read again after a failure
                database.execute("PRAGMA journal_mode = OFF")
                database.execute("PRAGMA synchronous = OFF")
            else:
                database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA cache_size = -8192")  # KiB
            database.executescript(_TABLES)
            database.execute("BEGIN")
            self._opened = database
        return self._opened
