"""Tars whose bytes depend on their files alone: not on time, machine, owner or order."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import PurePosixPath

_TIME = 315_532_800  # the first of January 1980, as in the zips


def tar_files(files: Mapping[str, bytes]) -> bytes:
    """A tar of some files and the folders that they stand in, for all to read.

    Args:
        files: Contents by path, with ``/`` between folders.
    """
    folders = {str(one) for path in files for one in PurePosixPath(path).parents} - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({*folders, *files}):
            data = files.get(path)
            entry = tarfile.TarInfo(path)
            entry.mtime = _TIME
            if data is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            else:
                entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data or b""))
    return buffer.getvalue()
