"""A step's zip: its function in the template, the runtime, the user's modules and data files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lokki_tf.model import Finding

from .cut import Cut
from .files import merged, module_files
from .include import contents
from .modules import HANDLER
from .runtime_files import runtime_files
from .template import Template, default_template, fill
from .third_party import missing_packages
from .zips import sha256_base64, zip_files

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
        """The zip: the same bytes whenever and wherever it is made."""
        return zip_files(self.files, stored=self.data)

    @cached_property
    def sha256_base64(self) -> str:
        """The zip's hash, as Terraform wants it in ``source_code_hash``."""
        return sha256_base64(self.zip)


def package(cut: Cut, *, carried: Sequence[Cut] = (), template: Template | None = None) -> Package:
    """Packs a step.

    Args:
        cut: The step's function.
        carried: Cuts of steps whose results may arrive: instances of their classes must
            unpickle, so the modules of these classes go along.
        template: What stands around the function; lokki_tf's own unless given.
    """
    others = merged(*(other.class_modules for other in carried))
    packages = cut.packages.union(*(other.packages for other in carried))
    text, found = fill(template or default_template(), cut)
    files = {HANDLER_FILE: text, **module_files(cut.modules, packages, others)}
    code = {**{path: text.encode() for path, text in files.items()}, **runtime_files()}
    named = dict(cut.data)
    for other in carried:
        named.update(other.class_data)
    data, wrong = contents(cut.step, named, code)
    found += [*wrong, *_of_values(cut, carried)]
    return Package({**code, **data}, (*cut.findings, *found), frozenset(data))


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
