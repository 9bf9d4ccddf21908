"""Pieces of source, put together as a file that reads like the user's."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from .pieces import Piece

POSTPONED = "from __future__ import annotations\n"
_WIDTH = 100


def file_text(pieces: Iterable[Piece]) -> str:
    """The text of a module, cut down to some pieces of it."""
    chosen = list(pieces)
    text = source_text(chosen)
    if any(piece.postponed for piece in chosen):
        text = f"{POSTPONED}\n{text}" if text else POSTPONED
    return text


def source_text(pieces: Iterable[Piece]) -> str:
    """The pieces in the order of their module, set apart as style guides do."""
    ordered = sorted(set(pieces), key=lambda piece: (piece.order, piece.text))
    parts = []
    before: Piece | None = None
    for _, run in groupby(ordered, key=_statement):
        group = list(run)
        first = group[0]
        if before is not None:
            parts.append("\n" * _gap(before, first))
        parts.append(_import_text(group) if first.kind == "import" else first.text)
        before = first
    return "".join(parts)


def _statement(piece: Piece) -> object:
    """What pieces of one import statement share."""
    return (piece.head, piece.original) if piece.kind == "import" else piece


def _gap(before: Piece, after: Piece) -> int:
    if "definition" in (before.kind, after.kind):
        return 2
    if before.kind != after.kind or after.text.startswith("#"):
        return 1
    return 0


def _import_text(group: list[Piece]) -> str:
    first = group[0]
    if len(group) == first.names:
        return first.original
    names = list(dict.fromkeys(piece.text for piece in group))
    if first.head == "import":
        return "".join(f"import {name}\n" for name in names)
    return from_import(first.head, names)


def from_import(head: str, names: list[str]) -> str:
    """``from x import a, b``, in parentheses where that is too long for a line.

    Args:
        head: ``from x import``.
        names: What is imported.
    """
    line = f"{head} {', '.join(names)}\n"
    if len(line) <= _WIDTH + 1:
        return line
    return "".join((f"{head} (\n", *(f"    {name},\n" for name in names), ")\n"))
