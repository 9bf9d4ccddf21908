"""Values under names, stored from run to run: :class:`StateManager`.

Everything is in one table of a SQLite database, in a file or in memory. Values are serialized as
between steps, so they keep their types.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any

from lokki_tf.errors import OptionError, SerializationError, StateError
from lokki_tf.runtime.envelope import serialize, thaw
from lokki_tf.tracebacks import ends_at_caller

from .strict import described

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


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored result of a step.

    Args:
        form: ``json.gz``, ``pickle.gz`` or ``blocks``.
        data: The result, serialized by :func:`lokki_tf.runtime.envelope.serialize`.
        digest: The result of :func:`digest_of` for both.
        skipped: Whether the step was skipped.
    """

    form: str
    data: bytes
    digest: str
    skipped: bool = False


def digest_of(form: str, data: bytes) -> str:
    """Return the SHA-256 of a serialized value with its form, in hexadecimal."""
    digest = sha256(form.encode())
    digest.update(data)
    return digest.hexdigest()


@ends_at_caller
class StateManager:
    """Stores values under names: in memory, or in a file from run to run.

    ::

        state = StateManager(".lokki/state.db", default_ttl=3600)
        state.set("rows", rows)
        state.get("rows")

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
        self._database = Database(_absolute(storage_path))

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
        rows = self._rows(_GET, _USER, key)
        return _thawed(key, *rows[0]) if rows else default

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
        self._database.run(_SWEEP, (self._clock(),))
        return self._database.run(_DELETE, (_USER, name))[1] > 0

    def clear(self) -> None:
        """Delete all entries, also those of steps' results."""
        self._database.run(_CLEAR)

    def get_all(self) -> dict[str, Any]:
        """Return copies of all values that were :meth:`set`, by key, sorted by key.

        Results of steps that runs have stored are not included.

        Raises:
            StateError: If one of them cannot be read.
        """
        rows, _ = self._database.run(_ALL, (_USER, self._clock()))
        keys = [name.decode("utf-8", "surrogatepass") for name, _, _ in rows]
        return {key: _thawed(key, *row[1:]) for key, row in zip(keys, rows, strict=True)}

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

    def keep(self, key: str, form: str, data: bytes, *, digest: str, skipped: bool = False) -> None:
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
        rows = self._rows(_RECALL, _STEP, key)
        if not rows:
            return None
        form, data, digest, skipped = rows[0]
        return Kept(form, data, digest, bool(skipped)) if digest_of(form, data) == digest else None

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

    def _store(self, kind: int, name: bytes, ttl: float | None, *rest: Any) -> None:
        now = self._clock()
        expires = None
        if ttl is not None:  # storing an entry that expires removes expired entries
            expires = now + ttl
            self._database.run(_SWEEP, (now,))
        self._database.run(_STORE, (kind, name, expires, now, ttl, *rest))


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


def _frozen(what: str, value: Any) -> tuple[str, bytes]:
    try:
        return serialize(value)
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
    return _frozen(f"the metadata of {key!r}", dict(metadata))


def _thawed(key: str, form: str, data: bytes) -> Any:
    try:
        return thaw(form, data)
    except Exception as error:
        raise StateError(
            f"what is stored as {key!r} cannot be read: {described(error)}",
            remedy=f"delete({key!r}) and store it again",
        ) from error
