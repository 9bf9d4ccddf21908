"""Zips whose bytes depend on their files alone: not on time, machine, order or zlib.

zlib promises no particular output, and systems ship several of them; so what is small, all
step code among it, is compressed by :mod:`.deflate`, and the user's data, which may be large,
is not compressed at all.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Collection, Mapping

from .deflate import deflated

_SMALL = 200_000
_VERSION = 20
_BY_UNIX = 3 << 8
_UTF_8 = 0x800
_DEFLATED = 8
_DATE = (1 << 5) | 1  # the first of January 1980, the earliest that the format can say
_MODE = 0o100644 << 16


def zip_files(files: Mapping[str, bytes], stored: Collection[str] = ()) -> bytes:
    """A zip of some files.

    Args:
        files: Contents by path, with ``/`` between folders.
        stored: Those of them that are not compressed.
    """
    bodies, entries, at = [], [], 0
    for path in sorted(files):
        data, name = files[path], path.encode()
        packed = data if path in stored else _packed(data)
        shared = struct.pack(
            "<HHHHHIIIHH",
            *(_VERSION, _UTF_8, 0 if path in stored else _DEFLATED, 0, _DATE),
            *(zlib.crc32(data), len(packed), len(data), len(name), 0),
        )
        bodies += [b"PK\3\4", shared, name, packed]
        made_by = struct.pack("<H", _BY_UNIX | _VERSION)
        rest = struct.pack("<HHHII", 0, 0, 0, _MODE, at)
        entries += [b"PK\1\2", made_by, shared, rest, name]
        at += 4 + len(shared) + len(name) + len(packed)
    directory = b"".join(entries)
    count = len(files)
    end = struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), at, 0)
    return b"".join((*bodies, directory, b"PK\5\6", end))


def sha256_base64(data: bytes) -> str:
    """The hash by which Terraform's ``source_code_hash`` knows a zip."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _packed(data: bytes) -> bytes:
    if len(data) <= _SMALL:
        return deflated(data)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()
