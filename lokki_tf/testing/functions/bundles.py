"""Unpack zips and layers, and make a folder with the packages of Lambda's Python runtime."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from lokki_tf.testing.settings import SDK_PACKAGES


class Bundles:
    """Folders of unpacked code. Zips with the same content share a folder."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="local-lambda-"))
        self.sdk = self._link_sdk()
        self._lock = Lock()

    def code(self, content: bytes) -> Path:
        """Return the folder of a function's unpacked zip."""
        return self._unpacked([content])

    def layers(self, contents: Sequence[bytes]) -> Path | None:
        """Return the folder with the merged files of all layers, like ``/opt`` in Lambda."""
        return self._unpacked(contents) if contents else None

    def close(self) -> None:
        """Delete all folders."""
        shutil.rmtree(self.root, ignore_errors=True)

    def search_path(self, code: Path, layers: Path | None) -> list[str]:
        """Return the entries of a function's ``sys.path`` before the standard library."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        below = (
            []
            if layers is None
            else [layers / "python", layers / "python/lib" / version / "site-packages"]
        )
        return [str(folder) for folder in (code, *below, self.sdk)]

    def _unpacked(self, contents: Sequence[bytes]) -> Path:
        digest = hashlib.sha256()
        for content in contents:
            digest.update(hashlib.sha256(content).digest())
        folder = self.root / f"code-{digest.hexdigest()[:32]}"
        with self._lock:
            if not folder.exists():
                scratch = folder.with_suffix(".part")
                scratch.mkdir()
                for content in contents:
                    _unpack(content, scratch)
                scratch.rename(folder)
        return folder

    def _link_sdk(self) -> Path:
        folder = self.root / "sdk"
        folder.mkdir()
        for name in SDK_PACKAGES:
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                continue
            origin = Path(spec.origin)
            source = origin.parent if spec.submodule_search_locations else origin
            (folder / source.name).symlink_to(source)
        return folder


def _unpack(content: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            mode = entry.external_attr >> 16
            if mode and path.is_file():
                path.chmod(mode | 0o400)
