"""The data files that a step names by ``include=``, and where they stand in its zip.

A zip is the folder that the step's imports start from, cut down to what the step uses: the
script's own folder, the one that holds a package, a notebook's working directory. Data files
are named from the folder of the step's file, and keep their place beside it.

A wildcard matches files; a folder is named itself and comes whole. As in a shell, neither
brings what is hidden. Code travels by being imported: a file of Python's comes only where the
pattern ends in ``.py``.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join, normpath

from lokki_tf.model import Finding, Step
from lokki_tf.model.cells import is_cell

from .. import findings
from ..dependencies.layers import MOST_BYTES
from ..source.modules import Module

_OF_PYTHON = (".py", ".pyc", ".pyo")
_CACHE = "__pycache__"


@dataclass(frozen=True, slots=True)
class Included:
    """Data files of a step.

    Args:
        files: Where each stands here, by its path in the zip.
        packages: Packages that they lie in: these are packages in the zip as well.
        findings: What the user should know.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def included(step: Step, module: Module) -> Included:
    """What a step's ``include=`` names.

    Args:
        step: The step.
        module: The module that its function stands in.
    """
    if not step.options.include:
        return Included()
    folder, inside = _home(module)
    files: dict[str, Path] = {}
    found: list[Finding] = []
    for pattern in step.options.include:
        place = normpath(join(inside, pattern))
        if os.path.isabs(pattern) or place.partition("/")[0] == "..":
            found.append(findings.include_outside(step.name, pattern, folder, step.place))
            continue
        matched = sorted(_matched(folder, pattern))
        if not matched:
            found.append(findings.include_nothing(step.name, pattern, folder, step.place))
        files |= {
            normpath(join(inside, path)): Path(os.path.normpath(folder / path)) for path in matched
        }
    files = dict(sorted(files.items()))
    return Included(files, _packages(files), tuple(found))


def _home(module: Module) -> tuple[Path, str]:
    """The folder of a module's file, and where that folder is in a zip."""
    filename = module.sources[0].filename
    if is_cell(filename) or not os.path.isfile(filename):
        return Path.cwd(), ""
    parts = module.name.split(".")
    return Path(filename).absolute().parent, "/".join(
        parts if module.package == module.name else parts[:-1]
    )


def _matched(folder: Path, pattern: str) -> Iterator[str]:
    """The files that a pattern names, by their paths from the folder."""
    named = folder / pattern
    if named.is_file():  # before it is a pattern: its name may hold brackets
        yield pattern
    elif named.is_dir():
        yield from (f"{pattern}/{path}" for path in _below(named))
    else:
        for path in glob.iglob(pattern, root_dir=folder, recursive=True):
            if (folder / path).is_file() and _is_data(path, pattern):
                yield path.replace(os.sep, "/")


def _below(folder: Path, around: tuple[str, ...] = ()) -> Iterator[str]:
    """All data files of a folder; a link to one around it is not followed."""
    real = os.path.realpath(folder)
    for entry in os.scandir(folder) if real not in around else ():
        if entry.name.startswith(".") or entry.name == _CACHE:
            continue
        if entry.is_dir():
            inner = _below(folder / entry.name, (*around, real))
            yield from (f"{entry.name}/{path}" for path in inner)
        elif entry.is_file() and _is_data(entry.name, ""):
            yield entry.name


def _is_data(path: str, pattern: str) -> bool:
    if _CACHE in Path(path).parts:
        return False
    return not path.endswith(_OF_PYTHON) or pattern.endswith(".py")


def _packages(files: Mapping[str, Path]) -> tuple[str, ...]:
    """The names of packages that files lie in."""
    found: dict[str, None] = {}
    for path, file in files.items():
        parts = path.split("/")[:-1]
        for depth, folder in zip(range(len(parts), 0, -1), file.parents, strict=False):
            if (folder / "__init__.py").is_file() and all(map(str.isidentifier, parts[:depth])):
                found[".".join(parts[:depth])] = None
    return tuple(sorted(found))


def contents(
    step: Step, files: Mapping[str, Path], taken: Mapping[str, bytes]
) -> tuple[dict[str, bytes], list[Finding]]:
    """Data files as bytes, and what is wrong with them.

    Args:
        step: The step.
        files: Where each stands, by its path in the zip.
        taken: What else stands in the zip.
    """
    found = [findings.include_taken(step.name, path, step.place) for path in files if path in taken]
    try:
        sizes = {path: file.stat().st_size for path, file in files.items()}
        found += _too_large(step, sizes, sum(map(len, taken.values())))
        if found:
            return {}, found
        return {path: file.read_bytes() for path, file in files.items()}, []
    except OSError as error:
        return {}, [*found, findings.include_unreadable(step.name, error, step.place)]


def _too_large(step: Step, sizes: Mapping[str, int], code: int) -> Iterable[Finding]:
    if sum(sizes.values()) + code > MOST_BYTES:
        largest = sorted(sizes, key=lambda path: (-sizes[path], path))[:3]
        named = {path: sizes[path] for path in largest}
        whole = sum(sizes.values()) + code
        yield findings.include_too_large(step.name, whole, MOST_BYTES, named, step.place)
