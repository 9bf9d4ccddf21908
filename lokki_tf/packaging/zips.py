"""Zips with fixed times, modes and order, and the hash of their contents.

zlib's output differs between computers, so the bytes of a zip differ too. Terraform therefore
compares :func:`content_hash` to detect changes of code and layers.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

Files = Mapping[str, bytes | Path]
"""Contents, or the file that contains them, by path in the zip, with ``/`` between folders."""

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that the format can express
_UNIX = 3
_REGULAR_FILE = 0o100000


@dataclass(frozen=True, eq=False)
class Zipped:
    """Files that are deployed as a zip.

    Args:
        files: The files of the zip, by path.
    """

    files: Mapping[str, bytes]

    @cached_property
    def zip(self) -> bytes:
        """The zip. Its contents are the same on any computer, its compressed bytes may differ."""
        buffer = io.BytesIO()
        write_zip(self.files, buffer)
        return buffer.getvalue()

    @cached_property
    def content_hash(self) -> str:
        """The hash of the zip's contents, with which Terraform detects changes."""
        return content_hash(self.files)


def content_hash(files: Files) -> str:
    """Return a hexadecimal SHA-256 of paths, modes and contents, the same on any computer."""
    whole = hashlib.sha256()
    for name, data in _read(files):
        whole.update(f"{_mode(data):o} {hashlib.sha256(data).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def write_zip(files: Files, to: Path | IO[bytes]) -> None:
    """Write a zip, with only one of the files given by path in memory at a time."""
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in _read(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (_REGULAR_FILE | _mode(data)) << 16
            archive.writestr(entry, data)


def _read(files: Files) -> Iterator[tuple[str, bytes]]:
    for name in sorted(files):
        data = files[name]
        yield name, data if isinstance(data, bytes) else data.read_bytes()


def _mode(data: bytes) -> int:
    """Decide by content, since not every system that runs synth stores executable bits."""
    return 0o755 if data.startswith((b"\x7fELF", b"#!")) else 0o644
