"""Parse the filter expressions of a JSONPath: the tests in ``[?( … )]``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from lokki_tf.testing.state_machines.failures import PathNotFound, PathSyntaxError
from lokki_tf.testing.state_machines.values import Json

Test = Callable[[Json], bool]
Value = Callable[[Json], Json]
Find = Callable[[str, Json], Json]
"""Return the value at a path in another value."""

_MISSING = object()
_TOKEN = re.compile(
    r"\s*(?:(?P<op>\|\||&&|==|!=|<=|>=|<|>|!|\(|\))"
    r"|(?P<path>@(?:\.[\w-]+|\[-?\d+\]|\['[^']*'\])*)"
    r"|(?P<string>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>true|false|null))"
)
_COMPARE: dict[str, Callable[[Json, Json], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {"true": True, "false": False, "null": None}


def parse_filter(text: str, begin: int, find: Find) -> tuple[Test, int]:
    """Parse the filter expression that begins at a position of a path.

    Args:
        text: The whole path.
        begin: The position after ``[?(``.
        find: A function that evaluates the paths in the filter.

    Returns:
        The filter as a function of an item, and the position of its closing ``)``.

    Raises:
        PathSyntaxError: If the text at the position is not a filter expression.
    """
    parser = _FilterParser(text, begin, find)
    return parser.either(), parser.at


class _FilterParser:
    def __init__(self, text: str, begin: int, find: Find) -> None:
        self.text = text
        self.at = begin
        self.find = find

    def either(self) -> Test:
        left = self.both()
        while self._accept("||"):
            left = _either(left, self.both())
        return left

    def both(self) -> Test:
        left = self.one()
        while self._accept("&&"):
            left = _both(left, self.one())
        return left

    def one(self) -> Test:
        if self._accept("!"):
            inner = self.one()
            return lambda item: not inner(item)
        if self._accept("("):
            inner = self.either()
            if not self._accept(")"):
                raise self._error()
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        left = self._operand()
        for sign, compare in sorted(_COMPARE.items(), key=lambda pair: -len(pair[0])):
            if self._accept(sign):
                return _compare(compare, left, self._operand())
        return lambda item: left(item) is not _MISSING

    def _operand(self) -> Value:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["op"]:
            raise self._error()
        self.at = match.end()
        if match["path"]:
            return _item_path(match["path"], self.find)
        if match["string"]:
            literal: Json = re.sub(r"\\(.)", r"\1", match["string"][1:-1])
        elif match["number"]:
            literal = float(match["number"])
        else:
            literal = _WORDS[match["word"]]
        return lambda item: literal

    def _accept(self, sign: str) -> bool:
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["op"] != sign:
            return False
        self.at = match.end()
        return True

    def _error(self) -> ValueError:
        return PathSyntaxError(
            f"'{self.text}' has a filter that is not supported, at character {self.at + 1}"
        )


def _item_path(text: str, find: Find) -> Value:
    def value(item: Json) -> Json:
        try:
            return find(text, item)
        except PathNotFound:
            return _MISSING

    return value


def _compare(compare: Callable[[Json, Json], bool], left: Value, right: Value) -> Test:
    def test(item: Json) -> bool:
        try:
            return compare(left(item), right(item))
        except TypeError:
            return False

    return test


def _either(left: Test, right: Test) -> Test:
    return lambda item: left(item) or right(item)


def _both(left: Test, right: Test) -> Test:
    return lambda item: left(item) and right(item)
