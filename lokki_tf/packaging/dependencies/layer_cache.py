"""A cache of layers and resolutions, in a folder of the user.

Each is written under a temporary name and renamed, so several processes can write at the same time:
the first one wins, and the others use its files. A layer is made again if the hash of its zip has
changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lokki_tf.errors import OutputError

_ZIP, _ABOUT = "layer.zip", "layer.json"


@dataclass(frozen=True, slots=True)
class About:
    """The hash of a layer's content, and unzipped bytes by distribution, the largest first."""

    content: str
    sizes: dict[str, int]


def cache_folder() -> Path:
    """Return ``LOKKI_CACHE_DIR``, else ``lokki_tf`` in the user's folder for caches."""
    own = os.environ.get("LOKKI_CACHE_DIR")
    if own:
        return Path(own).absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).absolute() if shared else Path.home() / ".cache") / "lokki_tf"


class LayerCache:
    """The cache in a folder, which is created at the first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _resolution(self, key: str) -> Path:
        return self.folder / "resolutions" / f"{key}.lock"

    def resolution(self, key: str) -> str | None:
        """Return the resolution that is stored under a key, if there is one."""
        file = self._resolution(key)
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def keep_resolution(self, key: str, lock: str) -> None:
        """Store a resolution, replacing an older one."""
        file = self._resolution(key)
        with self._beside(file) as scratch:
            written = scratch / file.name
            written.write_text(lock, encoding="utf-8", newline="\n")
            os.replace(written, file)

    def layer(self, key: str, make: Callable[[Path, Path], About]) -> tuple[Path, About]:
        """Return a layer's zip and its metadata; make them if they do not exist."""
        folder = self.folder / "layers" / key
        about = _read(folder)
        if about is not None:
            return folder / _ZIP, about
        with self._beside(folder) as scratch:
            work, made = scratch / "work", scratch / "made"
            work.mkdir()
            made.mkdir()
            about = make(work, made / _ZIP)
            written = {"sha256": _sha256(made / _ZIP), **asdict(about)}
            (made / _ABOUT).write_text(json.dumps(written), encoding="utf-8")
            try:
                made.rename(folder)
            except OSError:
                # Another process was faster, or a file was removed.
                theirs = _read(folder)
                if theirs is not None:
                    return folder / _ZIP, theirs
                shutil.rmtree(folder)
                made.rename(folder)
        return folder / _ZIP, about

    @contextmanager
    def _beside(self, folder: Path) -> Iterator[Path]:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        except OSError as error:
            raise OutputError(
                f"the cache of layers, {self.folder}, cannot be written: {error.strerror or error}",
                remedy="set LOKKI_CACHE_DIR to a folder in which you may write",
            ) from error


def _read(folder: Path) -> About | None:
    """Return the metadata of a layer that exists, complete and unchanged."""
    try:
        found = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        sha256 = found.pop("sha256")
        return About(**found) if _sha256(folder / _ZIP) == sha256 else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
