"""Values under names, stored from run to run: :class:`StateManager`.

Everything is in one table of a SQLite database, in a file or in memory. Values are serialized as
between steps, so they keep their types. Large ones are files in a folder beside the database, see
:mod:`.large_values`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import OptionError, SerializationError, StateError
from lokki_tf.runtime.envelope import BLOCKS, freeze, thaw
from lokki_tf.tracebacks import ends_at_caller

from .large_values import FORM, LARGE, LargeValues
from .strict import described

if TYPE_CHECKING:
    from lokki_tf.runtime.envelope import Frozen

    from .database import Execute

# The owner of an entry: the user or runs. Their keys are separate.
_USER, _STEP = 0, 1
_COLUMNS = "kind, key, expires, stored, ttl, skipped, form, digest, notes_form, notes, data"
_STORE = f"INSERT OR REPLACE INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LIVE = "(expires IS NULL OR expires >= ?)"
_WHERE = f"FROM entries WHERE kind = ? AND key = ? AND {_LIVE}"
_HAS = f"SELECT 1 {_WHERE}"
_GET = f"SELECT form, data {_WHERE}"
_NOTES = f"SELECT stored, ttl, notes_form, notes {_WHERE}"
_RECALL = f"SELECT form, data, digest, skipped {_WHERE}"
_ALL = f"SELECT key, form, data FROM entries WHERE kind = ? AND {_LIVE} ORDER BY key"
_DELETE = "DELETE FROM entries WHERE kind = ? AND key = ?"
_SWEEP = "DELETE FROM entries WHERE expires < ?"
_CLEAR = "DELETE FROM entries"
_FILES = f"SELECT data FROM entries WHERE form = '{FORM}'"
_OF_KEY = f"{_FILES} AND kind = ? AND key = ?"
_EXPIRED = f"{_FILES} AND expires < ?"


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored result of a step.

    Args:
        form: ``json.gz``, ``pickle.gz`` or ``blocks``.
        data: The result, serialized by :func:`lokki_tf.runtime.envelope.freeze`, or what reads it.
        digest: A digest of the result.
        skipped: Whether the step was skipped.
    """

    form: str
    data: Any
    digest: str
    skipped: bool = False


def digest_of(form: str, data: Frozen) -> str:
    """Return the SHA-256 of a serialized value with its form, in hexadecimal.

    Args:
        form: As in :class:`Kept`.
        data: The bytes, or blocks; of these, only the digests are read.
    """
    digest = sha256(form.encode())
    digest.update(data if isinstance(data, bytes) else data.digest.encode())
    return digest.hexdigest()


@ends_at_caller
class StateManager:
    """Stores values under names: in memory, or in a file from run to run.

    ::

        state = StateManager(".lokki/state.db", default_ttl=3600)
        state.set("rows", rows)
        state.get("rows")

    Values of at least 1 MiB are files in a folder beside the file, ``state.db.values``; equal ones
    are one file, and a file is deleted with the last entry that refers to it.
    Several threads and processes may use one file at once. A value is stored when :meth:`set`
    returns, even if the process is killed right after. Values that are not JSON are pickled, and
    reading a pickle can run code: do not use files from untrusted sources.

    Args:
        storage_path: The file; it and its folders are created if they do not exist. Without it,
            values are in memory and lost with the process.
        default_ttl: Seconds after which an entry expires; ``None`` for never. An expired entry
            counts as missing, and is deleted by a later call that writes.
        clock: Returns the time, in seconds since 1970.

    Raises:
        OptionError: If an argument has the wrong type.
        StateError: If the file was made by another program, or cannot be created or read.
    """

    def __init__(
        self,
        storage_path: str | os.PathLike[str] | None = None,
        default_ttl: float | None = None,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        from .database import Database  # imported here: it imports sqlite3, which few runs need

        self._ttl = _seconds("default_ttl", default_ttl)
        self._clock = clock
        path = _absolute(storage_path)
        self._database = Database(path)
        self._large = None if path is None else LargeValues(path)

    def set(
        self,
        key: str,
        value: Any,
        ttl: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a value; it replaces the previous one.

        Args:
            key: Its name.
            value: Any value that can be written as JSON or pickled, ``None`` included.
            ttl: Seconds after which it expires, ``math.inf`` for never; by default ``default_ttl``.
            metadata: Additional entries in the result of :meth:`get_metadata`.

        Raises:
            OptionError: If the key is not a string, ``ttl`` not above 0, or ``metadata`` not a
                dict.
            SerializationError: If the value or the metadata cannot be pickled.
            StateError: If it cannot be written. After any error, nothing was stored.
        """
        name, ttl = _name(key), self._ttl if ttl is None else _seconds("ttl", ttl)
        form, data = _frozen(f"the value of {key!r}", value)
        notes_form, notes = _frozen_notes(key, metadata)
        self._store(_USER, name, ttl, 0, form, None, notes_form, notes, data)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a copy of a value.

        Args:
            key: Its name.
            default: The return value if there is none.

        Raises:
            OptionError: If the key is not a string.
            StateError: If the value cannot be read: it is damaged, or its class no longer exists.
        """
        found = self._found(_GET, _USER, key)
        return default if found is None else _thawed(key, *found)

    def has(self, key: str) -> bool:
        """Return whether there is a value, which may be ``None``.

        Raises:
            OptionError: If the key is not a string.
        """
        return bool(self._rows(_HAS, _USER, key))

    __contains__ = has

    def delete(self, key: str) -> bool:
        """Delete a value; return whether there was one.

        Raises:
            OptionError: If the key is not a string.
        """
        name = _name(key)
        self._sweep(self._clock())
        if not self._has_files:
            return self._database.run(_DELETE, (_USER, name))[1] > 0

        def work(execute: Execute) -> bool:
            found = bool(execute("SELECT 1 FROM entries WHERE kind = ? AND key = ?", (_USER, name)))
            self._remove(execute, _OF_KEY, (_USER, name), _DELETE)
            return found

        return self._database.together(work)

    def clear(self) -> None:
        """Delete all entries, also those of steps' results."""
        if self._has_files:
            self._database.together(lambda execute: self._remove(execute, _FILES, (), _CLEAR))
        else:
            self._database.run(_CLEAR)

    def get_all(self) -> dict[str, Any]:
        """Return copies of all values that were :meth:`set`, by key, sorted by key.

        Results of steps that runs have stored are not included.

        Raises:
            StateError: If one of them cannot be read.
        """
        rows, _ = self._database.run(_ALL, (_USER, self._clock()))
        found = {}
        for name, form, data in rows:
            key = name.decode("utf-8", "surrogatepass")
            # Without the file, the entry was replaced meanwhile, or is damaged.
            opened = self._opened(form, data) or self._found(_GET, _USER, key)
            if opened is not None:
                found[key] = _thawed(key, *opened)
        return found

    def get_metadata(self, key: str) -> dict[str, Any] | None:
        """Return the metadata of a value, or ``None`` if there is no value.

        Returns:
            ``timestamp``, the time when it was stored, in seconds since 1970; ``ttl``, its lifetime
                in seconds, or ``None``; ``age``, the seconds since it was stored; and the
                ``metadata`` passed to :meth:`set`.

        Raises:
            OptionError: If the key is not a string.
            StateError: If the metadata cannot be read.
        """
        rows = self._rows(_NOTES, _USER, key)
        if not rows:
            return None
        stored, ttl, form, notes = rows[0]
        more = {} if form is None else _thawed(key, form, notes)
        return {"timestamp": stored, "ttl": ttl, "age": self._clock() - stored, **more}

    def keep(
        self, key: str, form: str, data: Frozen, *, digest: str, skipped: bool = False
    ) -> None:
        """Store the result of a step for :meth:`recall`; it expires after ``default_ttl``.

        Args:
            key: A name among steps, separate from the keys of :meth:`set`.
            form: As in :class:`Kept`.
            data: The serialized result.
            digest: The result of :func:`digest_of` for form and data.
            skipped: Whether the step was skipped.

        Raises:
            StateError: If it cannot be written.
        """
        name = _name(key)
        self._store(_STEP, name, self._ttl, int(skipped), form, digest, None, None, data)

    def recall(self, key: str) -> Kept | None:
        """Return what :meth:`keep` has stored, or ``None`` if it is missing or damaged.

        It is not deserialized here; its class may no longer exist.

        Raises:
            StateError: If the file cannot be read.
        """
        try:
            found = self._found(_RECALL, _STEP, key)
        except StateError:
            if not self._rows(_HAS, _STEP, key):
                raise
            found = None  # of an entry without its file
        if found is None:
            return None
        form, data, digest, skipped = found
        # Files, and blocks, are verified by their own digests.
        if form != BLOCKS and isinstance(data, bytes) and digest_of(form, data) != digest:
            return None
        return Kept(form, data, digest, bool(skipped))

    def close(self) -> None:
        """Close the file; values in memory are lost."""
        self._database.close()

    def __enter__(self) -> StateManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"StateManager({self._database.path!r}, default_ttl={self._ttl!r})"

    def _rows(self, sql: str, kind: int, key: str) -> list[Any]:
        return self._database.run(sql, (kind, _name(key), self._clock()))[0]

    def _found(self, sql: str, kind: int, key: str) -> list[Any] | None:
        """Return the columns of an entry, of which the first two are form and data.

        Those of a large value are the form and what reads its file. ``None`` if there is none.

        Raises:
            StateError: If the file is missing or damaged.
        """
        for _ in range(2):  # an entry whose file no longer exists may have been replaced
            rows = self._rows(sql, kind, key)
            if not rows:
                return None
            form, data, *rest = rows[0]
            opened = self._opened(form, data)
            if opened is not None:
                return [*opened, *rest]
        assert self._large is not None
        raise StateError(
            f"what is stored as {key!r} cannot be read: its file {data.decode()!r} in "
            f"{self._large.folder} is missing or damaged",
            remedy=f"delete({key!r}) and store it again",
        )

    def _opened(self, form: str, data: bytes) -> tuple[str, Any] | None:
        if form != FORM or self._large is None:
            return form, data
        name = data.decode()
        source = self._large.opened(name)
        return None if source is None else (name.partition(".")[2], source)

    @property
    def _has_files(self) -> bool:
        return self._large is not None and self._large.exist

    def _store(
        self,
        kind: int,
        name: bytes,
        ttl: float | None,
        skipped: int,
        form: str,
        digest: str | None,
        notes_form: str | None,
        notes: bytes | None,
        data: Frozen,
    ) -> None:
        now = self._clock()
        expires = None
        if ttl is not None:  # storing an entry that expires removes expired entries
            expires = now + ttl
            self._sweep(now)
        head = kind, name, expires, now, ttl, skipped
        is_large = (len(data) if isinstance(data, bytes) else data.size) >= LARGE
        if self._large is not None and is_large:
            self._store_file(self._large, head, (digest, notes_form, notes), form, data)
            return
        row = (*head, form, digest, notes_form, notes, bytes(data))
        if self._has_files:
            self._database.together(
                lambda execute: self._remove(execute, _OF_KEY, (kind, name), _STORE, row)
            )
        else:
            self._database.run(_STORE, row)

    def _store_file(
        self,
        large: LargeValues,
        head: tuple[Any, ...],
        rest: tuple[Any, ...],
        form: str,
        data: Frozen,
    ) -> None:
        while True:
            try:
                file, unfinished = large.written(form, data)
                row = (*head, FORM, *rest, file.encode())

                def work(
                    execute: Execute,
                    file: str = file,
                    unfinished: str | None = unfinished,
                    row: tuple[Any, ...] = row,
                ) -> bool:
                    if not large.named(file, unfinished):
                        return False
                    self._remove(execute, _OF_KEY, head[:2], _STORE, row)
                    return True

                if self._database.together(work):
                    return
            except OSError as error:
                raise StateError(
                    f"a large value cannot be written to {large.folder}: {error}",
                    remedy="check that the folder is writable and has enough space",
                ) from error

    def _sweep(self, now: float) -> None:
        """Delete expired entries."""
        if self._has_files:
            self._database.together(
                lambda execute: self._remove(execute, _EXPIRED, (now,), _SWEEP, (now,))
            )
        else:
            self._database.run(_SWEEP, (now,))

    def _remove(
        self,
        execute: Execute,
        selection: str,
        values: tuple[Any, ...],
        statement: str,
        given: tuple[Any, ...] | None = None,
    ) -> None:
        """Execute a statement that removes entries, and delete files to which none refers then.

        Args:
            execute: Executes a statement in the transaction.
            selection: Selects the names of the files of these entries.
            values: The values in the selection.
            statement: Removes the entries.
            given: The values in it; by default those of the selection.
        """
        removed = execute(selection, values)
        execute(statement, values if given is None else given)
        if removed:
            assert self._large is not None
            self._large.keep_only(name.decode() for (name,) in execute(_FILES))


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    """Return the absolute path, so that it is the same file in another working folder."""
    if path is None:
        return None
    try:
        return os.path.abspath(os.fsdecode(path))
    except TypeError:
        raise OptionError(
            f"storage_path must be a path, got {path!r}",
            remedy='write the path of a file, as in StateManager(".lokki/state.db"), or omit it',
        ) from None


def _name(key: str) -> bytes:
    """Return a key as bytes, because not every string is valid Unicode."""
    if not isinstance(key, str):
        raise OptionError(f"the key must be a string, got {key!r}", remedy="use strings as keys")
    return key.encode("utf-8", "surrogatepass")


def _seconds(name: str, ttl: float | None) -> float | None:
    if ttl is None:
        return None
    is_number = isinstance(ttl, (int, float)) and not isinstance(ttl, bool)
    if not is_number or not ttl > 0:  # so NaN is an error too
        raise OptionError(
            f"{name}={ttl!r}: must be a number of seconds above 0",
            remedy="omit it for values that never expire",
        )
    return float(ttl)


def _frozen(what: str, value: Any) -> tuple[str, Frozen]:
    try:
        return freeze(value)
    except Exception as error:
        raise SerializationError(
            f"{what} cannot be stored: {described(error)}",
            remedy="store plain data (numbers, text, lists, dicts, dataclasses, arrays, data "
            "frames), no open files, connections, locks or lambdas",
        ) from error


def _frozen_notes(
    key: str, metadata: Mapping[str, Any] | None
) -> tuple[str, bytes] | tuple[None, None]:
    if metadata is None:
        return None, None
    if not isinstance(metadata, Mapping):
        raise OptionError(
            f"metadata must be a dict, got {metadata!r}", remedy='write metadata={"source": "api"}'
        )
    form, data = _frozen(f"the metadata of {key!r}", dict(metadata))
    return form, bytes(data)


def _thawed(key: str, form: str, data: Any) -> Any:
    try:
        return thaw(form, data)
    except Exception as error:
        raise StateError(
            f"what is stored as {key!r} cannot be read: {described(error)}",
            remedy=f"delete({key!r}) and store it again",
        ) from error
