"""Parse and evaluate JSONPath in the dialect of Step Functions.

Parsed paths are cached. Evaluation returns the values themselves, not copies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from lokki_tf.testing.state_machines.failures import PathNotFound, PathSyntaxError
from lokki_tf.testing.state_machines.path_filters import parse_filter
from lokki_tf.testing.state_machines.values import Json


@dataclass(frozen=True)
class Step:
    """One segment of a path, such as ``.name``, ``[0]`` or ``[*]``.

    Args:
        select: A function that yields the values that the segment selects in a value.
        definite: Whether the segment selects at most one value.
        key: The name or index of a definite segment.
    """

    select: Callable[[Json], Iterator[Json]]
    definite: bool
    key: str | int | None = None


_MISSING = object()


@dataclass(frozen=True)
class Path:
    """A parsed path, without its root."""

    text: str
    steps: tuple[Step, ...]

    @cached_property
    def definite(self) -> bool:
        """Whether the path selects one value and not a list of matches."""
        return all(step.definite for step in self.steps)

    @property
    def keys(self) -> list[str | int]:
        """The names and indices of a definite path, for ``ResultPath``."""
        return [step.key for step in self.steps if step.key is not None]

    @cached_property
    def _plain(self) -> list[str | int]:
        """The keys of a path that has nothing else, as most have."""
        return self.keys if len(self.keys) == len(self.steps) else []

    def find(self, root: Json) -> Json:
        """Return the value of a definite path, or the list of all matches of an indefinite one.

        Raises:
            PathNotFound: If a definite path selects no value.
        """
        if self._plain:
            value = root
            key: Any
            for key in self._plain:
                kind = dict if isinstance(key, str) else list
                try:
                    value = value[key] if isinstance(value, kind) else _MISSING
                except LookupError:
                    value = _MISSING
                if value is _MISSING:
                    raise PathNotFound(self.text, root)
            return value
        found = [root]
        for step in self.steps:
            found = [below for value in found for below in step.select(value)]
        if not self.definite:
            return found
        if not found:
            raise PathNotFound(self.text, root)
        return found[0]


@lru_cache(maxsize=8192)
def parse_path(text: str, begin: int = 1) -> Path:
    """Parse the segments of a path.

    Args:
        text: The whole path.
        begin: The position after the root, which is 1 for ``$``.

    Raises:
        PathSyntaxError: If the text is not a valid path.
    """
    return Path(text, tuple(_Parser(text, begin).steps()))


_DOT_NAME = re.compile(r"(?:\\.|[^\\.\[\]()'\" ,?@*:])(?:\\.|[^\\.\[\]()'\" ,?@*])*")
_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+))?$")
_UNION = re.compile(r"-?\d+(?:\s*,\s*-?\d+)*$")


class _Parser:
    def __init__(self, text: str, begin: int) -> None:
        self.text = text
        self.at = begin

    def steps(self) -> Iterator[Step]:
        while self.at < len(self.text):
            if self.text.startswith("..", self.at):
                self.at += 2
                yield _DESCEND
                if not self.text.startswith("[", self.at):
                    yield self._dotted()
            elif self.text.startswith(".", self.at):
                self.at += 1
                yield self._filter() if self.text.startswith("[?(", self.at) else self._dotted()
            elif self.text.startswith("[", self.at):
                yield self._bracket()
            else:
                raise self._error()

    def _dotted(self) -> Step:
        if self.text.startswith("*", self.at):
            self.at += 1
            return _WILDCARD
        match = _DOT_NAME.match(self.text, self.at)
        if match is None:
            raise self._error()
        self.at = match.end()
        name = _unescape(match[0])
        if self.text.startswith("()", self.at):
            self.at += 2
            return self._function(name)
        return _name(name)

    def _function(self, name: str) -> Step:
        if name != "length" or self.at != len(self.text):
            raise self._error()
        return Step(_length, definite=True)

    def _bracket(self) -> Step:
        if self.text.startswith("[?(", self.at):
            return self._filter()
        end, names = self._names()
        if names:
            self.at = end
            return _name(names[0]) if len(names) == 1 else _names(names)
        end = self.text.find("]", self.at)
        inner = self.text[self.at + 1 : end].strip() if end > 0 else ""
        self.at = end + 1
        if inner == "*":
            return _WILDCARD
        if _UNION.match(inner):
            indices = [int(part) for part in inner.split(",")]
            return _index(indices[0]) if len(indices) == 1 else _indices(indices)
        if match := _SLICE.match(inner):
            return _slice(slice(*(int(part) if part else None for part in match.groups())))
        raise self._error()

    def _names(self) -> tuple[int, list[str]]:
        at, names = self.at + 1, []
        while match := _QUOTED.match(self.text, at):
            # Only the quotation mark around the name and the backslash are escaped, observed.
            text = match[1] if match[1] is not None else match[2]
            names.append(text.replace(f"\\{match[0][0]}", match[0][0]))
            at = match.end()
            if self.text.startswith("]", at):
                return at + 1, names
            comma = re.compile(r"\s*,\s*").match(self.text, at)
            if comma is None:
                break
            at = comma.end()
        if names:
            raise self._error()
        return at, []

    def _filter(self) -> Step:
        test, self.at = parse_filter(self.text, self.at + 3, _find)
        if not self.text.startswith(")]", self.at):
            raise self._error()
        self.at += 2
        return Step(lambda value: (item for item in _children(value) if test(item)), definite=False)

    def _error(self) -> PathSyntaxError:
        return PathSyntaxError(f"'{self.text}' is not a valid JSONPath, at character {self.at + 1}")


def _find(text: str, root: Json) -> Json:
    return parse_path(text).find(root)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _children(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Json) -> Iterator[Json]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _length(value: Json) -> Iterator[Json]:
    if isinstance(value, list | dict | str):
        yield len(value)


_DESCEND = Step(_descend, definite=False)
_WILDCARD = Step(_children, definite=False)


def _name(name: str) -> Step:
    def select(value: Json) -> Iterator[Json]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return Step(select, definite=True, key=name)


def _names(names: list[str]) -> Step:
    def select(value: Json) -> Iterator[Json]:
        if isinstance(value, dict):
            yield from (value[name] for name in names if name in value)

    return Step(select, definite=False)


def _index(index: int) -> Step:
    def select(value: Json) -> Iterator[Json]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return Step(select, definite=True, key=index)


def _indices(indices: list[int]) -> Step:
    def select(value: Json) -> Iterator[Json]:
        if isinstance(value, list):
            yield from (value[index] for index in indices if -len(value) <= index < len(value))

    return Step(select, definite=False)


def _slice(part: slice) -> Step:
    def select(value: Json) -> Iterator[Json]:
        if isinstance(value, list):
            yield from value[part]

    return Step(select, definite=False)
