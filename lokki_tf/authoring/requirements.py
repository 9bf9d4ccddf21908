"""Requirements that stand in a file of the user's: as lines, as a project, or as its lock."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from os import PathLike, fspath
from os.path import normpath
from pathlib import Path
from typing import Any

from lokki_tf.errors import OptionError, Place

from .uv_lock import locked

_COMMENT = re.compile(r"(^|\s)#.*$")
_OTHER_FILE = re.compile(r"(?:-r|--requirement)(?:\s+|=)?(?P<path>.+)")
_HOUSE = re.compile(r"lokki[-_.]tf(?![\w.-])", re.IGNORECASE)


def requirements_in(given: str | PathLike[str], place: Place) -> tuple[str, ...]:
    """The requirements that a file holds; lokki_tf itself, which no step needs, left out.

    Args:
        given: Path of a ``pyproject.toml``, a ``uv.lock``, or a file of lines, from the folder
            of the step's file.
        place: Where the step is defined.

    Raises:
        OptionError: If the file cannot be read, or says what a layer cannot be made of.
    """
    source = Path(place.file)
    # The code of a notebook's cell stands in no file.
    folder = source.parent.absolute() if source.is_file() else Path.cwd()
    path = Path(normpath(folder / given))
    if path.suffix == ".toml":
        found = _of_project(_toml(path, given, place), given, place)
    elif path.name == "uv.lock":
        found = _of_lock(_toml(path, given, place), given, place)
    else:
        found = list(_of_lines(path, given, place, ()))
    return tuple(line for line in found if not _HOUSE.match(line))


def _of_project(project: dict[str, Any], given: Any, place: Place) -> list[str]:
    found = project.get("project", {}).get("dependencies")
    if not isinstance(found, list):
        raise OptionError(
            f"requirements={fspath(given)!r} has no dependencies in its table [project]",
            place=place,
            remedy="write them there, or list the packages: requirements=['polars==1.2.3']",
        )
    return found


def _of_lock(lock: dict[str, Any], given: Any, place: Place) -> list[str]:
    found = locked(lock)
    if found is None:
        raise OptionError(
            f"requirements={fspath(given)!r} locks no project of its own folder",
            place=place,
            remedy="give the lock of a project with a table [project]; uv lock writes it",
        )
    return found


def _of_lines(path: Path, given: Any, place: Place, outer: tuple[Path, ...]) -> Iterator[str]:
    for number, line in _logical_lines(_text(path, given, place)):
        other = _OTHER_FILE.fullmatch(line)
        if other:
            below = Path(normpath(path.parent / other["path"]))
            if below not in (*outer, path):
                yield from _of_lines(below, below, Place(str(path), number), (*outer, path))
        elif line.startswith("-"):
            raise OptionError(
                f"the line {line!r} is a setting of the installer, and no requirement",
                place=Place(str(path), number),
                remedy="take it out; where packages come from is told to uv, in its settings or "
                "by UV_INDEX",
            )
        else:
            yield line


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
            f"requirements={fspath(given)!r} is no TOML: {error}",
            place=place,
            remedy=f"mend {path}",
        ) from None


def _text(path: Path, given: Any, place: Place) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise OptionError(
            f"requirements={fspath(given)!r} cannot be read: {why} ({path})",
            place=place,
            remedy="list the packages, requirements=['polars==1.2.3'], or give the path, from the "
            "step's file, of a requirements.txt, a pyproject.toml or a uv.lock",
        ) from None
