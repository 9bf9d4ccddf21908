"""A SQLite database that survives killed processes, forks, and concurrent access.

A file is opened in three stages. Its header shows whether it was made by this package, so that
SQLite never opens another program's file. One transaction creates everything that a new file needs.
Then the file is switched to a write-ahead log. If a process is killed in between, the next one
completes the file.

One lock protects all databases of a process, because some operations affect them together. Linux
releases a process's locks on a file when any descriptor of it is closed, so an open file must not
be read except through SQLite. A connection must not be used after a fork, nor SQLite's record that
this process holds locks. Both mistakes would lose data that is written later.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, TypeVar
from weakref import WeakSet

from lokki_tf.errors import StateError

APPLICATION = int.from_bytes(b"lktf", "big")  # in the header of each file of this package
FORMAT = 1
PATIENCE = 60.0  # seconds to wait while another process locks the file
_MAGIC = b"SQLite format 3\x00"
_HEADER = 100  # bytes
_PAUSE = 0.001  # seconds between attempts
# The primary key is the table itself, which makes writing a third faster. The data is the last
# column, so that reading the others does not read it.
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
    sqlite3.SQLITE_ERROR,  # a table or column that does not exist
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
}

T = TypeVar("T")
Execute = Callable[..., "list[Any]"]

# Reentrant, since a signal handler may use a database during a call.
_lock = threading.RLock()
_databases: WeakSet[Database] = WeakSet()


class Database:
    """The table of entries, in a file or in memory, for several threads and processes.

    Args:
        path: Absolute path of the file, which is created if it does not exist; ``None`` for memory.
        patience: Seconds to wait while another process locks the file.

    Raises:
        StateError: If the file was made by another program, or cannot be created or read.
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
        """Execute one statement in a transaction of its own.

        Returns:
            Its rows, and the number of rows that it changed.

        Raises:
            StateError: If it fails; then nothing was changed.
        """

        def done() -> tuple[list[Any], int]:
            cursor = (self._connection or self._open()).execute(sql, values)
            return cursor.fetchall(), cursor.rowcount

        return self._patiently(done)

    def together(self, work: Callable[[Execute], T]) -> T:
        """Execute several statements in one transaction, during which no other process writes.

        Args:
            work: Receives a function that executes a statement and returns its rows. It may be
                called several times, until the file is not locked.

        Raises:
            StateError: If it fails; then nothing was changed.
        """

        def done() -> T:
            connection = self._connection or self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(lambda sql, values=(): connection.execute(sql, values).fetchall())
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

        return self._patiently(done)

    def _patiently(self, done: Callable[[], T]) -> T:
        patient_until = None
        while True:
            try:
                with _lock:
                    return done()
            except (sqlite3.Error, OverflowError) as error:
                if patient_until is None:
                    patient_until = monotonic() + self._patience
                if _code(error) not in _BUSY or monotonic() > patient_until:
                    raise _explained(error, self._name) from error
            # SQLite could wait, but would hold the lock, block Ctrl-C, and not wait for all locks.
            sleep(_PAUSE)

    def close(self) -> None:
        """Close the file permanently."""
        with _lock:
            self._closed = True
            self.leave()

    def leave(self) -> None:
        """Close the file until the next statement; the caller holds the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _name(self) -> str:
        return self.path or "the state in memory"

    def is_at(self, path: str) -> bool:
        """Return whether it has this file open."""
        if self._connection is None or self.path is None:
            return False
        try:
            return os.path.samefile(self.path, path)
        except OSError:
            return False

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise StateError(
                f"{self._name} is closed", remedy="use it before close(), or create another"
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
    """Create the file and its folder if missing; check that the file was made by this package."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # Results of steps are for the user alone. A file without content counts as new.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise _foreign(path, "a folder" if stat.S_ISDIR(found.st_mode) else "a special file")
        with open(path, "rb") as file:
            header = file.read(_HEADER)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error
    if header:
        _check(path, header)


def _check(path: str, header: bytes) -> None:
    """Check that a file's header is that of a file of this package.

    Raises:
        StateError: If it is not.
    """
    if len(header) < _HEADER or not header.startswith(_MAGIC):
        raise _foreign(path, "not a SQLite database")
    if int.from_bytes(header[68:72], "big") != APPLICATION:
        raise _foreign(path, "a SQLite database of another program")
    found = int.from_bytes(header[60:64], "big")
    if found > FORMAT:
        raise StateError(
            f"{path} is of format {found}, newer than format {FORMAT}, which this version supports",
            remedy="upgrade lokki_tf, or use another file",
        )
    if found < FORMAT:
        raise StateError(
            f"{path} is of format {found}, older than format {FORMAT}, which this version supports",
            remedy="delete it, or use another file",
        )


def _complete(connection: sqlite3.Connection) -> None:
    """Create the tables if there are none, then switch to the write-ahead log."""
    if not _version(connection):
        # This uses a rollback journal: if the process is killed here, the file is empty again.
        connection.execute("BEGIN IMMEDIATE")
        if not _version(connection):  # unless another process has created them
            for statement in _SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode == "wal":
        # A commit survives the death of the process; a power failure may lose only the latest ones.
        connection.execute("PRAGMA synchronous = NORMAL")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _code(error: Exception) -> int | None:
    """Return SQLite's primary result code, if the error is SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def _foreign(path: str, what: str) -> StateError:
    return StateError(
        f"{path} is {what}, so it does not contain state of lokki_tf; it was not changed",
        remedy="use another file, or delete it",
    )


def _unusable(path: str, error: Exception) -> StateError:
    return StateError(
        f"{path} cannot be used: {error}",
        remedy="check that the file and its folder are readable and writable, or use another file",
    )


def _explained(error: Exception, name: str) -> StateError:
    """Return the error for the user for an error of SQLite."""
    code = _code(error)
    if code in _BUSY:
        return StateError(
            f"{name} is locked by another process", remedy="end that process, or wait for it"
        )
    if code in _DAMAGED:
        return StateError(f"{name} is damaged: {error}", remedy="delete it, or use another file")
    if code == sqlite3.SQLITE_TOOBIG or isinstance(error, OverflowError):
        return StateError(
            f"{name} cannot hold a value of this size: {error}",
            remedy="write the value to a file, and store its path",
        )
    return _unusable(name, error)


def _before_fork() -> None:
    """Wait until no thread uses SQLite, and close all files; both processes reopen them."""
    _lock.acquire()
    for database in _databases:
        if database.path is not None:  # a database in memory is copied with the process
            database.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release
    )
