"""Parse calls of intrinsic functions, such as ``States.Format('{}', $.a)``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lokki_tf.testing.state_machines.failures import PathSyntaxError
from lokki_tf.testing.state_machines.intrinsic_functions import FUNCTIONS
from lokki_tf.testing.state_machines.references import Expression, View, parse_reference
from lokki_tf.testing.state_machines.values import Json


@dataclass(frozen=True)
class Literal:
    """An argument that is a string, number, boolean or null."""

    value: Json

    def evaluate(self, view: View) -> Json:
        """Return the literal's value."""
        return self.value


@dataclass(frozen=True)
class Call:
    """A call of a function with parsed arguments."""

    name: str
    arguments: tuple[Expression, ...]

    def evaluate(self, view: View) -> Json:
        """Evaluate the arguments and call the function with them."""
        return FUNCTIONS[self.name](*(argument.evaluate(view) for argument in self.arguments))


_NAME = re.compile(r"\s*(States\.\w+)\s*\(\s*")
# A quotation mark is not escaped, as AWS answers, observed.
_STRING = re.compile(r"'((?:\\[^\"]|[^'\\])*)'")
_WORD = re.compile(r"(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_NEXT = re.compile(r"\s*([,)])\s*")
_WORDS = {"true": True, "false": False, "null": None}


def parse_call(text: str) -> Call:
    """Parse a text that consists of one call.

    Raises:
        PathSyntaxError: If the text is not a call, or the function does not exist.
    """
    parser = _CallParser(text)
    call = parser.call()
    if parser.at != len(text):
        raise parser.error()
    return call


class _CallParser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def call(self) -> Call:
        match = _NAME.match(self.text, self.at)
        if match is None or match[1] not in FUNCTIONS:
            raise self.error()
        self.at = match.end()
        arguments: list[Expression] = []
        if self.text.startswith(")", self.at):
            self.at += 1
            return Call(match[1], ())
        while True:
            arguments.append(self._argument())
            after = _NEXT.match(self.text, self.at)
            if after is None:
                raise self.error()
            self.at = after.end()
            if after[1] == ")":
                return Call(match[1], tuple(arguments))

    def _argument(self) -> Expression:
        if match := _STRING.match(self.text, self.at):
            self.at = match.end()
            # The escapes \{ and \} are kept, because States.Format interprets them.
            return Literal(re.sub(r"\\(['\\])", r"\1", match[1]))
        if match := _WORD.match(self.text, self.at):
            self.at = match.end()
            return Literal(_WORDS[match[1]] if match[1] else _number(match[2]))
        if self.text.startswith("$", self.at):
            end = self._end_of_path()
            path = self.text[self.at : end].rstrip()
            self.at = end
            return parse_reference(path)
        return self.call()

    def _end_of_path(self) -> int:
        depth, quote, at = 0, "", self.at
        while at < len(self.text):
            sign = self.text[at]
            if quote:
                at += sign == "\\"
                quote = "" if sign == quote else quote
            elif sign in "'\"":
                quote = sign
            elif sign in "[(":
                depth += 1
            elif sign in "])" and depth:
                depth -= 1
            elif sign in ",)":
                break
            at += 1
        return at

    def error(self) -> PathSyntaxError:
        """Return the error for the parser's current position."""
        return PathSyntaxError(
            f"'{self.text}' is neither a path nor an intrinsic function, at character {self.at + 1}"
        )


def _number(text: str) -> int | float:
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
