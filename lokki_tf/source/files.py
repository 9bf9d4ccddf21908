"""Parse files and cells of notebooks, and find the text of their statements.

Each file is parsed once for all steps in it, and again only if its text has changed.
"""

from __future__ import annotations

import ast
import linecache
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Edit = tuple[int, int, str]
"""A replacement of a part of a file's text: the start and end offsets, and the new text."""
_MARKS = re.compile(r"#!|# ?%%|#.*coding[:=]")


@dataclass(eq=False)
class Source:
    """A file, or a cell of a notebook.

    Args:
        filename: The name of the file in code objects.
        lines: The lines of the text, each ended by ``\\n``.
        has_run: Whether a cell is known to have run in the namespace of the step.
    """

    filename: str
    lines: Sequence[str]
    has_run: bool = True

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.lines)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree. Raises ``SyntaxError`` if the text is not valid Python."""
        return ast.parse(self.text)

    @property
    def parses(self) -> bool:
        """Whether the text is valid Python."""
        with suppress(SyntaxError):
            return bool(self.tree)
        return False

    @cached_property
    def postponed(self) -> bool:
        """Whether the file contains ``from __future__ import annotations``."""
        future = (one for one in self.tree.body if is_future(one))
        return any(alias.name == "annotations" for one in future for alias in one.names)

    @cached_property
    def from_lokki(self) -> frozenset[str]:
        """Names that imports from lokki_tf bind in the file, including those in functions."""
        return frozenset(
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if (getattr(node, "module", None) or alias.name).partition(".")[0] == "lokki_tf"
        )

    @cached_property
    def code_nodes(self) -> Mapping[tuple[int, str], list[ast.AST]]:
        """Functions and lambdas by first line and name, which code objects contain."""
        found: dict[tuple[int, str], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                found.setdefault((first, node.name), []).append(node)
            elif isinstance(node, ast.Lambda):
                found.setdefault((node.lineno, "<lambda>"), []).append(node)
        return found

    # --- text -----------------------------------------------------------------------

    @cached_property
    def starts(self) -> list[int]:
        """The offset of the beginning of each line in the text."""
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts

    @cached_property
    def string_lines(self) -> set[int]:
        """Lines that begin inside a string."""
        lines: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno:
                lines.update(range(node.lineno + 1, node.end_lineno + 1))
        return lines

    def _offset(self, line: int, column: int) -> int:
        """The offset of a position in a syntax tree: a line from 1 and a column in bytes."""
        text = self.lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return self.starts[line - 1] + column

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """The offsets of the beginning and end of the node's text."""
        first = self._offset(node.lineno, node.col_offset)
        return first, self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def reach(self, node: ast.stmt) -> tuple[int, int]:
        """The offsets of a statement's text with its decorators and comments.

        Comments directly above the statement and at the end of its last line belong to it. Comments
        above the first import of a file do not, because they describe the file.
        """
        decorators = node.decorator_list if isinstance(node, Definition) else []
        line = min([node.lineno, *(d.lineno for d in decorators)])
        start, end = self.span(node)
        line_start = self.starts[line - 1]
        if line != node.lineno or not self.text[line_start:start].strip():
            start = self.starts[self._with_comments(node, line) - 1]
        line_end = self.starts[node.end_lineno or node.lineno]
        rest = self.text[end:line_end].lstrip()
        return start, line_end if not rest or rest.startswith("#") else end

    def _with_comments(self, node: ast.stmt, line: int) -> int:
        column, first = node.col_offset, line
        while first > 1:
            above = self.lines[first - 2]
            if not above[column:].startswith("#") or above[:column].strip():
                break
            if _MARKS.match(above[column:]) or first - 1 in self.string_lines:
                break
            first -= 1
        return line if first == 1 and isinstance(node, ast.Import | ast.ImportFrom) else first

    def edited(self, start: int, end: int, edits: Iterable[Edit]) -> str:
        """A part of the text with edits applied; of edits that overlap, only the first."""
        text, at = [], start
        for first, last, instead in sorted(set(edits), key=lambda edit: (edit[0], -edit[1])):
            if first >= at and last <= end:
                text += [self.text[at:first], instead]
                at = last
        return "".join((*text, self.text[at:end]))

    def without(self, decorators: Iterable[ast.expr]) -> list[Edit]:
        """The edits that remove decorators with their lines."""
        ends = ((one.lineno, one.end_lineno or one.lineno) for one in decorators)
        return [(self.starts[first - 1], self.starts[last], "") for first, last in ends]

    def unindented(self, node: Any) -> list[Edit]:
        """The edits that move a function to the left margin."""
        edits: list[Edit] = []
        margin = node.col_offset
        first = self.text.count("\n", 0, self.reach(node)[0]) + 1
        for line in range(first, (node.end_lineno or first) + 1):
            text = self.lines[line - 1]
            if line not in self.string_lines and not text[:margin].strip():
                at = self.starts[line - 1]
                edits.append((at, at + min(margin, len(text) - 1), ""))
        return edits


_parsed: dict[str, tuple[list[str], Source]] = {}


def source_of(filename: str, module_globals: dict[str, Any] | None = None) -> Source | None:
    """The parsed file with a name from code objects, or ``None`` if its source is not available."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, module_globals)
    if not lines and not (filename.endswith(".py") and os.path.isfile(filename)):
        return None
    known = _parsed.get(filename)
    if known is not None and (known[0] is lines or known[0] == lines):
        return known[1]
    # Split lines as the Python parser does, for which a form feed does not end a line.
    text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    _parsed[filename] = lines, Source(filename, [f"{line}\n" for line in text.split("\n")])
    return _parsed[filename][1]


def is_future(node: ast.AST) -> TypeGuard[ast.ImportFrom]:
    """Whether a statement is an import from ``__future__``."""
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def is_type_checking(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING``, which is false at run time."""
    return "TYPE_CHECKING" in (getattr(test, "attr", ""), getattr(test, "id", ""))


def is_main_guard(node: ast.AST) -> bool:
    """Whether a statement is ``if __name__ == "__main__":``."""
    return isinstance(node, ast.If) and any(
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and {"__name__", "__main__"}
        <= {getattr(part, "id", getattr(part, "value", None)) for part in ast.walk(test)}
        for test in ast.walk(node.test)
    )
