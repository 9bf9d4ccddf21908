"""The text that belongs to a part of a syntax tree, and edits made in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .files import Definition, Source

_MARKS = re.compile(r"#!|# ?%%|#.*coding[:=]")


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of a file's text, by offsets, that is written differently in a zip."""

    start: int
    end: int
    text: str = ""


def offset(source: Source, line: int, column: int) -> int:
    """The offset in the text of a line, from 1, and a column in bytes, as trees have them."""
    text = source.lines[line - 1]
    if not text.isascii():
        column = len(text.encode()[:column].decode(errors="ignore"))
    return source.starts[line - 1] + column


def span(source: Source, node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Where the node's own text begins and ends."""
    first = offset(source, node.lineno, node.col_offset)
    last = offset(source, node.end_lineno or node.lineno, node.end_col_offset or 0)
    return first, last


def reach(source: Source, node: ast.stmt) -> tuple[int, int]:
    """Where the statement's text begins and ends, decorators and comments with it.

    Comments right above it, and behind it on its last line, belong to it; but those at
    the top of a file, above its first import, belong to the file.
    """
    decorators = node.decorator_list if isinstance(node, Definition) else []
    line = min([node.lineno, *(d.lineno for d in decorators)])
    start, end = span(source, node)
    line_start = source.starts[line - 1]
    if line != node.lineno or not source.text[line_start:start].strip():
        start = source.starts[_with_comments(source, node, line) - 1]
    line_end = source.starts[node.end_lineno or node.lineno]
    rest = source.text[end:line_end].lstrip()
    return start, line_end if not rest or rest.startswith("#") else end


def _with_comments(source: Source, node: ast.stmt, line: int) -> int:
    column, first = node.col_offset, line
    while first > 1:
        above = source.lines[first - 2]
        if not above[column:].startswith("#") or above[:column].strip():
            break
        if _MARKS.match(above[column:]) or first - 1 in source.string_lines:
            break
        first -= 1
    heads_file = first == 1 and isinstance(node, ast.Import | ast.ImportFrom)
    return line if heads_file else first


def edited(source: Source, start: int, end: int, edits: Iterable[Edit]) -> str:
    """A part of the text with edits made in it."""
    text, at = [], start
    for edit in sorted(set(edits), key=lambda edit: (edit.start, -edit.end)):
        if edit.start < at or edit.end > end:
            continue
        text += [source.text[at : edit.start], edit.text]
        at = edit.end
    return "".join((*text, source.text[at:end]))


def whole_lines(source: Source, node: ast.expr) -> Edit:
    """The edit that takes a decorator out, with the lines it stands on."""
    last = node.end_lineno or node.lineno
    return Edit(source.starts[node.lineno - 1], source.starts[last])
