"""Parsed files: the statements at the top of each, and the text that belongs to them.

A file is parsed once, however many steps are cut out of it.
"""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .machine_reads import new_each_time
from .names import Names, is_main_guard, is_type_checking
from .survey import Survey, aliases_of, survey
from .walk import names_of

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_AT_ONCE = {"__new__", "__init__", "__post_init__", "__init_subclass__", "__set_name__"}


@dataclass(eq=False)
class Statement:
    """A statement at the top of a file; an import of several names is several of them.

    Args:
        source: Its file.
        node: Its syntax tree.
        index: Its place in the file, in statements.
        alias: Which name of an import, else ``None``.
    """

    source: Source
    node: ast.stmt
    index: int
    alias: ast.alias | None = None
    _names: dict[frozenset[ast.expr], Names] = field(default_factory=dict, repr=False)
    _surveys: dict[frozenset[ast.expr], Survey] = field(default_factory=dict, repr=False)

    def names(self, skip: frozenset[ast.expr] = frozenset()) -> Names:
        """What it binds and uses, without some decorators."""
        if skip not in self._names:
            self._names[skip] = names_of(self._analysed, skip=skip)
        return self._names[skip]

    def survey(self, package: str, skip: frozenset[ast.expr] = frozenset()) -> Survey:
        """Its facts, without some decorators."""
        if skip not in self._surveys:
            self._surveys[skip] = survey(self.source, [self._analysed], package, skip)
        return self._surveys[skip]

    @property
    def _analysed(self) -> ast.stmt:
        if self.alias is None:
            return self.node
        one: ast.Import | ast.ImportFrom
        if isinstance(self.node, ast.ImportFrom):
            one = ast.ImportFrom(self.node.module, [self.alias], self.node.level)
        else:
            one = ast.Import([self.alias])
        return ast.copy_location(one, self.node)

    @property
    def whole_module(self) -> str:
        """The module of ``import a.b``, which binds ``a`` and brings ``a.b``, or ``""``."""
        plain = isinstance(self.node, ast.Import) and self.alias and not self.alias.asname
        return self.alias.name if plain and self.alias else ""

    @property
    def binds(self) -> dict[str, None]:
        """The names that it binds in the module."""
        return self.names().binds

    @cached_property
    def decorators(self) -> tuple[ast.expr, ...]:
        """Its decorators, and those in the body of a class."""
        return tuple(_decorators(self.node))

    @cached_property
    def relative_imports(self) -> tuple[ast.ImportFrom, ...]:
        """The relative imports in it."""
        return tuple(
            node for node in ast.walk(self.node) if isinstance(node, ast.ImportFrom) and node.level
        )

    @cached_property
    def differs(self) -> str:
        """The call that gives what it assigns another value each time, or ``""``."""
        assigns = isinstance(self.node, ast.Assign | ast.AnnAssign)
        return new_each_time(self.node) if assigns else ""

    @cached_property
    def conditional(self) -> bool:
        """Whether running it may leave a name that it binds as it was."""
        return not isinstance(
            self.node,
            Definition | ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom,
        )

    def replaces(self, name: str) -> bool:
        """Whether the name's value before it plays no part after it."""
        if self.conditional or name not in self.binds or name in self.names().eager:
            return False
        # ``import a.b`` and ``import a.c`` both bind ``a``.
        return "." not in self.whole_module


@dataclass(eq=False)
class Source:
    """A file, or a cell of a notebook.

    Args:
        filename: As code objects name it.
        lines: Its text.
    """

    filename: str
    lines: Sequence[str]
    _aliases: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    before: tuple[Source, ...] = ()
    """The other cells of a notebook, whose imports hold here too."""
    has_run: bool = True
    """Whether a cell is known to have run in the namespace of the step."""

    @cached_property
    def text(self) -> str:
        """The whole text, each line ended by ``\\n``."""
        return "".join(self.lines)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree.

        Raises:
            SyntaxError: If it is no Python.
        """
        return ast.parse(self.text)

    def aliases(self, package: str) -> Mapping[str, str]:
        """What the names of its imports stand for; ``package`` resolves relative ones."""
        if package not in self._aliases:
            self._aliases[package] = aliases_of(self.tree, package)
        if not self.before:
            return self._aliases[package]
        others = {k: v for one in self.before for k, v in aliases_of(one.tree, package).items()}
        return {**others, **self._aliases[package]}

    @cached_property
    def constants(self) -> Mapping[str, ast.expr]:
        """The expressions of names at the top that are assigned once."""
        assigned: dict[str, list[ast.expr]] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        assigned.setdefault(target.id, []).append(node.value)
        return {name: values[0] for name, values in assigned.items() if len(values) == 1}

    @cached_property
    def postponed(self) -> bool:
        """Whether ``from __future__ import annotations`` stands in it."""
        return any(
            isinstance(node, ast.ImportFrom)
            and node.module == "__future__"
            and any(alias.name == "annotations" for alias in node.names)
            for node in self.tree.body
        )

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """All that runs when the file is imported."""
        made: list[Statement] = []
        for node in self.tree.body:
            if _never_carried(node):
                continue
            aliases: list[ast.alias | None] = [None]
            if isinstance(node, ast.Import | ast.ImportFrom):
                aliases = [*node.names]
            for alias in aliases:
                made.append(Statement(self, node, len(made), alias))
        return tuple(made)

    @cached_property
    def guarded(self) -> Mapping[str, int]:
        """Names bound only for a script or a type checker, with their lines."""
        return {
            name: node.lineno
            for node in self.tree.body
            if isinstance(node, ast.If) and _never_carried(node)
            for name in names_of(*node.body).binds
        }

    @cached_property
    def from_house(self) -> frozenset[str]:
        """Names that imports of lokki_tf bind anywhere in it, inside functions too."""
        return frozenset(
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
            if (getattr(node, "module", None) or alias.name).partition(".")[0] == "lokki_tf"
        )

    @cached_property
    def code_nodes(self) -> Mapping[tuple[int, str], list[ast.AST]]:
        """From first line and name, as code objects have them, to functions and lambdas."""
        found: dict[tuple[int, str], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                found.setdefault((first, node.name), []).append(node)
            elif isinstance(node, ast.Lambda):
                found.setdefault((node.lineno, "<lambda>"), []).append(node)
        return found

    @cached_property
    def by_node(self) -> Mapping[ast.AST, Statement]:
        """From a statement's syntax tree to the statement."""
        return {s.node: s for s in self.statements if s.alias is None}

    @cached_property
    def bound_in(self) -> Mapping[str, tuple[int, ...]]:
        """From each name to the statements that bind or change it, in order."""
        found: dict[str, list[int]] = {}
        for statement in self.statements:
            for name in (*statement.binds, *statement.names().changes):
                found.setdefault(name, []).append(statement.index)
            for name in self._registered_by(statement):
                found.setdefault(name, []).append(statement.index)
        return {name: tuple(sorted(set(indexes))) for name, indexes in found.items()}

    # --- functions that write to what stands beside them ----------------------------

    @cached_property
    def definitions(self) -> Mapping[str, Statement]:
        """Its functions and classes by name, the last of each name."""
        return {s.node.name: s for s in self.statements if isinstance(s.node, Definition)}

    def written_by(self, name: str) -> set[str]:
        """The module's names that calling one of its functions or classes binds or changes."""
        written: set[str] = set()
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            current = waiting.pop()
            definition = self.definitions.get(current)
            if definition is None or current in seen:
                continue
            seen.add(current)
            names = definition.names()
            if isinstance(definition.node, ast.ClassDef):
                body = definition.node.body
                names = names_of(*(one for one in body if getattr(one, "name", "") in _AT_ONCE))
            written |= names.writes
            waiting.extend(names.lazy)
        return written

    def _registered_by(self, statement: Statement) -> set[str]:
        """``@register def f`` changes the table that ``register`` writes to."""
        node = statement.node
        callees: set[str] = set()
        if isinstance(node, Definition):
            for decorator in node.decorator_list:
                callees |= names_of(decorator).used()
        elif not isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom):
            callees |= {name for name, chains in statement.names().calls.items() if () in chains}
        if isinstance(node, ast.ClassDef):
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            callees |= {base for base in bases if self._has_subclass_hook(base)}
        return {name for callee in callees for name in self.written_by(callee)}

    def _has_subclass_hook(self, base: str) -> bool:
        definition = self.definitions.get(base)
        return definition is not None and any(
            isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__"
            for node in getattr(definition.node, "body", ())
        )

    # --- text ---

    @cached_property
    def starts(self) -> list[int]:
        """The offset in the text of each line's beginning."""
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


_parsed: dict[str, tuple[list[str], Source]] = {}


def source_of(filename: str, module_globals: dict[str, Any] | None = None) -> Source | None:
    """The parsed file under a name that code objects use, or ``None`` if there is no source.

    Args:
        filename: A path, or a name such as ``<ipython-input-3-…>`` that linecache knows.
        module_globals: The module's names, whose loader may have the source.
    """
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, module_globals)
    if not lines and not (filename.endswith(".py") and os.path.isfile(filename)):
        return None
    known = _parsed.get(filename)
    if known is not None and (known[0] is lines or known[0] == lines):
        return known[1]
    # Lines as syntax trees count them: a form feed, for one, ends none.
    text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    ended = [f"{line}\n" for line in text.split("\n")]
    _parsed[filename] = lines, Source(filename, ended)
    return _parsed[filename][1]


def _never_carried(node: ast.stmt) -> bool:
    """Docstrings, blocks for scripts and for type checkers, imports from the future."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return True
    if not isinstance(node, ast.If):
        return False
    if is_type_checking(node.test):
        return not node.orelse
    return is_main_guard(node)


def _decorators(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, Definition):
        yield from node.decorator_list
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _decorators(inner)
