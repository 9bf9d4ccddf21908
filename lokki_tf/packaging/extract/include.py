"""The data files that a step names by ``include=``, and their places in its zip.

A zip is the folder that the step's imports start from, cut down to what the step uses: the
script's own folder, the one that contains a package, a notebook's working directory. Data files
are named from the folder of the step's file, and keep their place beside it.

A wildcard matches files; a folder is named itself and is included whole. As in a shell, neither
includes what is hidden. Neither includes what tools write: Terraform's folders and states, what
synth wrote, virtual environments and caches. Code is included by being imported: a file of
Python's is data only where the pattern ends in ``.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from glob import escape, has_magic
from pathlib import Path
from posixpath import join, normpath

from lokki_tf.model import Finding, Step
from lokki_tf.model.cells import is_cell

from .. import findings
from ..dependencies.layers import MOST_BYTES
from ..source.modules import Module

_OF_PYTHON = (".py", ".pyc", ".pyo")
_STATE = ".tfstate"
_OF_TOOLS = ("__pycache__", "node_modules", ".terraform", ".lokki")
# What virtual environments, caches (bford.info/cachedir) and folders that synth wrote contain.
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG", "cdk.tf.json", "stacks/*/cdk.tf.json")


@dataclass(frozen=True, slots=True)
class Included:
    """Data files of a step.

    Args:
        files: Their paths here, by path in the zip.
        packages: Packages that contain them: these are packages in the zip as well.
        findings: What the user should know.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def included(step: Step, module: Module) -> Included:
    """Return what a step's ``include=`` names.

    Args:
        step: The step.
        module: The module that contains its function.
    """
    if not step.options.include:
        return Included()
    folder, inside = _home(module)
    root = folder.parents[inside.count("/")] if inside else folder
    files: dict[str, Path] = {}
    found: list[Finding] = []
    for pattern in step.options.include:
        plain = Path(os.path.relpath(folder / os.path.expanduser(pattern), folder)).as_posix()
        if normpath(join(inside, plain)).partition("/")[0] == "..":
            found.append(findings.include_outside(step.name, pattern, folder, step.place))
            continue
        search = _Search(folder, root, plain)
        try:
            matched = sorted(set(search.matched()))
        except OSError as error:
            found.append(findings.include_unreadable(step.name, error, step.place))
            continue
        for path, target in search.links_out.items():
            found.append(findings.include_link(step.name, path, target, root, step.place))
        if not matched and not search.links_out:
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


class _Search:
    """The search for the files of one pattern.

    Args:
        folder: Where the pattern starts.
        root: The folder that the step's imports start from; links must not lead out of it.
        pattern: A path without ``..`` but at its beginning.
    """

    def __init__(self, folder: Path, root: Path, pattern: str) -> None:
        self.folder, self.root, self.pattern = folder, os.path.realpath(root), pattern
        self.links_out: dict[str, str] = {}

    def matched(self) -> Iterator[str]:
        """Yield paths from the folder, perhaps more than once."""
        named, parts = self.folder / self.pattern, self.pattern.split("/")
        if named.is_file():  # before it is a pattern: its name may contain brackets
            if self._is_inside(self.pattern):
                yield self.pattern
        elif named.is_dir():
            yield from self._below("", [*map(escape, parts), "**", "*"])
        else:
            yield from self._below("", [*parts, "*"] if parts[-1] == "**" else parts)

    def _below(self, at: str, parts: list[str], around: tuple[str, ...] = ()) -> Iterator[str]:
        """Yield the files below a folder that match the remaining parts of the pattern.

        Args:
            at: The folder's path.
            parts: The parts; ``**`` stands for any number of folders.
            around: Real paths of the folders that ``**`` came through, so that no link leads
                it round.
        """
        head, *rest = parts
        if head == "**":
            around = (*around, os.path.realpath(self.folder / at))
            yield from self._below(at, rest, around)
            head, rest = "*", parts
        for name in self._names(at, head):
            path = join(at, name)
            if rest:
                if self._enters(path, around if rest is parts else ()):
                    yield from self._below(path, rest, around)
            elif self._is_data(self.folder / path) and self._is_inside(path):
                yield path

    def _names(self, at: str, part: str) -> list[str]:
        """The entries of a folder that match a part of the pattern, as a shell matches."""
        folder = self.folder / at
        if not has_magic(part):
            return [part] if os.path.lexists(folder / part) else []
        names = sorted(name for name in os.listdir(folder) if fnmatch(name, part))
        return [name for name in names if part[0] == "." or name[0] != "."]

    def _enters(self, path: str, around: tuple[str, ...]) -> bool:
        folder = Path(os.path.normpath(self.folder / path))
        return (
            folder.is_dir()
            and os.path.realpath(folder) not in around
            and (self.folder.is_relative_to(folder) or not _is_of_tools(folder))
            and self._is_inside(path)
        )

    def _is_data(self, path: Path) -> bool:
        if not path.is_file() or _STATE in path.name:
            return False
        return not path.name.endswith(_OF_PYTHON) or self.pattern.endswith(".py")

    def _is_inside(self, path: str) -> bool:
        """Whether a path leads nowhere out of the root; where it does is noted."""
        target = os.path.realpath(self.folder / path)
        if Path(target).is_relative_to(self.root):
            return True
        self.links_out[normpath(path)] = target
        return False


def _is_of_tools(folder: Path) -> bool:
    if folder.name in _OF_TOOLS or _STATE in folder.name:
        return True
    return any(next(folder.glob(mark), None) for mark in _MARKS)


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
        files: Where each is, by its path in the zip.
        taken: What else is in the zip.
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
