"""What the walk through the user's code hands around."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, Protocol

from lokki_tf.errors import Place
from lokki_tf.model import Finding

from ..dependencies.third_party import Import
from ..source.files import Source, Statement
from ..source.modules import Module
from ..source.names import Names, Use
from .pieces import Piece
from .portability import Judge


@dataclass(frozen=True, slots=True)
class Site:
    """Where a name is used: the piece, and where its source stands."""

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
        skip: Its decorators that stay behind.
        is_import: Whether it is an import; what is used of it decides what it needs.
    """

    site: Site
    node: ast.AST
    names: Names
    at: int
    before: int
    skip: frozenset[ast.expr] = frozenset()
    is_import: bool = False


class Gathering(Protocol):
    """The :class:`.carry.Carrier`, as those who find things for it see it."""

    step: str
    judge: Judge
    uses: dict[Piece, dict[str, set[Piece]]]

    def adopt(self, module: Module) -> Module:
        """Makes a module the one that its name stands for."""

    def module(self, name: str, place: Place) -> Module | None:
        """A module of the user's, whose file will be in the zip."""

    def carry(self, module: Module, statement: Statement, before: int) -> Piece:
        """A statement's piece; what it uses will be followed."""

    def follow(self, task: Task) -> None:
        """Follows the names of a piece, if that was not done before."""

    def need(self, site: Site, module: Module, name: str, before: int, use: Use) -> None:
        """Finds what makes a name, and follows it."""

    def imports(self, module: Module, source: Source, names: Names) -> tuple[Import, ...]:
        """The imports of packages that are somebody else's."""

    def link(self, site: Site, name: str, piece: Piece) -> None:
        """Notes that a piece needs another one, under a name."""

    def find(self, finding: Finding) -> None:
        """Notes a finding, once."""

    def place(self, site: Site, use: Use, name: str = "") -> Place:
        """The place of a use, as the user knows it."""

    def by_value(self, site: Site, module: Module, name: str, function: Any, use: Use) -> None:
        """Carries a function object under a name of a module."""
