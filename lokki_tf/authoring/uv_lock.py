"""Packages that a project needs, with exact versions, from its ``uv.lock``.

It is read without uv, because a step is defined wherever its module is imported. The condition of a
package becomes a marker, which is evaluated for Lambda later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Package = dict[str, Any]
_PYPI = "https://pypi.org/simple"
Condition = frozenset[str]
"""Markers that must all be true."""


def locked(lock: dict[str, Any]) -> list[str] | None:
    """Return the requirements of a lock's own project, without its groups and extras.

    Args:
        lock: The file's content.

    Returns:
        Lines in the order of the file, or ``None`` if the lock has no project.
    """
    packages: list[Package] = lock.get("package", [])
    root = next((one for one in packages if "." in _folder(one)), None)
    if root is None:
        return None
    found = _required_packages(packages, root)
    lines = [(one, found[id(one)]) for one in packages if id(one) in found]
    return [_line(one, conditions) for one, conditions in lines if not _folder(one)]


def _folder(package: Package) -> list[str]:
    """Return the folder of a project's package; empty for other packages."""
    source = package.get("source", {})
    return [source[kind] for kind in ("virtual", "editable", "directory") if kind in source]


def _required_packages(packages: list[Package], root: Package) -> dict[int, list[Condition]]:
    """Return the conditions under which the root needs each package, by the package's id()."""
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
                continue  # its dependencies are those of this computer
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
    """Return the hashes of a package from an index other than PyPI, which pin its file."""
    if package.get("source", {}).get("registry", _PYPI).rstrip("/") == _PYPI:
        return ""
    files = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    return "".join(f" --hash={one['hash']}" for one in files if "hash" in one)
