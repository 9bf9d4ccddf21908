"""Layers and resolutions that were made before, in a folder of the user's.

Each is written beside its place and renamed, so several processes can write at the same time: the
first one to finish wins, and the others use what is there. A layer is made again if its zip, by its
hash, is not the one that was written.
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
    """A hash of a layer's content, and bytes by distribution, unzipped, the largest first."""

    content: str
    sizes: dict[str, int]


def cache_folder() -> Path:
    """``LOKKI_CACHE_DIR``, else ``lokki_tf`` in the user's folder for caches."""
    own = os.environ.get("LOKKI_CACHE_DIR")
    if own:
        return Path(own).absolute()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).absolute() if shared else Path.home() / ".cache") / "lokki_tf"


class LayerCache:
    """The cache in a folder, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _resolution(self, key: str) -> Path:
        return self.folder / "resolutions" / f"{key}.lock"

    def resolution(self, key: str) -> str | None:
        """The resolution that was kept under a key, if there is one."""
        file = self._resolution(key)
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def keep_resolution(self, key: str, lock: str) -> None:
        """Keep a resolution, in place of an older one."""
        file = self._resolution(key)
        with self._beside(file) as scratch:
            written = scratch / file.name
            written.write_text(lock, encoding="utf-8", newline="\n")
            os.replace(written, file)

    def layer(self, key: str, make: Callable[[Path, Path], About]) -> tuple[Path, About]:
        """A layer's zip and what is known of it, made if it is not there."""
        place = self.folder / "layers" / key
        about = _read(place)
        if about is not None:
            return place / _ZIP, about
        with self._beside(place) as scratch:
            work, made = scratch / "work", scratch / "made"
            work.mkdir()
            made.mkdir()
            about = make(work, made / _ZIP)
            written = {"sha256": _sha256(made / _ZIP), **asdict(about)}
            (made / _ABOUT).write_text(json.dumps(written), encoding="utf-8")
            try:
                made.rename(place)
            except OSError:
                # Another process was faster, or a file was removed.
                theirs = _read(place)
                if theirs is not None:
                    return place / _ZIP, theirs
                shutil.rmtree(place)
                made.rename(place)
        return place / _ZIP, about

    @contextmanager
    def _beside(self, place: Path) -> Iterator[Path]:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".", dir=place.parent))
            try:
                yield scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        except OSError as error:
            raise OutputError(
                f"the cache of layers, {self.folder}, cannot be written: {error.strerror or error}",
                remedy="set LOKKI_CACHE_DIR to a folder that you may write into",
            ) from error


def _read(place: Path) -> About | None:
    """What is known of a layer that is there, complete and as it was written."""
    try:
        found = json.loads((place / _ABOUT).read_text(encoding="utf-8"))
        sha256 = found.pop("sha256")
        return About(**found) if _sha256(place / _ZIP) == sha256 else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
