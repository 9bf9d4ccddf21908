"""The build context of a pipeline's container image: one image for all of its steps.

Each step has a folder with the files of its zip; the container's command, a step's name, selects
it. The files are the same on every computer and at any time, and their hash is the image's tag: a
new tag means new content.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.config.image_names import image_tag
from lokki_tf.errors import ConfigError, OptionError
from lokki_tf.model.requirements import PackageSet, package_sets

from ..bundle.template import shipped
from ..dependencies.layers import LOCK_FILE, LayerBuilder

if TYPE_CHECKING:
    from lokki_tf.model import Step

    from ..bundle.package import Package

APP, ENTRY, FOLDER = "app", "entry.py", "image"
DOCKERFILE = "Dockerfile"
_LOCK = f"{APP}/{LOCK_FILE}"
BASE_LOCK = "base.lock"
_BASE = "public.ecr.aws/lambda/python:{version}"
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_PACKAGES = re.compile(r"(?m)^# \{\{PACKAGES\}\}\n(.*?)^# \{\{END_OF_PACKAGES\}\}\n", re.DOTALL)
_TAG_LENGTH = 16


@dataclass(frozen=True, eq=False)
class ImageContext:
    """The build context of an image.

    Args:
        name: The pipeline's name.
        files: Contents by path: ``Dockerfile``, ``app/entry.py``, ``app/<step>/…`` and, if steps
            declare packages, ``app/requirements.lock``; ``base.lock`` if the base image's digest is
            known.
        base_image: The Dockerfile's argument ``BASE_IMAGE``.
        architecture: ``x86_64`` or ``arm64``.
        given_tag: The user's tag, instead of the content's hash.
    """

    name: str
    files: Mapping[str, bytes]
    base_image: str
    architecture: str
    given_tag: str | None = None

    @property
    def platform(self) -> str:
        """The name of the platform for container engines."""
        return _PLATFORMS[self.architecture]

    @property
    def tag(self) -> str:
        """The image's tag."""
        return self.given_tag or self.content_tag

    @cached_property
    def content_tag(self) -> str:
        """Sixteen characters of a hash of the content, the same on every computer."""
        found = hashlib.sha256(f"{self.base_image}\0{self.platform}\0".encode())
        for path, data in sorted(self.files.items()):
            found.update(f"{path}\0{len(data)}\0".encode())
            found.update(data)
        return found.hexdigest()[:_TAG_LENGTH]


def image_context(
    name: str,
    packages: Mapping[Step, Package],
    *,
    base_image: str | None = None,
    dockerfile: str | Path | None = None,
    tag: str | None = None,
    builder: LayerBuilder | None = None,
    base_digest: Callable[[str], str] | None = None,
) -> ImageContext:
    """Return the build context of a pipeline's image.

    Args:
        name: The pipeline's name.
        packages: The steps that run in it, with their code.
        base_image: The base image; by default Lambda's own for the steps' Python.
        dockerfile: Path of a Dockerfile instead of the default one.
        tag: A tag instead of the content's hash.
        builder: Resolves declared packages, with the locks in the stack's folder.
        base_digest: Returns the present digest of the base image; without it, the one in the
            stack's folder is used, if there is one.

    Raises:
        OptionError: If the steps cannot share an image: they require different Pythons or
            processors, or incompatible packages.
        ConfigError: If the Dockerfile cannot be read, or the tag is not valid.
        MissingToolError: If declared packages cannot be downloaded.
    """
    runtime, architecture = _target(packages)
    builder = builder or LayerBuilder()
    lock = _lock(packages, builder)
    base = base_image or _BASE.format(version=runtime.removeprefix("python"))
    base, base_lock = _pinned(base, base_digest or partial(_kept_digest, folder=builder.locks))
    files = {f"{APP}/{ENTRY}": shipped(ENTRY).encode()}
    for step, package in packages.items():
        files |= {f"{APP}/{step.name}/{path}": data for path, data in package.files.items()}
    if lock is not None:
        files[_LOCK] = lock.encode()
    if base_lock:
        files[BASE_LOCK] = base_lock
    default = _default_dockerfile(base, lock is not None)
    files[DOCKERFILE] = default if dockerfile is None else _read(dockerfile)
    given = image_tag(tag) if tag else None
    return ImageContext(name, dict(sorted(files.items())), base, architecture, given)


def _pinned(base: str, digest_of: Callable[[str], str]) -> tuple[str, bytes]:
    """Return a base image with its digest instead of its tag, and the lock that has both.

    Not all engines accept an image with both. Without a digest, the image is unchanged and the lock
    is empty.
    """
    digest = "" if "@" in base else digest_of(base)
    if not digest:
        return base, b""
    folder, slash, last = base.rpartition("/")
    name = f"{folder}{slash}{last.partition(':')[0]}"
    return f"{name}@{digest}", f"{base} {digest}\n".encode()


def _kept_digest(base: str, folder: Path | None) -> str:
    """Return the digest of a base image in a stack's folder; empty if it has no digest of it."""
    kept = (folder or Path()) / FOLDER / BASE_LOCK
    if folder is None or not kept.is_file():
        return ""
    name, _, digest = kept.read_text(encoding="utf-8").strip().partition(" ")
    return digest if name == base else ""


def _target(steps: Iterable[Step]) -> tuple[str, str]:
    """Return the Python and the processor that all steps of an image share."""
    found: dict[tuple[str, str], Step] = {}
    for step in steps:
        found.setdefault((step.options.python_runtime, step.options.architecture), step)
    if not found:
        raise OptionError("an image needs a step that runs in it")
    if len(found) > 1:
        wanted = "; ".join(
            f"step {step.name!r} requires {runtime} on {architecture}"
            for (runtime, architecture), step in found.items()
        )
        raise OptionError(
            f"the steps of a pipeline share one image, of one Python and processor: {wanted}",
            place=list(found.values())[-1].place,
            remedy="give them the same python_runtime and architecture, or put one into a zip",
        )
    return next(iter(found))


def _lock(steps: Iterable[Step], builder: LayerBuilder) -> str | None:
    """Return exact versions of all packages that the steps declare."""
    sets = package_sets(steps)
    declaring = [step for each in sets.values() for step in each]
    if not declaring:
        return None
    first = next(iter(sets))
    lines = {line for one in sets for line in one.requirements}
    together = PackageSet(tuple(sorted(lines)), first.runtime, first.architecture)
    who = ""
    if len(declaring) > 1:
        names = ", ".join(repr(step.name) for step in declaring)
        who = f"the steps {names} share one image, which requires"
    return builder.lock(together, declaring[0], f"{FOLDER}/{_LOCK}", who)


def _default_dockerfile(base: str, has_packages: bool) -> bytes:
    text = shipped(DOCKERFILE).replace("{{BASE_IMAGE}}", base)
    return _PACKAGES.sub(r"\1" if has_packages else "", text).encode()


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the Dockerfile {path} cannot be read: {error.strerror or error}",
            remedy="set dockerfile in [image] to the path of your own, relative to the working "
            "folder, or remove it for the default one",
        ) from error
