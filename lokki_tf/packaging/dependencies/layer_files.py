"""Installed packages as the files of a layer.

What installing adds of this machine stays out: compiled code, records with hashes, scripts that
name this machine's Python, which nothing would find in a layer. Times, modes and order are
fixed. zlib is not the same everywhere, so neither are the zip's bytes; Terraform knows a layer
by :func:`content_hash`, which is.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

_RECORDS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
_DATE = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_FILE = 0o100000


def layer_files(folder: Path) -> dict[str, Path]:
    """The files that a layer has of a folder of packages, by their paths in the zip, sorted.

    Args:
        folder: Where uv installed packages.
    """
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.is_file() and _travels(path, inside):
            found[f"python/{inside.as_posix()}"] = path
    return dict(sorted(found.items()))


def _travels(path: Path, inside: Path) -> bool:
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


def content_hash(files: Mapping[str, Path]) -> str:
    """A hash of paths, modes and contents: the same wherever and whenever it is made."""
    whole = hashlib.sha256()
    for name, path in files.items():
        data = path.read_bytes()
        whole.update(f"{_mode(data):o} {hashlib.sha256(data).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def write_zip(files: Mapping[str, Path], to: Path) -> None:
    """Writes a layer's zip, with only one file in memory at a time.

    Args:
        files: Files by their paths in the zip, in order.
        to: The zip's path.
    """
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in files.items():
            data = path.read_bytes()
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (_FILE | _mode(data)) << 16
            archive.writestr(entry, data)


def _mode(data: bytes) -> int:
    """By content, since not every system that runs synth knows what is executable."""
    return 0o755 if data.startswith((b"\x7fELF", b"#!")) else 0o644


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
