"""TOML files, and on which line of one a value stands."""

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
    """What a TOML file says.

    Args:
        name: Its path, for messages.
        text: Its text.
        table: The same, read.
    """

    name: str
    text: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)

    def place(self, path: Sequence[str]) -> Place:
        """Where a value stands.

        Args:
            path: The keys that lead to it.
        """
        return Place(self.name, line_of(self.text, path), ".".join(path))


def read_toml(path: Path) -> TomlFile:
    """Reads a file; one that is not there is empty.

    Args:
        path: Its path.

    Raises:
        ConfigError: If it cannot be read, or is no TOML.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return TomlFile(str(path))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror or error}",
            remedy="make it a file that you may read, or take it away",
        ) from error
    import tomllib  # not at the top: most folders have no such file, and it costs 10 ms

    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        place = Place(str(path), data[: error.start].count(b"\n") + 1)
        raise ConfigError(f"{path} is no UTF-8", place=place, remedy="save it as UTF-8") from error
    try:
        return TomlFile(str(path), text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        raise ConfigError(
            f"{path} is no valid TOML: {_POSITION.sub('', str(error))}",
            place=Place(str(path), line),
            remedy='strings stand in quotes, as in level = "INFO"; tables begin with [name]',
        ) from error


def line_of(text: str, path: Sequence[str]) -> int:
    """The line on which a key stands, from 1.

    The parser keeps no lines. But the key's line is the one without which the file, read
    up to there, does not have it yet; so this asks the parser itself, whatever the
    spelling, and only when there is an error to tell.

    Args:
        text: Valid TOML that has the key.
        path: The keys that lead to it.
    """
    import tomllib

    lines = text.split("\n")
    complete = 0  # lines that hold whole values only
    for count in range(1, len(lines) + 1):
        try:
            table: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # amid a value of several lines
        if has(table, path):
            break
        complete = count
    return min(complete + 1, len(lines))


def has(table: Any, path: Sequence[str]) -> bool:
    """Whether keys lead to a value of a table.

    Args:
        table: As TOML gives it.
        path: The keys.
    """
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
