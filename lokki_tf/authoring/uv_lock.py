"""What a ``uv.lock`` says: the packages that a project needs, with exact versions.

Read without uv, since a step is defined wherever its module is imported. A package that is
needed only under some condition keeps it as a marker, which is evaluated for Lambda later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Package = dict[str, Any]
_PYPI = "https://pypi.org/simple"
Condition = frozenset[str]
"""Markers that must all hold."""


def locked(lock: dict[str, Any]) -> list[str] | None:
    """Requirements of a lock's own project, without its groups and extras.

    Args:
        lock: The file's content.

    Returns:
        Lines in the order of the file, or ``None`` if the lock has no project.
    """
    packages: list[Package] = lock.get("package", [])
    root = next((one for one in packages if "." in _folder(one)), None)
    if root is None:
        return None
    found = _reached(packages, root)
    lines = [(one, found[id(one)]) for one in packages if id(one) in found]
    return [_line(one, conditions) for one, conditions in lines if not _folder(one)]


def _folder(package: Package) -> list[str]:
    """The folder of a package that stands in one, as projects and members of them do."""
    source = package.get("source", {})
    return [source[kind] for kind in ("virtual", "editable", "directory") if kind in source]


def _reached(packages: list[Package], root: Package) -> dict[int, list[Condition]]:
    """By identity of package: the alternatives under which the root needs it."""
    by_name: dict[str, list[Package]] = {}
    for one in packages:
        by_name.setdefault(one["name"], []).append(one)
    found: dict[tuple[int, str], list[Condition]] = {}
    waiting = [(dependency, Condition()) for dependency in root.get("dependencies", [])]
    while waiting:
        dependency, above = waiting.pop()
        marker = dependency.get("marker")
        here = above | {marker} if marker else above
        for package in by_name.get(dependency["name"], []):
            if package["version"] != dependency.get("version", package["version"]):
                continue
            if dependency["name"] == "lokki-tf":
                continue  # what it needs is for this machine
            for extra in ("", *dependency.get("extra", [])):
                known = found.setdefault((id(package), extra), [])
                if any(condition <= here for condition in known):
                    continue
                known[:] = [*(one for one in known if not here <= one), here]
                waiting += [(below, here) for below in _needs(package, extra)]
    return {number: known for (number, extra), known in found.items() if not extra}


def _needs(package: Package, extra: str) -> Iterator[dict[str, Any]]:
    if extra:
        yield from package.get("optional-dependencies", {}).get(extra, [])
    else:
        yield from package.get("dependencies", [])


def _line(package: Package, conditions: list[Condition]) -> str:
    name, source = package["name"], package.get("source", {})
    if "url" in source:
        line = f"{name} @ {source['url']}"
    elif "path" in source:
        line = f"{name} @ {source['path']}"
    elif "git" in source:
        line = f"{name} @ {source['git']}"  # refused, with its place
    else:
        line = f"{name}=={package['version']}"
    hashes = _hashes(package)
    if Condition() in conditions:
        return line + hashes
    alternatives = sorted(" and ".join(f"({one})" for one in sorted(all_)) for all_ in conditions)
    return f"{line} ; {' or '.join(alternatives)}{hashes}"


def _hashes(package: Package) -> str:
    """The hashes of a package from an index other than PyPI: no other file may replace it."""
    if package.get("source", {}).get("registry", _PYPI).rstrip("/") == _PYPI:
        return ""
    files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    return "".join(f" --hash={one['hash']}" for one in files if "hash" in one)
