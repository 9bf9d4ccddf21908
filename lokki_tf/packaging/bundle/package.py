"""A step's zip: its function in the template, the runtime, the user's modules and data files."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lokki_tf.model import Finding

from ..dependencies.third_party import missing_packages
from ..extract.cut import Cut
from ..source.modules import HANDLER
from ..zips import content_hash, write_zip
from .files import merged, module_files
from .include import contents
from .runtime_files import runtime_files
from .template import Template, default_template, fill

HANDLER_FILE = f"{HANDLER}.py"
HANDLER_NAME = f"{HANDLER}.lambda_handler"


@dataclass(frozen=True, eq=False)
class Package:
    """What Lambda gets of a step.

    Args:
        files: The files of the zip, by path.
        findings: What the user should know.
        data: Which of the files are the user's data, and no code.
    """

    files: Mapping[str, bytes]
    findings: tuple[Finding, ...] = ()
    data: frozenset[str] = frozenset()

    @cached_property
    def zip(self) -> bytes:
        """The zip. Its contents are the same on any machine, its compressed bytes may differ."""
        buffer = io.BytesIO()
        write_zip(self.files, buffer)
        return buffer.getvalue()

    @cached_property
    def content_hash(self) -> str:
        """The hash of the zip's contents, by which Terraform notices a change."""
        return content_hash(self.files)


def package(
    cut: Cut,
    *,
    carried: Sequence[Cut] = (),
    template: Template | None = None,
    routed: bool = False,
) -> Package:
    """Packs a step.

    Args:
        cut: The step's function.
        carried: Cuts of steps whose results may arrive: instances of their classes must
            unpickle, so the modules of these classes go along.
        template: What stands around the function; lokki_tf's own unless given.
        routed: Whether the step returns which step comes next.
    """
    runtime = runtime_files(condition=cut.step.when is not None, routed=routed, job=cut.step.is_job)
    text, found = fill(template or default_template(), cut)
    code = {HANDLER_FILE: text.encode(), **_modules(cut, carried), **runtime}
    data, wrong = contents(cut.step, _data(cut, carried), code)
    found += [*wrong, *_of_values(cut, carried)]
    return Package({**code, **data}, (*cut.findings, *found), frozenset(data))


def code_digest(
    cut: Cut, carried: Sequence[Cut], digest: Callable[[Any], str | None]
) -> str | None:
    """A digest of a step's code and data files, and of what its modules' values are by now.

    Nothing is checked here and no template is filled: so it costs a fraction of a package.

    Args:
        cut: The step's function.
        carried: As for :func:`package`.
        digest: Gives a value's digest, or ``None`` if it has none.

    Returns:
        ``None`` if not all of the code can be read, or travel.
    """
    if any(finding.severity == "error" for one in (cut, *carried) for finding in one.findings):
        return None
    files = {HANDLER_FILE: f"{cut.name}\n{cut.source}".encode(), **_modules(cut, carried)}
    files |= contents(cut.step, _data(cut, carried), files)[0]
    found = hashlib.sha256()
    for path, data in sorted(files.items()):
        found.update(f"{path}\0{len(data)}\0".encode())
        found.update(data)
    for module, name in sorted(cut.live, key=lambda one: (one[0].name, one[1])):
        found.update(f"{module.name}.{name}\0{digest(module.live.get(name))}\0".encode())
    return found.hexdigest()


def _modules(cut: Cut, carried: Iterable[Cut]) -> dict[str, bytes]:
    """The files of the user's modules."""
    others = merged(*(other.class_modules for other in carried))
    packages = cut.packages.union(*(other.packages for other in carried))
    files = module_files(cut.modules, packages, others)
    return {path: text.encode() for path, text in files.items()}


def _data(cut: Cut, carried: Iterable[Cut]) -> dict[str, Path]:
    """The user's data files, by their paths in the zip."""
    named = dict(cut.data)
    for other in carried:
        named.update(other.class_data)
    return named


def _of_values(cut: Cut, carried: Iterable[Cut]) -> list[Finding]:
    """Warnings about packages that only the classes of received values import."""
    own = {one.package for one in cut.imports}
    imports = [
        one
        for other in carried
        for pieces in other.class_modules.values()
        for piece in pieces
        for one in piece.imports
        if one.package not in own
    ]
    return missing_packages(cut.step, imports, of_values=True)
