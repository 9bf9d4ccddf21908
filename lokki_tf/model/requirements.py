"""Packages that steps declare, as sets: steps of the same set share a layer."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .steps import Step


def normal(name: str) -> str:
    """Return the name of a distribution or an extra as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Requirements together, and the Lambda for which they are resolved.

    Args:
        requirements: Lines as PEP 508 has them, sorted, each once.
        runtime: Lambda's name of the runtime.
        architecture: ``x86_64`` or ``arm64``.
    """

    requirements: tuple[str, ...]
    runtime: str
    architecture: str

    @property
    def key(self) -> str:
        """Sixteen characters that stand for the set, the same on every machine."""
        text = json.dumps([self.requirements, self.runtime, self.architecture])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def asked(self) -> tuple[str, ...]:
        """The requirements without their hashes."""
        return tuple(line.partition(" --hash")[0] for line in self.requirements)

    @property
    def target(self) -> str:
        """Where the packages will run, in words."""
        return f"{self.runtime} {self.architecture}"


def package_sets(steps: Iterable[Step]) -> dict[PackageSet, tuple[Step, ...]]:
    """The distinct sets that steps declare, each with its steps, in their order."""
    found: dict[PackageSet, tuple[Step, ...]] = {}
    for step in steps:
        options = step.options
        lines = {" ".join(line.split()) for line in options.requirements}
        if lines:
            one = PackageSet(tuple(sorted(lines)), options.python_runtime, options.architecture)
            found[one] = (*found.get(one, ()), step)
    return found
