"""Installed packages as the files of a layer.

What depends on this machine is left out: compiled code, records with hashes, and scripts that
contain the path of this machine's Python.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def layer_files(folder: Path) -> dict[str, Path]:
    """Return the files of a layer, by path in its zip, sorted.

    Args:
        folder: Where uv installed packages.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    inside = ((path, path.relative_to(folder)) for path in paths)
    return {f"python/{name.as_posix()}": path for path, name in inside if _is_kept(path, name)}


def _is_kept(path: Path, inside: Path) -> bool:
    *folders, name = inside.parts
    if "__pycache__" in folders or inside == Path(".lock"):
        return False
    if folders and folders[-1].endswith(".dist-info"):
        return name not in _RECORDS
    return folders != ["bin"] or not _is_python_script(path)


def _is_python_script(path: Path) -> bool:
    """Whether a file is such as installing makes: it names the Python of this machine."""
    first_lines = path.read_bytes()[:2_000].split(b"\n")[:3]
    of_python = first_lines[0].startswith(b"#!") and b"python" in b"".join(first_lines).lower()
    return of_python or path.suffix == ".exe"


def sizes(folder: Path, files: Mapping[str, Path]) -> dict[str, int]:
    """Bytes by distribution, the largest first.

    Args:
        folder: Where the packages are.
        files: Those of the layer.
    """
    owners = dict(_owners(folder))
    found: Counter[str] = Counter()
    for name, path in files.items():
        owner = owners.get(name.removeprefix("python/"), name.split("/")[1])
        found[owner] += path.stat().st_size
    return dict(found.most_common())


def _owners(folder: Path) -> Iterator[tuple[str, str]]:
    for record in sorted(folder.glob("*.dist-info/RECORD")):
        distribution = record.parent.name.removesuffix(".dist-info").replace("-", " ")
        with record.open(newline="", encoding="utf-8") as lines:
            for row in csv.reader(lines):
                yield row[0], distribution
