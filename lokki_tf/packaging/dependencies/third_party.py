"""Comparison of the third-party packages that a step imports with those that it declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.model.requirements import normal, requirement_name
from lokki_tf.source.origins import IN_LAMBDA

from ..findings import finding

_ELSEWHERE = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "jwt": "pyjwt",
    "PIL": "pillow",
    "psycopg2": "psycopg2-binary",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "snowflake": "snowflake-connector-python",
    "yaml": "pyyaml",
}
_EXTRAS = re.compile(r"\s*[A-Za-z0-9][\w.-]*\s*\[([^\]]*)\]")
_OF_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)")


@dataclass(frozen=True, slots=True)
class Import:
    """An import of a package that is neither Python's nor the user's.

    ``optional`` is whether the code also runs without it.
    """

    package: str
    module: str
    place: Place
    optional: bool = False


def missing_packages(
    step: Step, imports: Iterable[Import], *, of_values: bool = False
) -> list[Finding]:
    """Yield findings for imports that neither requirements nor layers of a step provide.

    ``of_values`` is whether only values from other steps need them.
    """
    if step.options.layers:  # the content of a layer is unknown here
        return []
    found: dict[tuple[str, bool], Finding] = {}
    for one in (one for one in imports if not is_available(step, one)):
        kind = "package_of_values" if of_values else "package_optional"
        parts = {"package": one.package, "distribution": distributions(one.package)[0]}
        kind = kind if of_values or one.optional else "package"
        made = finding(kind, step.name, one.place, **parts)
        found.setdefault((one.package, one.optional), made)
    needed = {package for package, optional in found if not optional}
    return [one for (name, optional), one in found.items() if not optional or name not in needed]


def is_available(step: Step, one: Import) -> bool:
    """Return whether the requirements of a step provide a package."""
    providers = {normal(name) for name in (*distributions(one.package), one.package)}
    return bool(providers & _brought(step.options.requirements))


def has_distribution(step: Step, name: str) -> bool:
    """Return whether a step's requirements provide a distribution, or its own layers may."""
    wanted = normal(name)
    own = wanted in ("boto3", "botocore")
    return own or bool(step.options.layers) or wanted in _brought(step.options.requirements)


def distributions(package: str) -> list[str]:
    """Return the distributions that may provide a package, the most likely first."""
    names = [*sorted(_installed().get(package, ())), _ELSEWHERE.get(package, package)]
    # If several are installed, the usual one: opencv-python-headless for cv2.
    names.sort(key=lambda name: normal(name) != _ELSEWHERE.get(package, normal(name)))
    return list({normal(name): name for name in reversed(names)}.values())[::-1]


def installed_version(package: str) -> str:
    """Return the versions of the distributions that provide a package locally."""
    names = sorted(set(_installed().get(package, ())))
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def provided(step: Step) -> frozenset[str]:
    """Return the distributions that a step can import in Lambda, with all their dependencies."""
    lambdas = (distributions(package)[0] for package in sorted(IN_LAMBDA))
    return _brought((*step.options.requirements, *lambdas))


@cache
def _brought(requirements: tuple[str, ...]) -> frozenset[str]:
    """Return the distributions of requirements, with extras and all dependencies.

    The dependencies of a distribution are known only if it is installed locally.
    """
    found: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        line = waiting.pop()
        match = _EXTRAS.match(line)
        extras = frozenset(map(normal, match[1].split(","))) if match else frozenset()
        one = requirement_name(line), extras
        if one in found or not one[0]:  # a URL or path contains no name
            continue
        found.add(one)
        with suppress(metadata.PackageNotFoundError):
            for other in metadata.requires(one[0]) or []:
                asked = _OF_EXTRA.search(other)
                if asked is None or normal(asked[1]) in extras:
                    waiting.append(other)
    return frozenset(name for name, _ in found)
