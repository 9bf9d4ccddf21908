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

from .. import findings

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
    for one in imports:
        if _covered(one, step.options.requirements):
            continue
        wanted = distributions(one.package)[0]
        if of_values:
            make = findings.package_of_values
        else:
            make = findings.package_optional if one.optional else findings.package_missing
        finding = make(step.name, one.package, wanted, one.place)
        found.setdefault((one.package, one.optional), finding)
    return [
        finding
        for (package, optional), finding in found.items()
        if not (optional and (package, False) in found)
    ]


def is_available(step: Step, one: Import) -> bool:
    """Whether the requirements of a step bring a package."""
    return _covered(one, step.options.requirements)


def has_distribution(step: Step, name: str) -> bool:
    """Whether a step's requirements bring a distribution, or may: a layer of the user's."""
    wanted = normal(name)
    declared = map(requirement_name, step.options.requirements)
    own = wanted in ("boto3", "botocore")
    return (
        own or bool(step.options.layers) or any(wanted in _with_dependencies(d) for d in declared)
    )


def _covered(one: Import, requirements: tuple[str, ...]) -> bool:
    declared = {requirement_name(requirement) for requirement in requirements} - {""}
    if not declared:
        return False
    providers = {normal(name) for name in (*distributions(one.package), one.package)}
    if declared & providers:
        return True
    return bool(providers & {name for each in declared for name in _with_dependencies(each)})


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
