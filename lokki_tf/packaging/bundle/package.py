"""A step's zip: its function in the template, the runtime, the user's modules and data files."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lokki_tf.model import Finding

from .. import findings
from ..dependencies.third_party import installed_version
from ..extract.cut import Cut
from ..extract.include import contents
from ..source.modules import HANDLER
from ..zips import content_hash, write_zip
from .runtime_files import runtime_files
from .stub_files import stub_files
from .template import Template, default_template, fill, own_names

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


def package(cut: Cut, *, template: Template | None = None, routed: bool = False) -> Package:
    """Packs a step.

    Args:
        cut: The step's function.
        template: What is around the function; lokki_tf's own unless given.
        routed: Whether the step returns which step comes next.
    """
    template = template or default_template()
    layout = cut.layout(own_names(template))
    runtime = runtime_files(condition=cut.step.when is not None, routed=routed, job=cut.step.is_job)
    text, found = fill(template, layout)
    if found and template == default_template():
        found = _not_python(cut, found)
    code = {HANDLER_FILE: text.encode(), **layout.files, **cut.metadata(), **runtime}
    lokki = cut.carrier.included.lokki
    if lokki:
        code |= stub_files(state_manager=any("StateManager" in fact.names for fact, _ in lokki))
    files, wrong = cut.data_files()
    data, unfit = contents(cut.step, files, code)
    return Package({**code, **data}, (*cut.findings, *found, *wrong, *unfit), frozenset(data))


def _not_python(cut: Cut, found: list[Finding]) -> list[Finding]:
    """What is wrong with the code that was cut, unless that is known already."""
    if any(finding.severity == "error" for finding in cut.findings):
        return []
    why = f"but what is cut out of its module is no Python: {found[0].message}"
    return [findings.no_source(cut.step.name, "its function", cut.step.place, why)]


def code_digest(cut: Cut, digest: Callable[[Any], str | None]) -> str | None:
    """A digest of all that can change a step's result here, but its arguments.

    That is its code and data files, the whole modules of the user's that it imports, the
    installed versions of other packages that it imports, the environment variables that it
    sets and reads, and what the values of its modules are by now.

    Args:
        cut: The step's function.
        digest: Returns a value's digest, or ``None`` if it has none.

    Returns:
        ``None`` if not all of the code can be read, or serialized.
    """
    if any(finding.severity == "error" for finding in cut.findings):
        return None
    layout = cut.layout()
    files = {HANDLER_FILE: f"{layout.name}\n{layout.source}".encode(), **layout.files}
    files |= contents(cut.step, cut.data_files()[0], files)[0]
    found = hashlib.sha256()
    for path, data in sorted(files.items()):
        found.update(f"{path}\0{len(data)}\0".encode())
        found.update(data)
    for module, name in sorted(cut.carrier.live, key=lambda one: (one[0].name, one[1])):
        found.update(f"{module.name}.{name}\0{digest(module.live.get(name))}\0".encode())
    for package in sorted({one.package for one in cut.imports}):
        found.update(f"{package}\0{installed_version(package)}\0".encode())
    read = cut.observations.of("variable") if cut.observations else ()
    variables = {one.fact.what: os.environ.get(one.fact.what) for one in read}
    found.update(repr(sorted({**variables, **cut.step.options.env_variables}.items())).encode())
    return found.hexdigest()
