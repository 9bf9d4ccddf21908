"""A SQLite database that outlives what happens to its processes: kills, forks, each other.

A file is opened in three stages: its first bytes tell whether it is one of ours, so SQLite
never touches another; one transaction makes all that a new file needs; then the file is
switched to a write-ahead log. A process killed in between leaves what the next one completes.

One lock guards all databases of a process, for what may not happen at once concerns them
together. Linux forgets a process's locks on a file when it closes any descriptor of it, so a
file that is open must not be read beside SQLite; and a connection, or just SQLite's record
that this process holds locks, must not cross a fork. Either loses what is written later.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any
from weakref import WeakSet

from lokki_tf.errors import StateError

APPLICATION = int.from_bytes(b"lktf", "big")  # stands in the header of each file of ours
FORMAT = 1
PATIENCE = 60.0  # seconds that another process may keep the file locked
_MAGIC = b"SQLite format 3\x00"
_HEADER = 100  # bytes
_PAUSE = 0.001  # seconds between tries
# The primary key is the table itself, which makes writing a third faster; the data stands
# last, so that reading the other columns does not pass through it.
_SCHEMA = (
    """
    CREATE TABLE entries (
        kind INTEGER NOT NULL,
        key BLOB NOT NULL,
        expires REAL,
        stored REAL NOT NULL,
        ttl REAL,
        skipped INTEGER NOT NULL,
        form TEXT NOT NULL,
        digest TEXT,
        notes_form TEXT,
        notes BLOB,
        data BLOB NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX expiring ON entries (expires) WHERE expires IS NOT NULL",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_DAMAGED = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_ERROR,  # a table or column that is not there
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
}

# Reentrant, since a signal's handler may use a database in the midst of a call.
_lock = threading.RLock()
_databases: WeakSet[Database] = WeakSet()


class Database:
    """The table of entries, in a file or in memory; for many threads and processes.

    Args:
        path: Absolute path of the file, which is made where there is none; ``None`` for memory.
        patience: Seconds that another process may keep the file locked.

    Raises:
        StateError: If the file is none of ours, or cannot be made or read.
    """

    def __init__(self, path: str | None, *, patience: float = PATIENCE) -> None:
        self.path = path
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        with _lock:
            _databases.add(self)
        self.run("SELECT 1 FROM entries LIMIT 1")

    def run(self, sql: str, values: Sequence[Any] = ()) -> tuple[list[Any], int]:
        """Carry out one statement, which is a transaction of its own.

        Returns:
            Its rows, and the number of rows that it changed.

        Raises:
            StateError: If it cannot be done; then nothing was.
        """
        patient_until = None
        while True:
            try:
                with _lock:
                    cursor = (self._connection or self._open()).execute(sql, values)
                    return cursor.fetchall(), cursor.rowcount
            except (sqlite3.Error, OverflowError) as error:
                if patient_until is None:
                    patient_until = monotonic() + self._patience
                if _code(error) not in _BUSY or monotonic() > patient_until:
                    raise _explained(error, self._name) from error
            # SQLite could wait, but with our lock held, deaf to Ctrl-C, and not for all locks.
            sleep(_PAUSE)

    def close(self) -> None:
        """Let go of the file, for good."""
        with _lock:
            self._closed = True
            self.leave()

    def leave(self) -> None:
        """Let go of the file until the next statement; the caller holds the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _name(self) -> str:
        return self.path or "the state in memory"

    def is_at(self, path: str) -> bool:
        """Whether it has this file open."""
        if self._connection is None or self.path is None:
            return False
        try:
            return os.path.samefile(self.path, path)
        except OSError:
            return False

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise StateError(
                f"{self._name} is closed", remedy="use it before close(), or make another"
            )
        if self.path is not None and not any(other.is_at(self.path) for other in _databases):
            _prepare(self.path)
        connection = sqlite3.connect(
            self.path or ":memory:",
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _complete(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def _prepare(path: str) -> None:
    """Make the file's folder, and see that there is a file of ours or none."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise _foreign(path, "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file")
        with open(path, "rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error
    if header:  # a file without a byte is a new one: SQLite makes it so before it writes
        _check(path, header)


def _check(path: str, header: bytes) -> None:
    """See that a file's first bytes are those of a file of ours.

    Raises:
        StateError: If they are not.
    """
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise _foreign(path, "no SQLite database")
    if int.from_bytes(header[68:72], "big") != APPLICATION:
        raise _foreign(path, "a SQLite database of another program")
    found = int.from_bytes(header[60:64], "big")
    if found > FORMAT:
        raise StateError(
            f"{path} is of format {found}, newer than format {FORMAT}, which this version knows",
            remedy="upgrade lokki_tf, or name another file",
        )
    if found < FORMAT:
        raise StateError(
            f"{path} is of format {found}, older than format {FORMAT}, which this version knows",
            remedy="delete it, or name another file",
        )


def _complete(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none, then switch to the write-ahead log."""
    if not _version(connection):
        # In a rollback journal still: killed in here, the file is empty again afterwards.
        connection.execute("BEGIN IMMEDIATE")
        if not _version(connection):  # or another process has been faster
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode == "wal":
        # A commit survives the death of the process; a power cut may cost the latest, no more.
        connection.execute("PRAGMA synchronous = NORMAL")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _code(error: Exception) -> int | None:
    """SQLite's primary result code, where the error is one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _foreign(path: str, what: str) -> StateError:
    return StateError(
        f"{path} is {what}, so no state of lokki_tf; it was left as it is",
        remedy="name another file, or delete it",
    )


def _unusable(path: str, error: Exception) -> StateError:
    return StateError(
        f"{path} cannot be used: {error}",
        remedy="see that the file and its folder can be read and written, or name another file",
    )


def _explained(error: Exception, name: str) -> StateError:
    """What an error of SQLite means for the user."""
    code = _code(error)
    if code in _BUSY:
        return StateError(
            f"{name} is locked by another process", remedy="end that process, or wait for it"
        )
    if code in _DAMAGED:
        return StateError(f"{name} is damaged: {error}", remedy="delete it, or name another file")
    if code == sqlite3.SQLITE_TOOBIG or isinstance(error, OverflowError):
        return StateError(
            f"{name} cannot hold a value of this size: {error}",
            remedy="write what is this large to a file, and keep its path",
        )
    return _unusable(name, error)


def _before_fork() -> None:
    """Wait until no thread is inside SQLite, and let go of all files; both sides reopen them."""
    _lock.acquire()
    for database in _databases:
        if database.path is not None:  # what is in memory is a child's own copy
            database.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release
    )
