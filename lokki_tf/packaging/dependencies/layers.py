"""Declared packages as layers: resolved and installed by uv, reduced for Lambda, and zipped.

A resolution is stored as a lock of exact versions and hashes: in the stack's folder, next to the
layer, and in the cache. A set with a lock keeps its versions, regardless of new ones in the
registry, until it is resolved again on purpose.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError

from ..findings import megabytes
from ..zips import content_hash, write_zip
from .layer_cache import About, LayerCache, cache_folder
from .uv import Uv, find_uv, platform, settings_key

if TYPE_CHECKING:
    from lokki_tf.model import PackageSet, Step

LOCK_FILE = "requirements.lock"
# Source: AWS Lambda Developer Guide, "Lambda quotas": 250 MB for a function with its layers,
# unzipped. The limit of 50 MB for a zip does not apply to uploads through S3.
MOST_BYTES = 262_144_000
_FORMAT = 1
"""Version of the layers' file selection: to be raised when it changes."""
_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


@dataclass(frozen=True, slots=True)
class Layer:
    """Packages, ready for Lambda.

    Args:
        packages: The declared set.
        lock: Exact versions, with hashes.
        zip: The zip's path.
        content: The hash of its content.
        sizes: Bytes by distribution, unzipped, the largest first.
    """

    packages: PackageSet
    lock: str
    zip: Path
    content: str
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class LayerBuilder:
    """Builds layers, or returns cached ones.

    Args:
        locks: A stack's folder, whose locks are used.
        upgrade: Whether sets are resolved again, without locks.
        on_packages: Called with a set before uv runs.
        cache: Folder of the cache.
        uv: Path of uv; searched by default.
    """

    locks: Path | None = None
    upgrade: bool = False
    on_packages: Callable[[PackageSet], None] | None = None
    cache: Path = field(default_factory=cache_folder)
    uv: str | None = None

    def build(self, packages: PackageSet, step: Step) -> Layer:
        """Return the layer of a set; raise as :meth:`lock`, and ``LimitError`` if it is too large.

        Args:
            packages: The set.
            step: A step that declares it, for errors.
        """
        uv = cache(lambda: self._uv(packages, step))
        lock = self._locked(packages, step, uv)

        def make(folder: Path, to: Path) -> About:
            uv().install(lock, folder)
            files = layer_files(folder)
            about = About(content_hash(files), _sizes(folder, files))
            check_size(step, 0, about.sizes)
            write_zip(files, to)
            return about

        # Everything that determines a layer's content, which excludes comments of the lock.
        lines = [line for line in lock.splitlines() if line.strip() and not line.startswith("#")]
        text = json.dumps([_FORMAT, packages.runtime, platform(packages), lines])
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        zip_file, about = LayerCache(self.cache).layer(key, make)
        return Layer(packages, lock, zip_file, about.content, about.sizes)

    def lock(self, packages: PackageSet, step: Step, file: str = "", who: str = "") -> str:
        """Return exact versions of a set: the stack's, else the cache's, else new ones.

        Args:
            packages: The set.
            step: A step that declares it, for errors.
            file: Path of an earlier lock in the stack's folder, if not next to the layer; a lock of
                another set is ignored.
            who: Who declares it, for errors, if not only the step.

        Raises:
            OptionError: If the packages do not exist for Lambda.
            MissingToolError: If uv is missing, or cannot reach the registry.
            OutputError: If the cache cannot be written.
        """
        return self._locked(packages, step, lambda: self._uv(packages, step, who), file)

    def _locked(
        self, packages: PackageSet, step: Step, uv: Callable[[], Uv], file: str = ""
    ) -> str:
        lines = "".join(f"#   {line}\n" for line in packages.asked)
        head = f"# Resolved for {packages.target} ({platform(packages)}) from:\n{lines}"
        head += "# synth keeps to these versions; synth --upgrade looks for newer ones.\n"
        kept, key = LayerCache(self.cache), f"{packages.key}-{settings_key(step)}"
        if not self.upgrade:
            known = (self.locks or Path()) / (file or layer_path(packages, LOCK_FILE))
            if self.locks is not None and known.is_file():
                found = known.read_text(encoding="utf-8")
                if not file or found.startswith(head):
                    return found
            resolution = kept.resolution(key)
            if resolution is not None:
                return resolution
        made = head + uv().resolve()
        kept.keep_resolution(key, made)
        return made

    def _uv(self, packages: PackageSet, step: Step, who: str = "") -> Uv:
        uv = Uv(self.uv or find_uv(), packages, step, who)
        if self.on_packages is not None:
            self.on_packages(packages)
        return uv


def layer_path(packages: PackageSet, file: str) -> str:
    """Return the path of a file of a set's layer in a stack's folder."""
    return f"layers/{packages.key}/{file}"


def check_size(step: Step, code: int, packages: Mapping[str, int]) -> None:
    """Raise an error if Lambda would refuse the size.

    Raises:
        LimitError: If code and packages exceed the limit.
    """
    whole = code + sum(packages.values())
    if whole <= MOST_BYTES:
        return
    largest = ", ".join(f"{name} {megabytes(size)}" for name, size in [*packages.items()][:5])
    raise LimitError(
        f"step {step.name!r} has {megabytes(whole)} of code and packages, unzipped; Lambda "
        f"allows {megabytes(MOST_BYTES)}; the largest are {largest}",
        place=step.place,
        remedy="declare fewer or smaller packages, give steps that need different ones separate "
        "requirements, or use an image",
    )


# --- installed packages as the files of a layer -------------------------------------------


def layer_files(folder: Path) -> dict[str, Path]:
    """Return the files of a layer, by path in its zip, sorted.

    Files that depend on this computer are left out: compiled code, records with hashes, and scripts
    that contain the path of the local Python.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = ((path, path.relative_to(folder)) for path in paths)
    return {f"python/{name.as_posix()}": path for path, name in inside if _is_kept(path, name)}


def _is_kept(path: Path, inside: Path) -> bool:
    *folders, name = inside.parts
    if "__pycache__" in folders or inside == Path(".lock"):
        return False
    if folders and folders[-1].endswith(".dist-info"):
        return name not in _RECORDS
    if folders != ["bin"]:
        return True
    lines = path.read_bytes()[:2_000].split(b"\n")[:3]
    of_python = lines[0].startswith(b"#!") and b"python" in b"".join(lines).lower()
    return not of_python and path.suffix != ".exe"


def _sizes(folder: Path, files: Mapping[str, Path]) -> dict[str, int]:
    """Return bytes by distribution, the largest first."""
    owners: dict[str, str] = {}
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        distribution = record.parent.name.removesuffix(".dist-info").replace("-", " ")
        with record.open(newline="", encoding="utf-8") as lines:
            owners |= {row[0]: distribution for row in csv.reader(lines)}
    found: Counter[str] = Counter()
    for name, path in files.items():
        owner = owners.get(name.removeprefix("python/"), name.split("/")[1])
        found[owner] += path.stat().st_size
    return dict(found.most_common())
