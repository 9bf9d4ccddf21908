"""Packages that steps declare, as sets: steps with equal sets share a layer."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .steps import Step

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*([@;<>=!~(]|$)")


def normal(name: str) -> str:
    """Return the name of a distribution or an extra as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def requirement_name(requirement: str) -> str:
    """The normal name of the distribution that a requirement asks for, ``""`` if none is seen."""
    text = requirement.partition(" --hash=")[0].strip()
    match = _NAMED.match(text)
    if text.endswith(".whl") and not (match and match[2] == "@"):
        return normal(re.split(r"[/\\]", text)[-1].partition("-")[0])
    return normal(match[1] if match else text.partition("#egg=")[2])


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Requirements, and the Lambda runtime for which they are resolved.

    Args:
        requirements: Lines in the format of PEP 508, sorted, each once.
        runtime: Name of the Lambda runtime.
        architecture: ``x86_64`` or ``arm64``.
    """

    requirements: tuple[str, ...]
    runtime: str
    architecture: str

    @property
    def key(self) -> str:
        """Sixteen characters of the set's hash, the same on every computer."""
        text = json.dumps([self.requirements, self.runtime, self.architecture])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def asked(self) -> tuple[str, ...]:
        """The requirements without their hashes."""
        return tuple(line.partition(" --hash")[0] for line in self.requirements)

    @property
    def target(self) -> str:
        """The runtime and architecture, for messages."""
        return f"{self.runtime} {self.architecture}"


def package_sets(steps: Iterable[Step]) -> dict[PackageSet, tuple[Step, ...]]:
    """Return the distinct sets that steps declare, each with its steps, in their order."""
    found: dict[PackageSet, tuple[Step, ...]] = {}
    for step in steps:
        options = step.options
        lines = {" ".join(line.split()) for line in options.requirements}
        if lines:
            one = PackageSet(tuple(sorted(lines)), options.python_runtime, options.architecture)
            found[one] = (*found.get(one, ()), step)
    return found
