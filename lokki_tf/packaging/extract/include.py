"""The data files that a step names by ``include=``, and their paths in its zip.

A zip is the folder where the step's imports start, reduced to the files that the step uses: the
script's own folder, the one that contains a package, a notebook's working directory. Data files are
named from the folder of the step's file, and keep their relative paths.

A wildcard matches files; a folder is named itself and is included whole. As in a shell, neither
includes hidden files. Neither includes the output of tools: Terraform's folders and states, output
of synth, virtual environments and caches. Code is included by imports: a Python file is data only
if the pattern ends in ``.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from glob import escape, has_magic
from pathlib import Path
from posixpath import join, normpath

from lokki_tf.model import Finding, Step
from lokki_tf.model.cells import is_cell
from lokki_tf.source.modules import Module

from ..dependencies.layers import MOST_BYTES
from ..findings import finding, megabytes

_OF_PYTHON = (".py", ".pyc", ".pyo")
_STATE = ".tfstate"
_OF_TOOLS = ("__pycache__", "node_modules", ".terraform", ".lokki")
# Files in virtual environments, caches (bford.info/cachedir) and output folders of synth.
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG", "cdk.tf.json", "stacks/*/cdk.tf.json")


def included(step: Step, module: Module) -> tuple[dict[str, Path], list[Finding]]:
    """Return the files of a step's ``include=`` by path in the zip, and findings."""
    folder, inside, root = home(module)
    files: dict[str, Path] = {}
    found: list[Finding] = []

    def wrong(kind: str, pattern: str, **parts: object) -> None:
        found.append(finding(kind, step.name, step.place, pattern=pattern, **parts))

    for pattern in step.options.include:
        plain = Path(os.path.relpath(folder / os.path.expanduser(pattern), folder)).as_posix()
        if normpath(join(inside, plain)).partition("/")[0] == "..":
            wrong("include_outside", pattern, folder=folder)
            continue
        search = _Search(folder, root, plain)
        try:
            matched = sorted(set(search.matched()))
        except OSError as error:
            wrong("include_unreadable", pattern, error=error)
            continue
        for path, target in search.links_out.items():
            wrong("include_link", pattern, path=path, target=target, root=root)
        if not matched and not search.links_out:
            named = folder / pattern
            exists = "which is neither a file nor a folder"
            why = exists if named.exists() else f"which does not exist in {folder}"
            wrong("include_empty" if named.is_dir() else "include_nothing", pattern, why=why)
        for path in matched:
            files[normpath(join(inside, path))] = Path(os.path.normpath(folder / path))
    return dict(sorted(files.items())), found


def home(module: Module) -> tuple[Path, str, Path]:
    """The folder of a module's file, where that is in a zip, and the folder of its imports."""
    filename = module.sources[0].filename
    if is_cell(filename) or not os.path.isfile(filename):
        return Path.cwd(), "", Path.cwd()
    folder, inside = Path(filename).absolute().parent, module.path.rpartition("/")[0]
    return folder, inside, folder.parents[inside.count("/")] if inside else folder


class _Search:
    """The search for the files of one pattern.

    Args:
        folder: The folder to which the pattern is relative.
        root: The folder where the step's imports start; links must not lead out of it.
        pattern: A path with ``..`` only at its beginning.
    """

    def __init__(self, folder: Path, root: Path, pattern: str) -> None:
        self.folder, self.root, self.pattern = folder, os.path.realpath(root), pattern
        self.links_out: dict[str, str] = {}

    def matched(self) -> Iterator[str]:
        """Yield paths relative to the folder, some perhaps repeatedly."""
        named, parts = self.folder / self.pattern, self.pattern.split("/")
        if named.is_file():  # first as a literal name, which may contain brackets
            if self._is_inside(self.pattern):
                yield self.pattern
        elif named.is_dir():
            yield from self._below("", [*map(escape, parts), "**", "*"])
        else:
            yield from self._below("", [*parts, "*"] if parts[-1] == "**" else parts)

    def _below(self, at: str, parts: list[str], around: tuple[str, ...] = ()) -> Iterator[str]:
        """Yield the files below a folder that match the remaining parts of the pattern."""
        head, *rest = parts
        if head == "**":
            around = (*around, os.path.realpath(self.folder / at))
            yield from self._below(at, rest, around)
            head, rest = "*", parts
        for name in self._names(at, head):
            path = join(at, name)
            if not rest:
                if self._is_data(self.folder / path) and self._is_inside(path):
                    yield path
            elif self._enters(path, around if rest is parts else ()):
                yield from self._below(path, rest, around)

    def _names(self, at: str, part: str) -> list[str]:
        """Yield the entries of a folder that match a part of the pattern, as in a shell."""
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
        code = path.name.endswith(_OF_PYTHON) and not self.pattern.endswith(".py")
        return path.is_file() and _STATE not in path.name and not code

    def _is_inside(self, path: str) -> bool:
        """Return whether a path does not lead out of the root; record links that do."""
        target = os.path.realpath(self.folder / path)
        if Path(target).is_relative_to(self.root):
            return True
        self.links_out[normpath(path)] = target
        return False


def _is_of_tools(folder: Path) -> bool:
    of_tools = folder.name in _OF_TOOLS or _STATE in folder.name
    return of_tools or any(next(folder.glob(mark), None) for mark in _MARKS)


def contents(
    step: Step, files: Mapping[str, Path], taken: Mapping[str, bytes]
) -> tuple[dict[str, bytes], list[Finding]]:
    """Return data files as bytes, and findings about them."""
    about = step.name, step.place
    found = [finding("include_taken", *about, path=path) for path in files if path in taken]
    try:
        sizes = {path: file.stat().st_size for path, file in files.items()}
        whole = sum(sizes.values()) + sum(map(len, taken.values()))
        if sizes and whole > MOST_BYTES:
            largest = sorted(sizes, key=lambda path: (-sizes[path], path))[:3]
            named = ", ".join(f"{path} {megabytes(sizes[path])}" for path in largest)
            size, most = megabytes(whole), megabytes(MOST_BYTES)
            found.append(finding("too_large", *about, size=size, most=most, largest=named))
        if not found:
            return {path: file.read_bytes() for path, file in files.items()}, []
    except OSError as error:
        found.append(finding("include_unreadable", *about, error=error))
    return {}, found
