"""Parse and evaluate paths with a root: ``$``, the context object ``$$``, a variable ``$name``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from lokki_tf.testing.state_machines.failures import PathNotFound, PathSyntaxError
from lokki_tf.testing.state_machines.paths import Path, parse_path
from lokki_tf.testing.state_machines.values import Json

VARIABLE = re.compile(r"\$([^\W\d]\w*)")
"""A reference to a variable. The name is a Unicode identifier."""


class VariableSource(Protocol):
    """An object with the values of variables."""

    def get(self, name: str) -> Json:
        """Return a variable's value.

        Raises:
            UndefinedVariable: If no state has assigned it.
        """


class View(NamedTuple):
    """The data of an expression: the values of ``$``, ``$$`` and variables."""

    value: Json
    context: Mapping[str, Json]
    variables: VariableSource


class Expression(Protocol):
    """A parsed path or intrinsic function."""

    def evaluate(self, view: View) -> Json:
        """Return the expression's value.

        Raises:
            PathNotFound: If the data contains no value at a path.
            UndefinedVariable: If the expression refers to a variable without a value.
            IntrinsicFailure: If a function receives invalid arguments.
        """


@dataclass(frozen=True)
class Reference:
    """A path with its root.

    Args:
        text: The path as it is written.
        root: ``$``, ``$$`` or ``$name``.
        path: The path below the root.
    """

    text: str
    root: str
    path: Path

    def evaluate(self, view: View) -> Json:
        """Return the value at the path."""
        if self.root == "$":
            data = view.value
        elif self.root == "$$":
            data = view.context
        else:
            data = view.variables.get(self.root[1:])
        try:
            return self.path.find(data)
        except PathNotFound as missing:
            raise PathNotFound(self.text, missing.data) from None


@lru_cache(maxsize=8192)
def parse_reference(text: str) -> Reference:
    """Parse a path with the root ``$``, ``$$`` or ``$name``.

    Raises:
        PathSyntaxError: If the text is not a valid path.
    """
    if text.startswith("$$"):
        return Reference(text, "$$", parse_path(text, 2))
    if match := VARIABLE.match(text):
        return Reference(text, match[0], parse_path(text, match.end()))
    if text.startswith("$"):
        return Reference(text, "$", parse_path(text, 1))
    raise PathSyntaxError(f"'{text}' does not begin with $")
