"""A user's ``pyproject.toml``: its dependencies and, for uv, their sources.

Source: uv's documentation, "Managing dependencies" and "Using workspaces".
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lokki_tf.errors import OptionError, Place
from lokki_tf.model.requirements import normal

PROJECT = "pyproject.toml"
_KINDS = ("workspace", "path", "url", "git", "index")


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a dependency.

    Args:
        table: As written.
        file: The file that contains it.
    """

    table: dict[str, Any]
    file: Path

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value!r}" for name, value in self.table.items())

    @property
    def folder(self) -> Path:
        """Where its path starts."""
        return self.file.parent

    @property
    def kind(self) -> str:
        """``workspace``, ``path``, ``url``, ``git``, ``index``, or ``""`` for another one."""
        return next((kind for kind in _KINDS if self.table.get(kind)), "")

    @property
    def value(self) -> str:
        """What is written for its kind."""
        return str(self.table.get(self.kind, ""))

    @property
    def marker(self) -> str:
        """When it is used."""
        return str(self.table.get("marker", "True"))


@dataclass(frozen=True)
class Project:
    """A project.

    Args:
        file: Its ``pyproject.toml``.
        data: What it contains.
    """

    file: Path
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """Its normalized name."""
        return normal(str(self._table.get("name", "")))

    def dependencies(self, place: Place) -> list[str]:
        """Return its dependencies as written.

        Raises:
            OptionError: If the table ``[project]`` is missing.
        """
        if not self._table:
            raise OptionError(
                f"{self.file} has no table [project], so its dependencies are unknown",
                place=place,
                remedy="write them there: dependencies = ['polars==1.2.3']",
            )
        return list(self._table.get("dependencies", []))

    def extra(self, extra: str, place: Place) -> list[str]:
        """Return the dependencies of an extra as written.

        Raises:
            OptionError: If the extra does not exist.
        """
        known = {normal(name): lines for name, lines in self._table.get(_OPTIONAL, {}).items()}
        if extra not in known:
            raise OptionError(
                f"{self.file} has no extra {extra!r} in [project.{_OPTIONAL}]",
                place=place,
                remedy=f"it has {', '.join(sorted(known)) or 'none'}: write one of them",
            )
        return list(known[extra])

    def dependency_files(self, place: Place) -> list[Path]:
        """Return the files from which setuptools reads the dependencies, if it does.

        Raises:
            OptionError: If the dependencies are dynamic otherwise.
        """
        if "dependencies" not in self._table.get("dynamic", []):
            return []
        tables = self.data.get("tool", {}).get("setuptools", {}).get("dynamic", {})
        files = tables.get("dependencies", {}).get("file", [])
        if not files:
            raise OptionError(
                f"the dependencies in {self.file} are dynamic, and are known only after a build",
                place=place,
                remedy="write them into its table [project], or give a uv.lock",
            )
        return [self.file.parent / name for name in ([files] if isinstance(files, str) else files)]

    def sources(self, name: str, extra: str) -> list[Source]:
        """Return the sources of a dependency, the workspace's where the project has none.

        Args:
            name: The dependency's name.
            extra: The extra that requires it, ``""`` without one.
        """
        for project in (self, self._root):
            tables = project._uv.get("sources", {}) if project else {}
            for key, value in tables.items():
                if project and normal(key) == normal(name):
                    found = value if isinstance(value, list) else [value]
                    sources = [Source(table, project.file) for table in found]
                    return [one for one in sources if _is_for(one.table, extra)]
        return []

    def member(self, name: str) -> Path | None:
        """Return the folder of the member of its workspace that has a name."""
        members = _members(self._root) if self._root else {}
        return next((at for at, one in members.items() if one.name == normal(name)), None)

    @property
    def _table(self) -> dict[str, Any]:
        found = self.data.get("project", {})
        return found if isinstance(found, dict) else {}

    @property
    def _uv(self) -> dict[str, Any]:
        found = self.data.get("tool", {}).get("uv", {})
        return found if isinstance(found, dict) else {}

    @cached_property
    def _root(self) -> Project | None:
        """The root of the workspace that the project belongs to."""
        for folder in (self.file.parent, *self.file.parent.parents):
            root = _project_in(folder)
            if root and "workspace" in root._uv:
                return root if self.file.parent.resolve() in _members(root) else None
        return None


_OPTIONAL = "optional-dependencies"


def _is_for(table: dict[str, Any], extra: str) -> bool:
    return "group" not in table and normal(str(table.get("extra", extra))) == normal(extra)


def _members(root: Project) -> dict[Path, Project]:
    """The projects of a workspace, the root among them, by folder."""
    table, folder = root._uv["workspace"], root.file.parent
    excluded = set(_globbed(folder, table.get("exclude", [])))
    folders = {folder.resolve(), *_globbed(folder, table.get("members", []))} - excluded
    found = {at: _project_in(at) for at in sorted(folders)}
    return {at: project for at, project in found.items() if project}


def _globbed(folder: Path, patterns: list[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from (path.resolve() for path in folder.glob(pattern) if path.is_dir())


def _project_in(folder: Path) -> Project | None:
    try:
        file = folder / PROJECT
        return Project(file, tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError):
        return None
