"""Large values of a state, as files beside its database.

A file is named by the SHA-256 of its content, so equal values are one file, which is written once.
It is complete before it has its name, and gets it in the transaction that writes the first entry
with it. Files to which no entry refers are deleted in the transaction that removes the last one.
Files of processes that were killed while they wrote are deleted by later ones.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lokki_tf.runtime.blocks import Source
    from lokki_tf.runtime.envelope import Frozen

LARGE = 2**20
"""Bytes of a serialized value that becomes a file."""
FORM = "file"
"""The form of entries whose data is the name of a file."""
_UNFINISHED = ".new"
_OLD = 24 * 3600.0  # seconds after which an unfinished file is that of a killed process


class LargeValues:
    """The folder of a state's large values.

    Args:
        database: Absolute path of the database; the folder has the same name with ``.values``.
    """

    def __init__(self, database: str) -> None:
        self.folder = f"{database}.values"

    @property
    def exist(self) -> bool:
        """Whether there may be any."""
        return os.path.isdir(self.folder)

    def written(self, form: str, data: Frozen) -> tuple[str, str | None]:
        """Write a value, unless its file exists.

        Args:
            form: The name's ending, such as ``blocks``.
            data: The serialized value.

        Returns:
            The file's name, and the path of the unfinished file, if one was written.

        Raises:
            OSError: If it cannot be written.
        """
        from lokki_tf.runtime.envelope import name_of

        name = f"{name_of(form, data)}.{form}"
        if os.path.exists(os.path.join(self.folder, name)):
            return name, None
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = os.path.join(self.folder, f"{name}.{os.getpid()}-{os.urandom(4).hex()}{_UNFINISHED}")
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                for part in [data] if isinstance(data, bytes) else data.stored():
                    file.write(part)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        return name, path

    def named(self, name: str, unfinished: str | None) -> bool:
        """Give a file its name; the caller is in a transaction.

        Args:
            name: The file's name.
            unfinished: The path of the unfinished file, or ``None`` if the file existed.

        Returns:
            Whether the file exists now: another process may have deleted it meanwhile.
        """
        path = os.path.join(self.folder, name)
        if unfinished is None:
            return os.path.exists(path)
        os.replace(unfinished, path)
        return True

    def opened(self, name: str) -> Source | None:
        """Return what reads a file, or ``None`` if it is missing or another one.

        Blocks are verified as they are read.

        Args:
            name: The file's name.
        """
        from lokki_tf.runtime.envelope import BLOCKS, name_of

        digest, _, form = name.partition(".")
        try:
            with open(os.path.join(self.folder, name), "rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            source: Any = memoryview(mapped)  # parts of it are not copied
            if form != BLOCKS:
                source = bytes(source)
            return source if name_of(form, source) == digest else None
        except Exception:  # an empty file cannot be mapped, and others have no index
            return None

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete all other files; the caller is in a transaction.

        Args:
            names: The names to which entries refer.
        """
        wanted, old = set(names), time() - _OLD
        with suppress(OSError), os.scandir(self.folder) as found:
            for one in found:
                with suppress(OSError):  # on Windows, a file that is being read
                    is_new = one.name.endswith(_UNFINISHED)
                    if one.stat().st_mtime < old if is_new else one.name not in wanted:
                        os.unlink(one.path)
