"""A step's zip: its function in the template, the runtime, the user's modules and data files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lokki_tf.model import Finding, Step
from lokki_tf.model.terraform_refs import shown
from lokki_tf.source.modules import HANDLER, RUNTIME

from ..dependencies.third_party import installed_version, missing_packages
from ..extract.cut import Cut
from ..extract.differences import steady
from ..extract.include import contents
from ..findings import finding
from ..zips import Zipped, content_hash
from .runtime_files import runtime_files, stub_files
from .template import Template, default_template, fill, own_names, packages_of, with_secrets

STUB = "lokki_tf/"
HANDLER_FILE = f"{HANDLER}.py"
HANDLER_NAME = f"{HANDLER}.lambda_handler"


class Fingerprint(NamedTuple):
    """Hashes of everything that determines a deployed step, the same on any computer.

    Args:
        code: Hash of its code and data files, without lokki_tf's runtime.
        packages: Hash of its declared requirements and layers.
        environment: Hash of its environment variables, runtime and architecture.
    """

    code: str
    packages: str
    environment: str


@dataclass(frozen=True, eq=False)
class Package(Zipped):
    """The content of a step's zip.

    Args:
        step: The step.
        findings: Findings about the code.
        data: Paths of the user's data files, which are not code.
    """

    step: Step
    findings: tuple[Finding, ...] = ()
    data: frozenset[str] = frozenset()

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """The hashes with which synth detects changes."""
        options = self.step.options
        own = {k: v for k, v in self.files.items() if not k.startswith((f"{RUNTIME}/", STUB))}
        environment = (
            f"{name}={shown(text)}" for name, text in sorted(options.env_variables.items())
        )
        return Fingerprint(
            content_hash(own),
            _sha256(*sorted(options.requirements), *map(shown, options.layers)),
            _sha256(options.python_runtime, options.architecture, *environment),
        )


def package(cut: Cut, *, template: Template | None = None, routed: bool = False) -> Package:
    """Pack a step.

    Args:
        cut: The step's function.
        template: The code around the function; by default lokki_tf's own.
        routed: Whether the step returns its next step.
    """
    step, template = cut.step, template or default_template()
    layout = cut.layout(own_names(template))
    text, found = fill(template, layout)
    broken = any(one.severity == "error" for one in cut.findings)
    if found and template == default_template():  # the error is in the code, not in the template
        what = f"its function, but the code that is cut is not valid Python: {found[0].message}"
        found = [] if broken else [finding("no_source", step.name, step.place, what=what)]
    is_filled = not found
    if is_filled:
        own = {path.partition("/")[0].removesuffix(".py") for path in layout.files}
        needed = (one for one in packages_of(template) if one.package not in own)
        found = missing_packages(step, needed)
    runtime = runtime_files(
        condition=step.when is not None,
        routed=routed,
        job=step.is_job,
        polls=step.options.poll is not None,
        secrets=bool(step.options.secrets),
    )
    if step.options.secrets and is_filled:
        text = with_secrets(text, step.options.secrets)
    code = {HANDLER_FILE: text.encode(), **layout.files, **cut.metadata(), **runtime}
    lokki = cut.carrier.lokki
    if lokki:
        code |= stub_files(state_manager=any("StateManager" in fact.names for fact in lokki))
    files, wrong = cut.data_files()
    data, unfit = contents(step, files, code)
    return Package({**code, **data}, step, (*cut.findings, *found, *wrong, *unfit), frozenset(data))


def state_key(
    cut: Cut,
    made: Package,
    digest: Callable[[Any], str | None],
    secrets: Collection[str] = (),
) -> str | None:
    """Return a hash of everything that can change a step's local result except its arguments.

    It contains the fingerprint, the installed versions of imported packages, the environment
    variables that the code reads, except its secrets, and the present values of its modules.

    Args:
        cut: The step's function.
        made: Its package.
        digest: Returns a value's digest, or ``None`` if it has none.
        secrets: Names of environment variables that contain its secrets.

    Returns:
        ``None`` if not all of the code can be read, or serialized.
    """
    if any(one.severity == "error" for one in cut.findings):
        return None
    read = {one.fact.what for one in cut.observations.of("variable")} if cut.observations else set()
    parts = [
        *made.fingerprint,
        *(f"{one} {installed_version(one)}" for one in sorted({o.package for o in cut.imports})),
        *(f"{name}={os.environ.get(name)}" for name in sorted(read.difference(secrets))),
    ]
    for module, name in sorted(steady(cut.carrier), key=lambda one: (one[0].name, one[1])):
        parts.append(f"{module.name}.{name} {digest(module.namespace.get(name))}")
    return _sha256(*parts)


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
