"""TOML files, and the lines of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lokki_tf.errors import ConfigError, Place

_POSITION = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed TOML file.

    Args:
        name: Its path, for messages.
        text: Its text.
        table: The parsed text.
    """

    name: str
    text: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)

    def place(self, path: Sequence[str]) -> Place:
        """Return the source location of a value.

        Args:
            path: The keys that lead to it.
        """
        return Place(self.name, line_of(self.text, path), ".".join(path))


def read_toml(path: Path) -> TomlFile:
    """Read a file; a missing file counts as empty.

    Args:
        path: Its path.

    Raises:
        ConfigError: If it cannot be read, or is not valid TOML.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return TomlFile(str(path))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}",
            remedy="make it a readable file, or delete it",
        ) from error
    import tomllib  # takes 10 ms, and most folders have no such file

    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = Place(str(path), data[: error.start].count(b"\n") + 1)
        raise ConfigError(
            f"{path} is not valid UTF-8", place=place, remedy="save it as UTF-8"
        ) from error
    try:
        return TomlFile(str(path), text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        raise ConfigError(
            f"{path} is not valid TOML: {_POSITION.sub('', str(error))}",
            place=Place(str(path), line),
            remedy='strings need quotes, as in level = "INFO"; tables begin with [name]',
        ) from error


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line of a key, from 1.

    The parser does not return lines. The key's line is the last one of the shortest beginning of
    the file that contains the key, so the file is parsed repeatedly. This works for any spelling of
    the key, and is only done for an error.

    Args:
        text: Valid TOML that contains the key.
        path: The keys that lead to it.
    """
    import tomllib

    lines = text.split("\n")
    complete = 0  # number of lines that contain complete values only
    for count in range(1, len(lines) + 1):
        try:
            table: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value of several lines
        if has(table, path):
            break
        complete = count
    return min(complete + 1, len(lines))


def has(table: Any, path: Sequence[str]) -> bool:
    """Return whether a table contains a value.

    Args:
        table: A parsed table.
        path: The keys that lead to the value.
    """
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
