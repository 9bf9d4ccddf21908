"""Pieces: the parts of the user's source that are deployed, and files made from them.

A piece is text and an order. Files of a zip are sets of pieces, so two cuts that need parts of one
module are merged by a union; the text is joined last.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Literal as OneOf

from lokki_tf.model.cells import cell_label
from lokki_tf.source.files import Definition, Edit, Source
from lokki_tf.source.modules import Module, Statement
from lokki_tf.source.names import Code

POSTPONED = "from __future__ import annotations\n"
_WIDTH = 100
_RELATIVE = re.compile(r"from\s*(?:\\\s*)?[.\s]+[\w.]*\s*(?:\\\s*)?import")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the source of one module.

    Args:
        module: The module.
        source: Its file.
        order: Its place in the module.
        text: Source, ended by a newline.
        binds: The names that it binds.
        kind: How it is separated from its neighbours.
        head: For an import, the text before the names: ``from x import``.
        names: For an import, how many names the statement has in the user's file.
        original: For an import, the statement as the user wrote it.
        is_class: Whether it makes a class, whose instances are pickled with its module.
        postponed: Whether its annotations are not evaluated.
        code: Facts about its code.
        evaluated: The names in annotations that must be defined when it runs.
    """

    module: Module
    source: Source = field(compare=False)
    order: tuple[int, ...]
    text: str = ""
    binds: tuple[str, ...] = ()
    kind: OneOf["import", "definition", "code"] = "code"
    head: str = ""
    names: int = 1
    original: str = ""
    is_class: bool = False
    postponed: bool = False
    code: Code = field(default_factory=Code, compare=False)
    evaluated: Collection[str] = field(default=(), compare=False)

    @property
    def file(self) -> str:
        """The path of the user's file."""
        return cell_label(self.source.filename, self.module.namespace)

    def constant(self, name: str, text: str, at: int) -> Piece:
        """Return a piece that binds a name to an expression: a literal, or another name."""
        return Piece(self.module, self.source, (at,), f"{name} = {text}\n", (name,))

    def imported(self, source: str, attribute: str, bound: str) -> Piece:
        """``import source as bound``, or ``from source import attribute as bound`` beside it."""
        name = attribute or source
        text = name if bound in ("", name) else f"{name} as {bound}"
        head = f"from {source} import" if attribute else "import"
        made = Piece(self.module, self.source, (-1,), text, (bound or name,), "import", head)
        return replace(made, original=f"{head} {text}\n")


def made_absolute(module: Module, source: Source, node: ast.AST) -> Iterator[Edit]:
    """Return edits that make relative imports absolute: the code may be in another file."""
    for one in ast.walk(node):
        if isinstance(one, ast.ImportFrom) and one.level:
            start, end = source.span(one)
            match = _RELATIVE.match(source.text, start, end)
            if match:
                yield start, match.end(), f"from {module.absolute(one)} import"


def statement_piece(
    statement: Statement, skip: frozenset[ast.expr], is_class: bool, postponed: bool
) -> Piece:
    """Return a statement as it is in its file, without some decorators."""
    module, source, node = statement.module, statement.source, statement.node
    edits = [*made_absolute(module, source, node), *source.without(skip)]
    text = source.edited(*source.reach(node), edits).rstrip() + "\n"
    piece = Piece(
        module,
        source,
        (statement.at,),
        text,
        tuple(statement.binds),
        "definition" if isinstance(node, Definition) else "code",
        is_class=is_class,
        postponed=postponed,
        code=statement.code(skip),
    )
    alias = statement.alias
    if alias is None or not isinstance(node, ast.Import | ast.ImportFrom):
        return piece
    name = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
    head = "import"
    if isinstance(node, ast.ImportFrom):
        head = f"from {module.absolute(node)} import"
    names = len(node.names)
    return replace(piece, text=name, kind="import", head=head, names=names, original=text)


# --- files of pieces --------------------------------------------------------------------


def file_text(pieces: Iterable[Piece]) -> str:
    """Return the text of a module, reduced to some of its pieces."""
    chosen = list(pieces)
    text = source_text(chosen)
    if any(piece.postponed for piece in chosen):
        text = f"{POSTPONED}\n{text}" if text else POSTPONED
    return text


def source_text(pieces: Iterable[Piece]) -> str:
    """Return the pieces in the order of their module, separated as in style guides."""
    ordered = sorted(set(pieces), key=lambda piece: (piece.order, piece.text))
    parts = []
    before: Piece | None = None
    for _, run in groupby(ordered, key=lambda one: (one.head, one.original) if one.head else one):
        group = list(run)
        first = group[0]
        if before is not None:
            gap = before.kind != first.kind or first.text.startswith("#")
            parts.append("\n\n" if "definition" in (before.kind, first.kind) else "\n" * gap)
        parts.append(_import_text(group) if first.kind == "import" else first.text)
        before = first
    return "".join(parts)


def _import_text(group: list[Piece]) -> str:
    first = group[0]
    if len(group) == first.names:
        return first.original
    names = list(dict.fromkeys(piece.text for piece in group))
    if first.head == "import":
        return "".join(f"import {name}\n" for name in names)
    line = f"{first.head} {', '.join(names)}\n"
    if len(line) <= _WIDTH + 1:
        return line
    return "".join((f"{first.head} (\n", *(f"    {name},\n" for name in names), ")\n"))
