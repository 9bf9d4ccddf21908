"""Packages of others that a step imports, against what it declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from lokki_tf.errors import Place
from lokki_tf.model import Finding, Step
from lokki_tf.model.requirements import normal

from ..findings import finding
from ..source.origins import IN_LAMBDA

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
_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*([@;<>=!~(]|$)")
_EXTRAS = re.compile(r"\s*[A-Za-z0-9][\w.-]*\s*\[([^\]]*)\]")
_OF_EXTRA = re.compile(r"extra\s*==\s*[\"']([^\"']+)")


@dataclass(frozen=True, slots=True)
class Import:
    """An import of a package that is neither Python's nor the user's.

    Args:
        package: Its top-level name, as imported.
        module: The whole name.
        place: Where the import stands.
        optional: Whether the code goes on without it.
    """

    package: str
    module: str
    place: Place
    optional: bool = False


def missing_packages(
    step: Step, imports: Iterable[Import], *, of_values: bool = False
) -> list[Finding]:
    """Findings for imports that neither requirements nor layers of a step cover.

    Args:
        step: The step.
        imports: What its code imports of others.
        of_values: Whether only values from other steps need them.
    """
    if step.options.layers:  # what is in a layer cannot be seen from here
        return []
    found: dict[tuple[str, bool], Finding] = {}
    for one in (one for one in imports if not _covered(one, step.options.requirements)):
        kind = "package_of_values" if of_values else "package_optional"
        parts = {"package": one.package, "distribution": distributions(one.package)[0]}
        kind = kind if of_values or one.optional else "package"
        made = finding(kind, step.name, one.place, **parts)
        found.setdefault((one.package, one.optional), made)
    needed = {package for package, optional in found if not optional}
    return [one for (name, optional), one in found.items() if not optional or name not in needed]


def is_available(step: Step, one: Import) -> bool:
    """Whether the requirements of a step bring a package."""
    return _covered(one, step.options.requirements)


def has_distribution(step: Step, name: str) -> bool:
    """Whether a step's requirements bring a distribution, or may: a layer of the user's."""
    wanted = normal(name)
    own = wanted in ("boto3", "botocore")
    return own or bool(step.options.layers) or wanted in _brought(step.options.requirements)


def _covered(one: Import, requirements: tuple[str, ...]) -> bool:
    providers = {normal(name) for name in (*distributions(one.package), one.package)}
    return bool(providers & _brought(requirements))


def requirement_name(requirement: str) -> str:
    """The normal name of the distribution that a requirement asks for, ``""`` if none is seen."""
    text = requirement.partition(" --hash=")[0].strip()
    match = _NAMED.match(text)
    if text.endswith(".whl") and not (match and match[2] == "@"):
        return normal(re.split(r"[/\\]", text)[-1].partition("-")[0])
    return normal(match[1] if match else text.partition("#egg=")[2])


def distributions(package: str) -> list[str]:
    """The distributions that may bring a package, the likeliest first."""
    names = [*sorted(_installed().get(package, ())), _ELSEWHERE.get(package, package)]
    # Of several that are installed, the usual one: opencv-python-headless for cv2.
    names.sort(key=lambda name: normal(name) != _ELSEWHERE.get(package, normal(name)))
    return list({normal(name): name for name in reversed(names)}.values())[::-1]


def installed_version(package: str) -> str:
    """The versions of the distributions that bring a package here."""
    names = sorted(set(_installed().get(package, ())))
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def provided(step: Step) -> frozenset[str]:
    """The distributions that a step can import in Lambda, with all that they depend on."""
    lambdas = (distributions(package)[0] for package in sorted(IN_LAMBDA))
    return _brought((*step.options.requirements, *lambdas))


def is_installed(distribution: str) -> bool:
    """Whether a distribution is installed here."""
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


@cache
def _brought(requirements: tuple[str, ...]) -> frozenset[str]:
    """The distributions that requirements bring, extras and all that they depend on included."""
    found: set[str] = set()
    for requirement in requirements:
        name, match = requirement_name(requirement), _EXTRAS.match(requirement)
        if not name:  # a URL or path that names none
            continue
        found |= _with_dependencies(name)
        if match and is_installed(name):
            extras = {normal(extra) for extra in match[1].split(",")}
            for line in metadata.requires(name) or []:
                asked = _OF_EXTRA.search(line)
                if asked and normal(asked[1]) in extras:
                    found |= _with_dependencies(requirement_name(line))
    return frozenset(found)


@cache
def _with_dependencies(distribution: str) -> frozenset[str]:
    """The distribution and all that installing it brings, as far as it is installed here."""
    found: set[str] = set()
    waiting = [distribution]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        waiting.extend(requirement_name(r) for r in requires if "extra ==" not in r)
    return frozenset(found)
