"""Values under names, kept from run to run: :class:`StateManager`.

All stands in one table of one SQLite database, in a file or in memory. Values are stored
as they would travel between steps, so what comes out is of the types that went in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import Any

from lokki_tf.errors import OptionError, SerializationError, StateError
from lokki_tf.runtime.envelope import freeze, thaw
from lokki_tf.tracebacks import ends_at_caller

from .strict import described

# Whose an entry is. The two never meet, whatever their keys.
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
    """What came of a step, as it is kept.

    Args:
        form: ``json.gz`` or ``pickle.gz``.
        data: The result, as :func:`lokki_tf.runtime.envelope.freeze` made it.
        digest: :func:`digest_of` the two.
        skipped: Whether the step was skipped.
    """

    form: str
    data: bytes
    digest: str
    skipped: bool = False


def digest_of(form: str, data: bytes) -> str:
    """The SHA-256 of a frozen value, form first, in hexadecimal."""
    digest = sha256(form.encode())
    digest.update(data)
    return digest.hexdigest()


@ends_at_caller
class StateManager:
    """Keeps values under names: in memory, or in a file from run to run.

    ::

        state = StateManager(".lokki/state.db", default_ttl=3600)
        state.set("rows", rows)
        state.get("rows")

    Any number of threads and processes may use one file at once. What :meth:`set` has
    stored when it returns is there even if the process is killed right after. Values that
    are no JSON are pickled, and reading a pickle can run code: use no file of a stranger.

    Args:
        storage_path: The file; it and its folders are made where there are none. In memory
            if left out, and gone with the process.
        default_ttl: Seconds after which an entry expires; ``None`` for never. An expired
            entry is as if it were not there, and deleted by a later call that writes.
        clock: Gives the time, in seconds since 1970.

    Raises:
        OptionError: If an argument is not of its kind.
        StateError: If the file is none of ours, or cannot be made or read.
    """

    def __init__(
        self,
        storage_path: str | os.PathLike[str] | None = None,
        default_ttl: float | None = None,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        from .database import Database  # brings sqlite3, which few runs need

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
        """Store a value, in place of the one that was there.

        Args:
            key: Its name.
            value: Anything that JSON or pickle takes, ``None`` too.
            ttl: Seconds after which it expires, ``math.inf`` for never; ``default_ttl`` if
                left out.
            metadata: What :meth:`get_metadata` is to tell of it.

        Raises:
            OptionError: If the key is no text, ``ttl`` no number above 0, ``metadata`` no dict.
            SerializationError: If the value or the metadata cannot be pickled.
            StateError: If it cannot be written. With any error, nothing was stored.
        """
        name, ttl = _name(key), self._ttl if ttl is None else _seconds("ttl", ttl)
        form, data = _frozen(f"the value of {key!r}", value)
        notes_form, notes = _frozen_notes(key, metadata)
        self._store(_USER, name, ttl, 0, form, None, notes_form, notes, data)

    def get(self, key: str, default: Any = None) -> Any:
        """A copy of a value.

        Args:
            key: Its name.
            default: What to return where there is none.

        Raises:
            OptionError: If the key is no text.
            StateError: If the value cannot be read: it is damaged, or its class is gone.
        """
        rows = self._rows(_GET, _USER, key)
        return _thawed(key, *rows[0]) if rows else default

    def has(self, key: str) -> bool:
        """Whether there is a value, ``None`` or another.

        Raises:
            OptionError: If the key is no text.
        """
        return bool(self._rows(_HAS, _USER, key))

    __contains__ = has

    def delete(self, key: str) -> bool:
        """Delete a value; returns whether there was one.

        Raises:
            OptionError: If the key is no text.
        """
        name = _name(key)
        self._database.run(_SWEEP, (self._clock(),))
        return self._database.run(_DELETE, (_USER, name))[1] > 0

    def clear(self) -> None:
        """Delete all there is, also what runs have kept of their steps."""
        self._database.run(_CLEAR)

    def get_all(self) -> dict[str, Any]:
        """Copies of all values that were :meth:`set`, by their keys, in the order of these.

        What runs keep of their steps is not among them.

        Raises:
            StateError: If one of them cannot be read.
        """
        rows, _ = self._database.run(_ALL, (_USER, self._clock()))
        keys = [name.decode("utf-8", "surrogatepass") for name, _, _ in rows]
        return {key: _thawed(key, *row[1:]) for key, row in zip(keys, rows, strict=True)}

    def get_metadata(self, key: str) -> dict[str, Any] | None:
        """What is known of a value, or ``None`` where there is none.

        Returns:
            ``timestamp``, the seconds since 1970 when it was stored; ``ttl``, the seconds that
            it lives, or ``None``; ``age``, the seconds since it was stored; and what
            :meth:`set` was given as ``metadata``.

        Raises:
            OptionError: If the key is no text.
            StateError: If the metadata cannot be read.
        """
        rows = self._rows(_NOTES, _USER, key)
        if not rows:
            return None
        stored, ttl, form, notes = rows[0]
        more = {} if form is None else _thawed(key, form, notes)
        return {"timestamp": stored, "ttl": ttl, "age": self._clock() - stored, **more}

    def keep(self, key: str, form: str, data: bytes, *, digest: str, skipped: bool = False) -> None:
        """Store what came of a step, for :meth:`recall`; it expires after ``default_ttl``.

        Args:
            key: A name among steps, which no key of :meth:`set` meets.
            form: As in :class:`Kept`, like the others.
            data: The frozen result.
            digest: :func:`digest_of` form and data.
            skipped: Whether the step was skipped.

        Raises:
            StateError: If it cannot be written.
        """
        name = _name(key)
        self._store(_STEP, name, self._ttl, int(skipped), form, digest, None, None, data)

    def recall(self, key: str) -> Kept | None:
        """What :meth:`keep` has stored, or ``None`` where nothing is, or that is damaged.

        It is not thawed here: its class may be gone all the same.

        Raises:
            StateError: If the file cannot be read.
        """
        rows = self._rows(_RECALL, _STEP, key)
        if not rows:
            return None
        form, data, digest, skipped = rows[0]
        return Kept(form, data, digest, bool(skipped)) if digest_of(form, data) == digest else None

    def close(self) -> None:
        """Let go of the file; what is in memory is gone."""
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
        if ttl is not None:  # who adds what will expire takes away what has
            expires = now + ttl
            self._database.run(_SWEEP, (now,))
        self._database.run(_STORE, (kind, name, expires, now, ttl, *rest))


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    """The path from the root, so that it stays the same file in another working folder."""
    if path is None:
        return None
    try:
        return os.path.abspath(os.fsdecode(path))
    except TypeError:
        raise OptionError(
            f"storage_path={path!r} is no path",
            remedy='name a file, as in StateManager(".lokki/state.db"), or leave it out',
        ) from None


def _name(key: str) -> bytes:
    """A key as it is stored: bytes, for not all text is valid Unicode."""
    if not isinstance(key, str):
        raise OptionError(f"the key {key!r} is no text", remedy="name values by strings")
    return key.encode("utf-8", "surrogatepass")


def _seconds(name: str, ttl: float | None) -> float | None:
    if ttl is None:
        return None
    is_number = isinstance(ttl, (int, float)) and not isinstance(ttl, bool)
    if not is_number or not ttl > 0:  # so NaN is refused too
        raise OptionError(
            f"{name}={ttl!r}: it is a number of seconds above 0",
            remedy="leave it out for what never expires",
        )
    return float(ttl)


def _frozen(what: str, value: Any) -> tuple[str, bytes]:
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
            f"metadata={metadata!r} is no dict", remedy='write metadata={"source": "api"}'
        )
    return _frozen(f"the metadata of {key!r}", dict(metadata))


def _thawed(key: str, form: str, data: bytes) -> Any:
    try:
        return thaw(form, data)
    except Exception as error:
        raise StateError(
            f"what is stored as {key!r} cannot be read: {described(error)}",
            remedy=f"delete({key!r}) and store it anew",
        ) from error
