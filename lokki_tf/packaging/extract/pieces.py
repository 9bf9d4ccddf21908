"""Pieces: the parts of the user's source that travel, each with its place in its file.

A piece is text and an order. Files of a zip are sets of pieces, so two cuts that need parts
of one module are merged by a union; the text is put together last, in :mod:`.render`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal as OneOf

from ..source.files import Definition, Source, Statement
from ..source.modules import Module
from ..source.survey import absolute_name
from ..source.text import Edit, edited, reach, span, whole_lines

Kind = OneOf["import", "definition", "code"]
_RELATIVE = re.compile(r"from\s*(?:\\\s*)?[.\s]+[\w.]*\s*(?:\\\s*)?import")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the source of one module.

    Args:
        module: The module's name.
        order: Its place in the module.
        text: Source, ended by a newline.
        kind: How it is set apart from its neighbours.
        binds: The names that it binds.
        head: For an import, what stands before the names: ``from x import``.
        names: For an import, how many names the statement has in the user's file.
        original: For an import, the statement as the user wrote it.
        is_class: Whether it makes a class, so that instances know its module.
        postponed: Whether its annotations are not evaluated.
    """

    module: str
    order: tuple[int, ...]
    text: str
    kind: Kind = "code"
    binds: tuple[str, ...] = ()
    head: str = ""
    names: int = 1
    original: str = ""
    is_class: bool = False
    postponed: bool = False


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The absolute name of the module that names are imported from."""
    return absolute_name(module.package, node.level, node.module)


def made_absolute(
    module: Module, source: Source, imports: Iterable[ast.ImportFrom]
) -> Iterator[Edit]:
    """Edits that make relative imports absolute: code may stand in another file of the zip."""
    for node in imports:
        start, end = span(source, node)
        match = _RELATIVE.match(source.text, start, end)
        if node.level and match:
            yield Edit(start, match.end(), f"from {absolute(module, node)} import")


def statement_piece(
    module: Module,
    statement: Statement,
    *,
    skip: frozenset[ast.expr] = frozenset(),
    is_class: bool = False,
    postponed: bool = False,
) -> Piece:
    """A statement as it stands in its file.

    Args:
        module: Its module.
        statement: The statement.
        skip: Decorators that stay behind.
        is_class: As for :class:`Piece`; likewise the next.
        postponed: .
    """
    source, node = statement.source, statement.node
    edits = [*made_absolute(module, source, statement.relative_imports)]
    edits += [whole_lines(source, decorator) for decorator in skip]
    start, end = reach(source, node)
    text = edited(source, start, end, edits).rstrip() + "\n"
    plain = Piece(
        module.name,
        (module.position(statement),),
        text,
        "definition" if isinstance(node, Definition) else "code",
        tuple(statement.binds),
        is_class=is_class,
        postponed=postponed,
    )
    alias = statement.alias
    if alias is None or not isinstance(node, ast.Import | ast.ImportFrom):
        return plain
    head = "import"
    if isinstance(node, ast.ImportFrom):
        head = f"from {absolute(module, node)} import"
    return replace(
        plain,
        text=f"{alias.name} as {alias.asname}" if alias.asname else alias.name,
        kind="import",
        head=head,
        names=len(node.names),
        original=text,
    )
