"""What the parts of extraction exchange while they follow names."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Protocol

from lokki_tf.errors import Place
from lokki_tf.model import Finding

from ..source.files import Source
from ..source.modules import Module
from ..source.names import Names, Use
from ..source.survey import Fact
from .pieces import Piece
from .portability import Judge


@dataclass(frozen=True, slots=True)
class Site:
    """Where a name is used: the piece, its module and its file."""

    piece: Piece
    module: Module
    source: Source


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A piece whose names are to be followed.

    Args:
        site: The piece.
        node: Its syntax tree.
        names: The names in it.
        at: Position in its module at which it runs itself.
        before: Position at which its functions are called.
        skip: Its decorators that are left out.
    """

    site: Site
    node: ast.AST
    names: Names
    at: int
    before: int
    skip: frozenset[ast.expr] = frozenset()


class Gathering(Protocol):
    """The :class:`.carry.Carrier`, as the modules that find things for it see it."""

    step: str
    judge: Judge

    def need(self, site: Site, module: Module, name: str, before: int, use: Use) -> None:
        """Find what makes a name, and follow it."""

    def bring(self, fact: Fact, site: Site) -> None:
        """Include what an import needs."""

    def same(self, site: Site, module: Module, name: str, function: Any, use: Use) -> None:
        """Carry a function that no statement defines under this name."""

    def link(self, site: Site, name: str, piece: Piece) -> None:
        """Record that a piece needs another one, under a name."""

    def find(self, finding: Finding) -> None:
        """Record a finding, once."""

    def place(self, site: Site, use: Use, name: str = "") -> Place:
        """Return the source location of a use."""
