"""Declared packages as layers: resolved and installed by uv, cut to what Lambda needs, zipped.

A resolution, once made, is kept as a lock of exact versions and hashes: in the stack's folder,
beside the layer, and in the cache. A set that has one keeps its versions, whatever appears in
the registry, until it is resolved anew on purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import LimitError

from ..findings import megabytes
from ..zips import content_hash, write_zip
from .layer_cache import About, LayerCache, cache_folder
from .layer_files import layer_files, sizes
from .uv import Uv, find_uv, platform, settings_key

if TYPE_CHECKING:
    from lokki_tf.model import PackageSet, Step

LOCK_FILE = "requirements.lock"
# Source: AWS Lambda Developer Guide, "Lambda quotas": 250 MB for a function with its layers,
# unzipped. The 50 MB for a zip hold only for one that is not uploaded through S3.
MOST_BYTES = 262_144_000
_FORMAT = 1
"""To be raised when other files of the same packages go into a layer."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Packages, ready for Lambda.

    Args:
        packages: The set that was declared.
        lock: Exact versions, with hashes.
        zip: The zip's path.
        content: A hash of what is in it.
        sizes: Bytes by distribution, unzipped, the largest first.
    """

    packages: PackageSet
    lock: str
    zip: Path
    content: str
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class LayerBuilder:
    """Builds layers, from what is there already where it can.

    Args:
        locks: A stack's folder, whose locks are held to.
        upgrade: Resolve anew, past all locks.
        on_packages: Told of a set before uv is.
        cache: Folder for what is made.
        uv: Path of uv; looked for unless given.
    """

    locks: Path | None = None
    upgrade: bool = False
    on_packages: Callable[[PackageSet], None] | None = None
    cache: Path = field(default_factory=cache_folder)
    uv: str | None = None

    def build(self, packages: PackageSet, step: Step) -> Layer:
        """The layer of a set.

        Args:
            packages: The set.
            step: A step that declares it, for errors.

        Raises:
            OptionError: If there are no such packages for Lambda.
            MissingToolError: If there is no uv, or it cannot reach the registry.
            LimitError: If they are more than Lambda takes.
            OutputError: If the cache cannot be written.
        """
        work = _Work(self, packages, step)
        lock = work.lock()
        zip_file, about = LayerCache(self.cache).layer(
            _key(packages, lock), lambda folder, to: work.make(lock, folder, to)
        )
        return Layer(packages, lock, zip_file, about.content, about.sizes)

    def lock(self, packages: PackageSet, step: Step, file: str, who: str = "") -> str:
        """Exact versions of a set, for those who install it elsewhere.

        Args:
            packages: The set.
            step: A step that declares it, for errors.
            file: Where an earlier lock may stand in the stack's folder; one of another set
                is passed over.
            who: Who declares it, for errors, where that is not the step alone.

        Raises:
            OptionError: If there are no such packages for Lambda.
            MissingToolError: If there is no uv, or it cannot reach the registry.
            OutputError: If the cache cannot be written.
        """
        return _Work(self, packages, step, file, who).lock()


class _Work:
    """The building of one layer."""

    def __init__(
        self,
        builder: LayerBuilder,
        packages: PackageSet,
        step: Step,
        file: str = "",
        who: str = "",
    ) -> None:
        self.builder, self.packages, self.step = builder, packages, step
        self.file, self.who = file or layer_path(packages, LOCK_FILE), who
        self.cache = LayerCache(builder.cache)

    @cached_property
    def uv(self) -> Uv:
        uv = Uv(self.builder.uv or find_uv(), self.packages, self.step, self.who)
        if self.builder.on_packages is not None:
            self.builder.on_packages(self.packages)
        return uv

    def lock(self) -> str:
        """The stack's, else the cache's, else a new one."""
        key = f"{self.packages.key}-{settings_key(self.step)}"
        found = None
        if not self.builder.upgrade:
            found = self._lock_of_stack() or self.cache.resolution(key)
        if found is None:
            found = _head(self.packages) + self.uv.resolve()
            self.cache.keep_resolution(key, found)
        return found

    def _lock_of_stack(self) -> str | None:
        if self.builder.locks is None:
            return None
        file = self.builder.locks / self.file
        text = file.read_text(encoding="utf-8") if file.is_file() else None
        # A layer's folder is its set's own; an image's lock has one place for whatever set.
        own = self.file == layer_path(self.packages, LOCK_FILE)
        return text if own or (text or "").startswith(_head(self.packages)) else None

    def make(self, lock: str, folder: Path, to: Path) -> About:
        """Installs a lock's packages into an empty folder and writes their zip."""
        self.uv.install(lock, folder)
        files = layer_files(folder)
        about = About(content_hash(files), sizes(folder, files))
        check_size(self.step, 0, about.sizes)
        write_zip(files, to)
        return about


def layer_path(packages: PackageSet, file: str) -> str:
    """Where a file of a set's layer stands in a stack's folder."""
    return f"layers/{packages.key}/{file}"


def check_size(step: Step, code: int, packages: Mapping[str, int]) -> None:
    """Refuses what Lambda would not unpack.

    Args:
        step: The step, for the error.
        code: Bytes of its own code, unzipped.
        packages: Bytes by distribution, unzipped, the largest first.

    Raises:
        LimitError: If it is too much together.
    """
    whole = code + sum(packages.values())
    if whole <= MOST_BYTES:
        return
    largest = ", ".join(f"{name} {megabytes(size)}" for name, size in [*packages.items()][:5])
    raise LimitError(
        f"step {step.name!r} has {megabytes(whole)} of code and packages, unzipped, and Lambda "
        f"takes {megabytes(MOST_BYTES)}; the largest are {largest}",
        place=step.place,
        remedy="declare fewer packages or smaller ones, give steps that need different ones "
        "requirements of their own, or use an image",
    )


def _head(packages: PackageSet) -> str:
    lines = "".join(f"#   {line}\n" for line in packages.asked)
    return (
        f"# Resolved for {packages.target} ({platform(packages)}) from:\n{lines}"
        "# synth keeps to these versions; synth --upgrade looks for newer ones.\n"
    )


def _key(packages: PackageSet, lock: str) -> str:
    """What makes a layer what it is; comments of the lock do not."""
    lines = [line for line in lock.splitlines() if line.strip() and not line.startswith("#")]
    text = json.dumps([_FORMAT, packages.runtime, platform(packages), lines])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
