"""Requirements as users write them: in a list, in lines of a file, in a project or its lock.

Folders of projects contain the user's own code. It is bundled by being imported, so only what
these projects depend on becomes a requirement; their names never reach a package index.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from os.path import normpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lokki_tf.errors import OptionError, Place
from lokki_tf.model.requirements import normal

from .markers import Marker, both, negated, parsed, suffix
from .uv_lock import locked
from .uv_projects import PROJECT, Project, Source

_COMMENT = re.compile(r"(^|\s)#.*$")
_OTHER_FILE = re.compile(r"(?:-r|--requirement)(?:\s+|=)?(?P<path>.+)")
_EDITABLE = re.compile(r"^(?:-e|--editable)(?:\s+|=)")
_HASHES = re.compile(r"(\s--hash=\S+)+$")
_LOKKI_TF = re.compile(r"lokki[-_.]tf(?![\w.-])", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*"
    r"(?:@\s*(?P<url>[^;]*?(?<!\s))|(?P<versions>(?:[(<>=!~][^;@/\\]*?)?))\s*(?:;(?P<marker>.*))?"
)
_BARE = re.compile(r"(?P<url>[^;\[]*[^;\[\s])(?:\[(?P<extras>[^\]]*)\])?\s*(?:;(?P<marker>.*))?")
_ON_WEB = re.compile(r"(?!file:)[A-Za-z][\w+.-]+:")  # at least two letters: C: is a drive
_REMEDIES = {
    "workspace": "add its folder to the members of [tool.uv.workspace]",
    "git": "publish a wheel of it and give its url, since nothing is built here",
    "index": "give the url of its wheel as the source, or replace the source by a default index "
    "in uv's settings",
}
_REMEDY = "list the packages instead, requirements=['polars==1.2.3'], or use a layer of your own"


@dataclass(frozen=True, slots=True)
class _Requirement:
    """A requirement in parts.

    Args:
        name: As written, ``""`` for a bare path or URL.
        extras: The normalized names in brackets.
        url: What is written after ``@``, or the bare path or URL.
        versions: The version specifiers.
        marker: When it holds.
    """

    name: str
    extras: frozenset[str]
    url: str
    versions: str
    marker: Marker

    def line(self, marker: Marker, url: str = "") -> str:
        """Return it as a line, under a marker and perhaps with a URL."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        return self.name + extras + (f" @ {url}" if url else self.versions) + suffix(marker)


def requirements_of(lines: Iterable[str], place: Place) -> tuple[str, ...]:
    """Return the requirements that a list contains; lokki_tf itself is left out.

    Args:
        lines: Requirements, and paths from the folder of the step's file.
        place: Where the step is defined.

    Raises:
        OptionError: If a layer cannot be made of one.
    """
    reader = _Reader(place)
    return _distinct(found for line in lines for found in reader.line(line, reader.home, place))


def requirements_in(given: str | PathLike[str], place: Place) -> tuple[str, ...]:
    """Return the requirements that a file contains; lokki_tf itself is left out.

    Args:
        given: Path of a ``pyproject.toml``, a ``uv.lock``, or a file of lines, from the folder
            of the step's file.
        place: Where the step is defined.

    Raises:
        OptionError: If the file cannot be read, or a layer cannot be made of what it contains.
    """
    reader = _Reader(place)
    path = Path(normpath(reader.home / given))
    if path.suffix == ".toml":
        return _distinct(reader.project(_project(path, given, place)))
    if path.name == "uv.lock":
        lines = _of_lock(_toml(path, given, place), given, place)
        return _distinct(found for line in lines for found in reader.line(line, path.parent, place))
    return _distinct(reader.file(path, given, place))


def _distinct(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for line in lines if not _LOKKI_TF.match(line)))


class _Reader:
    """Reads requirements, the user's own projects included.

    Args:
        place: Source location of the step.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        source = Path(place.file)
        # The code of a notebook's cell is in no file.
        self.home = source.parent.absolute() if source.is_file() else Path.cwd()
        self.seen: set[tuple[Path, frozenset[str], str]] = set()
        self.files: set[Path] = set()

    def file(self, path: Path, given: Any, place: Place) -> Iterator[str]:
        """Read a file of lines; paths start at its folder."""
        if path in self.files:
            return
        self.files.add(path)
        for number, line in _logical_lines(_text(path, given, place)):
            yield from self.line(line, path.parent, Place(str(path), number))

    def line(self, line: str, folder: Path, place: Place, outer: Marker = True) -> Iterator[str]:
        """Read one line.

        Args:
            line: A requirement, a path, or ``-r FILE``.
            folder: Where paths start.
            place: Where the line is.
            outer: When it holds.
        """
        other = _OTHER_FILE.fullmatch(line.strip())
        if other:
            below = Path(normpath(folder / other["path"]))
            yield from self.file(below, below, place)
            return
        plain = _EDITABLE.sub("", line.strip())
        if plain.startswith("-"):
            raise OptionError(
                f"the line {line!r} is a setting of the installer, not a requirement",
                place=place,
                remedy="remove it; where packages come from is a setting of uv, for example "
                "UV_INDEX",
            )
        hashes = _HASHES.search(plain)
        try:
            one = _requirement(_HASHES.sub("", plain))
        except ValueError as error:
            raise OptionError(
                f"the requirement {line!r} is not valid: {error}", place=place, remedy=_REMEDY
            ) from None
        if one is not None and one.name.endswith((".txt", ".toml", ".lock")):
            raise OptionError(
                f"the requirement {line!r} is a file of requirements, but an index would look for "
                "a package of that name",
                place=place,
                remedy=f"write requirements={one.name!r}, or -r {one.name} in a list",
            )
        if one is None or (one.url and _ON_WEB.match(one.url)) or not one.url:
            if one is not None and outer is not True:
                yield one.line(both(outer, one.marker), one.url) + (hashes[0] if hashes else "")
            else:
                yield line
            return
        path = Path(normpath(folder / _path(one.url)))
        marker = both(outer, one.marker)
        yield from self.local(one, path, marker, place, hashes[0] if hashes else "")

    def local(
        self, one: _Requirement, path: Path, marker: Marker, place: Place, hashes: str = ""
    ) -> Iterator[str]:
        """Read what a path stands for: a project's dependencies, or a wheel."""
        if marker is False:
            return
        if path.is_dir():
            yield from self.project(_project_in(path, place), one.extras, marker)
        elif path.suffix == ".whl" and path.is_file():
            name = one.name or path.name.partition("-")[0]
            relative = Path(os.path.relpath(path, self.home)).as_posix()
            relative = relative if relative.startswith("../") else f"./{relative}"
            if re.search(r"\s", relative):
                raise OptionError(
                    f"the path of the wheel {relative!r} contains a space",
                    place=place,
                    remedy="move the wheel, uv cannot find it there",
                )
            named = _Requirement(name, one.extras, "", "", True)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            yield named.line(marker, relative) + (hashes or f" --hash=sha256:{digest}")
        else:
            what = (
                "is neither a wheel nor a project's folder" if path.exists() else "does not exist"
            )
            raise OptionError(
                f"the requirement {one.name or one.url!r} is the path {path}, which {what}",
                place=place,
                remedy="give the path of a wheel or of a folder with a pyproject.toml, since "
                "nothing is built here",
            )

    def project(
        self, project: Project, extras: frozenset[str] = frozenset(), outer: Marker = True
    ) -> Iterator[str]:
        """Read what a project of the user's needs, without its dependency groups.

        Args:
            project: The project.
            extras: Those of its extras that are required too.
            outer: When it is needed.
        """
        key = (project.file, extras, suffix(outer))
        if key in self.seen:
            return
        self.seen.add(key)
        for file in project.dependency_files(self.place):
            for number, line in _logical_lines(_text(file, file, self.place)):
                yield from self.line(line, file.parent, Place(str(file), number), outer)
        for line in project.dependencies(self.place):
            yield from self._dependency(project, line, "", outer)
        for extra in sorted(extras):
            for line in project.extra(extra, self.place):
                yield from self._dependency(project, line, extra, outer)

    def _dependency(self, project: Project, line: str, extra: str, outer: Marker) -> Iterator[str]:
        """Read a dependency of a project, from its sources if it has any."""
        try:
            one = _requirement(line)
            sources = project.sources(one.name, extra) if one is not None else []
            conditions = [parsed(source.marker) for source in sources]
        except ValueError as error:
            raise OptionError(
                f"the dependency {line!r} in {project.file} is not valid: {error}",
                place=self.place,
                remedy=f"correct {project.file}",
            ) from None
        if one is not None and normal(one.name) == project.name:
            yield from self.project(project, one.extras, both(outer, one.marker))
        elif one is None or not sources or _LOKKI_TF.match(one.name):
            member = project.member(one.name) if one is not None else None
            if one is not None and member is not None:
                yield from self.local(one, member, both(outer, one.marker), self.place)
            else:
                yield from self.line(line, project.file.parent, self.place, outer)
        else:
            left = both(outer, one.marker)
            for source, condition in zip(sources, conditions, strict=True):
                yield from self._source(project, one, source, both(left, condition))
                left = both(left, negated(condition))
            if left is not False:  # no source is for this case, so an index is
                yield one.line(left)

    def _source(
        self, project: Project, one: _Requirement, source: Source, marker: Marker
    ) -> Iterator[str]:
        """Read a dependency from a source."""
        if marker is False:
            return
        kind, value = source.kind, source.value
        if kind == "path":
            yield from self.local(one, Path(normpath(source.folder / value)), marker, self.place)
        elif kind == "workspace" and (member := project.member(one.name)):
            yield from self.local(one, member, marker, self.place)
        elif kind == "url" and value.partition("#")[0].endswith(".whl"):
            yield one.line(marker, value)
        else:
            raise OptionError(
                f"the dependency {one.name!r} has the source {source} in {source.file}, of which "
                "a layer cannot be made",
                place=self.place,
                remedy=_REMEDIES.get(kind, _REMEDY),
            )


def _requirement(text: str) -> _Requirement | None:
    """Parse a requirement; ``None`` if it is neither of PEP 508 nor a path."""
    found = _NAMED.fullmatch(text)
    if found is None or (not found["url"] and found["name"].endswith(".whl")):
        bare = _BARE.fullmatch(text)
        if bare is None or not re.search(r"[/\\]|^\.\.?$|^file:|\.whl$", bare["url"]):
            return None
        found = bare
    parts = found.groupdict()
    extras = frozenset(normal(one) for one in (parts["extras"] or "").split(",") if one.strip())
    return _Requirement(
        parts.get("name") or "",
        extras,
        parts["url"] or "",
        parts.get("versions") or "",
        parsed(parts["marker"]) if parts["marker"] else True,
    )


def _path(url: str) -> str:
    """Return the path that a path or a ``file:`` URL names."""
    if not url.startswith("file:"):
        return url
    plain = re.sub(r"^file:(//(localhost)?(?=/))?", "", url).partition("#")[0]
    return unquote(plain)


def _project(path: Path, given: Any, place: Place) -> Project:
    project = _toml(path, given, place)
    table = project.get("project", {})
    if not isinstance(table.get("dependencies"), list) and "dynamic" not in table:
        raise OptionError(
            f"requirements={fspath(given)!r} has no dependencies in its table [project]",
            place=place,
            remedy="write them there, or list the packages: requirements=['polars==1.2.3']",
        )
    return Project(path, project)


def _project_in(folder: Path, place: Place) -> Project:
    if not (folder / PROJECT).is_file():
        raise OptionError(
            f"the folder {folder} is a requirement, but it has no {PROJECT}",
            place=place,
            remedy=f"write its dependencies into the table [project] of a {PROJECT}; a folder of "
            "modules needs no requirement, it is bundled by being imported",
        )
    return Project(folder / PROJECT, _toml(folder / PROJECT, folder / PROJECT, place))


def _of_lock(lock: dict[str, Any], given: Any, place: Place) -> list[str]:
    found = locked(lock)
    if found is None:
        raise OptionError(
            f"requirements={fspath(given)!r} locks no project of its own folder",
            place=place,
            remedy="give the lock of a project with a table [project]; uv lock writes it",
        )
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; those that end in a backslash go on, comments go."""
    waiting: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        plain = _COMMENT.sub("", line).strip()
        if plain.endswith("\\"):
            waiting.append(plain[:-1])
            continue
        whole = " ".join(" ".join((*waiting, plain)).split())
        if whole:
            yield number - len(waiting), whole
        waiting = []
    if waiting:
        yield len(text.splitlines()), " ".join(" ".join(waiting).split())


def _toml(path: Path, given: Any, place: Place) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path, given, place))
    except tomllib.TOMLDecodeError as error:
        raise OptionError(
            f"requirements={fspath(given)!r} is not valid TOML: {error}",
            place=place,
            remedy=f"mend {path}",
        ) from None


def _text(path: Path, given: Any, place: Place) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise OptionError(
            f"requirements={fspath(given)!r} cannot be read: {why} ({path})",
            place=place,
            remedy="list the packages, requirements=['polars==1.2.3'], or give the path, from the "
            "step's file, of a requirements.txt, a pyproject.toml or a uv.lock",
        ) from None
