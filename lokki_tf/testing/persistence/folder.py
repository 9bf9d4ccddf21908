"""The files in which the state of a local AWS is kept between starts.

===============  ===============================================================================
``state``        a zip with a pickle for each service, and ``about.json`` with versions; written
                 beside and renamed, so that an interrupted write changes nothing
``contents/``    large contents by their SHA-256; written before the state that refers to them
``children``     SQLite, with the children of Distributed Maps
``lock``         locked while a server uses the folder
===============  ===============================================================================
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lokki_tf.testing.errors import LocalAwsError

FORMAT = 2
"""The format of the files. A change that earlier versions cannot read has another number."""
_ABOUT = "about.json"


class StateFolder:
    """A folder with the state of a local AWS, for one server at a time.

    Args:
        path: The folder; it is made if it does not exist.

    Raises:
        LocalAwsError: If another server uses the folder, or it belongs to another user.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        _require_own(path)
        self._contents = path / "contents"
        self._contents.mkdir(exist_ok=True)
        self._known = {each.name for each in self._contents.iterdir()}
        self._used: set[str] = set()
        self._written: Mapping[str, str] | None = None
        self._lock = _locked(path / "lock")

    @property
    def children(self) -> Path:
        """The database of the children of Distributed Maps."""
        return self.path / "children"

    def read(self) -> dict[str, bytes]:
        """Return the pickles by service; none if nothing was saved yet.

        Raises:
            LocalAwsError: If the state is damaged, or was written by versions that are too
                different.
        """
        state = self.path / "state"
        if not state.exists():
            return {}
        try:
            with zipfile.ZipFile(state) as archive:
                about = json.loads(archive.read(_ABOUT))
                _require_same(about, self.path)
                return {name: archive.read(name) for name in archive.namelist() if name != _ABOUT}
        except (zipfile.BadZipFile, OSError, ValueError, KeyError) as error:
            raise LocalAwsError(
                f"the state in {state} cannot be read: {error}",
                remedy="move the folder away to start with an empty account",
            ) from None

    def write(self, pickles: Mapping[str, bytes]) -> bool:
        """Write the state, unless it is the one that was written last; return whether it was.

        Args:
            pickles: The pickles by service.
        """
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in pickles.items()}
        if sums == self._written:
            return False
        beside = self.path / "state.new"
        about = {**_versions(), "saved": datetime.now(UTC).isoformat(timespec="seconds")}
        with beside.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.writestr(_ABOUT, json.dumps(about))
                for name, data in pickles.items():
                    archive.writestr(name, data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path / "state")
        self._written = sums
        self._remove_unused()
        return True

    def begin(self) -> None:
        """Begin to collect the contents to which the next state refers."""
        self._used = set()

    def put(self, content: bytes) -> str:
        """Store a content, and return its name."""
        name = hashlib.sha256(content).hexdigest()
        self._used.add(name)
        if name not in self._known:
            beside = self._contents / f"{name}.new"
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._contents / name)
            self._known.add(name)
        return name

    def get(self, name: str) -> bytes:
        """Return the content with a name.

        Raises:
            LocalAwsError: If the content was changed.
        """
        content = (self._contents / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != name:
            raise LocalAwsError(
                f"the content {self._contents / name} was changed",
                remedy="restore the folder from a copy, or move it away",
            )
        return content

    def _remove_unused(self) -> None:
        for name in self._known - self._used:
            with suppress(FileNotFoundError):
                (self._contents / name).unlink()
        self._known &= self._used


def _versions() -> dict[str, Any]:
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {
        "format": FORMAT,
        "python": python,
        "moto": version("moto"),
        "lokki_tf": version("lokki-tf"),
    }


def _require_same(about: Mapping[str, Any], path: Path) -> None:
    if about["format"] != FORMAT:
        raise LocalAwsError(
            f"the state in {path} has format {about['format']}, and this version reads {FORMAT}",
            remedy=f"use lokki-tf {about['lokki_tf']}, or another folder",
        )
    here = _versions()
    if about["python"] != here["python"]:
        raise LocalAwsError(
            f"the state in {path} was written with Python {about['python']}, and this is Python "
            f"{here['python']}",
            remedy=f"use Python {about['python']}, or another folder",
        )
    if about["moto"] != version("moto"):
        raise LocalAwsError(
            f"the state in {path} was written with moto {about['moto']}, whose resources moto "
            f"{version('moto')} may not understand",
            remedy=f"pip install moto=={about['moto']}, or use another folder",
        )


def _require_own(path: Path) -> None:
    if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        raise LocalAwsError(
            f"the folder {path} belongs to another user, and reading it runs code",
            remedy="use a folder of your own",
        )


def _locked(path: Path) -> Any:
    """Lock a file until the process ends.

    Raises:
        LocalAwsError: If another process has locked it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LocalAwsError(
            f"another local AWS uses the folder {path.parent}",
            remedy="end it, or use another folder",
        ) from None
    return lock
