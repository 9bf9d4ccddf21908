"""Temporary folders. Each process removes folders that killed processes have left.

They contain plans and Terraform, which may have secrets in them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX, _LOCK = "lokki_tf-", ".in-use"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder that only this user can read, and remove it afterwards.

    A lock file next to it is locked while it is in use. The system releases the lock when the
    process ends for any reason.
    """
    from filelock import FileLock

    _remove_unused(Path(tempfile.gettempdir()))
    new = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
    outer = new.with_name(new.name[1:])  # under this name, it may be removed unless it is locked
    try:
        with FileLock(new / _LOCK):
            new.rename(outer)
            inner = outer / "made"
            inner.mkdir(mode=0o700)
            yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def _remove_unused(folder: Path) -> None:
    from filelock import FileLock, Timeout

    for left in folder.glob(f"{_PREFIX}*/{_LOCK}"):
        # In a shared folder, names that belong to other users are ignored.
        with suppress(OSError, Timeout):
            if not left.parent.is_symlink() and _is_own(left):
                with FileLock(left, timeout=0):
                    shutil.rmtree(left.parent, ignore_errors=True)


def _is_own(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()
