"""Names and facts of code, as :mod:`.index` finds them.

Names are distinguished by when they are looked up: *eager* ones when the statement itself runs,
*lazy* ones when a function in it is called, *annotations* only where the module does not postpone
them, and *quoted* ones, inside strings of annotations, never. Facts are what names do not show:
imports, variables of the environment, files. A fact of a function counts only where that function
is reached (:func:`reached`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal as OneOf
from typing import NamedTuple

Chain = tuple[str, ...]
"""The attributes taken of a name: ``("sub", "f")`` for ``pkg.sub.f``, ``()`` for ``pkg``."""
When = OneOf["eager", "lazy", "annotation", "quoted"]
CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem"}
CHANGING |= {"remove", "discard", "clear", "appendleft", "sort", "reverse", "register"}
"""Methods that change the object that they are called on."""
ON_FIRST = {"next", "setattr", "delattr"}
"""Functions of Python's that change their first argument."""
_WRITING = {"=", "+=", "[]", "=.", *CHANGING, *ON_FIRST}
_DYNAMIC = {"globals", "eval", "exec"}


class Context(NamedTuple):
    """What the names of a module refer to.

    ``aliases`` are names that imports bind, ``constants`` those that are assigned once; relative
    imports are relative to ``package``.
    """

    aliases: Mapping[str, str] = {}
    constants: Mapping[str, ast.expr] = {}
    package: str = ""


@dataclass(slots=True)
class Use:
    """The uses of one name: the line of the first, and what is taken of it."""

    line: int
    chains: set[Chain] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that code does.

    Args:
        kind: ``import``, or what :mod:`.known` finds in calls: ``variable``, ``file``.
        what: Its subject: a module, a variable, the call.
        line: Line of the file.
        function: The function that does it, ``""`` if it is done at import.
        optional: Whether the code expects that it may fail or not be done.
        names: Of an import, the names that are imported from the module.
        path: Of a file, the expression of its path.
    """

    kind: str
    what: str
    line: int
    function: str = ""
    optional: bool = False
    names: tuple[str, ...] = ()
    path: ast.expr | None = None


@dataclass(slots=True, eq=False)
class Scope:
    """A scope, and the names it binds with a count of when.

    ``types`` is where annotations, bases and type parameters are evaluated.
    """

    kind: OneOf["module", "function", "class", "comprehension", "types"]
    parent: Scope | None = None
    bound: dict[str, int] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Mention:
    """One place where a name is used; the name is ``""`` for what no name leads to.

    ``order`` counts all mentions, and ``depth`` the functions around it. ``how`` says how the
    value is used: ``=`` is bound for the module; ``[]``, ``=.``, ``+=``, ``del``, ``@``, ``op`` or
    a method's name where it is or may be changed; ``()`` is called, and the result not used.
    """

    scope: Scope
    name: str
    chain: Chain
    line: int
    order: int
    when: When
    how: str
    call: bool
    depth: int

    def is_global(self) -> bool:
        """Whether the name is the module's."""
        scope: Scope | None = self.scope
        # A class's names are seen by its own body, and by annotations and bases in it.
        near = self.scope.parent if self.scope.kind == "types" else None
        while scope is not None and scope.kind != "module" and self.name not in scope.globals:
            visible = scope.kind != "class" or scope in (self.scope, near)
            if visible and self.name in scope.bound:
                # A class body finds the module's name while its own is not bound yet.
                early = scope is self.scope and scope.kind == "class"
                return early and scope.bound[self.name] >= self.order
            scope = scope.parent
        return True


@dataclass
class Code:
    """The names and facts of some code."""

    eager: dict[str, Use] = field(default_factory=dict)
    lazy: dict[str, Use] = field(default_factory=dict)
    annotation: dict[str, Use] = field(default_factory=dict)
    quoted: dict[str, Use] = field(default_factory=dict)
    binds: dict[str, None] = field(default_factory=dict)
    """Names that it binds in the module, in order."""
    acts: list[Mention] = field(default_factory=list)
    """Mentions of global names that call or change what they refer to."""
    decorators: list[ast.expr] = field(default_factory=list)
    """The decorators of functions and classes at the top."""
    classes: list[ast.ClassDef] = field(default_factory=list)
    """The classes at the top."""
    dynamic: int = 0
    """Line at which it reaches for names that cannot be seen, or 0."""
    reads_eager: str = ""
    """What it reads of this machine when it runs: a file for example."""
    reads_lazy: str = ""
    """What its functions read of the machine that they are called on."""
    facts: list[Fact] = field(default_factory=list)
    mentions: dict[str, set[str]] = field(default_factory=lambda: {"": set()})
    """By function, the names in it; methods and attributes begin with a dot."""
    dotted: dict[str, int] = field(default_factory=dict)
    """Attributes of imported modules by their full names, with their lines."""
    stored: set[str] = field(default_factory=set)
    """Names of attributes that are assigned or changed."""

    @cached_property
    def changes(self) -> dict[str, set[str]]:
        """Names whose value it may change when it runs, and how."""
        found: dict[str, set[str]] = {}
        for one in self.acts:
            if one.when == "eager" and one.how not in ("", "=", "()", "op"):
                found.setdefault(one.name, set()).add(one.how)
        return found

    @cached_property
    def writes(self) -> dict[str, int]:
        """Global names that its functions bind or change, and how deep in functions."""
        found: dict[str, int] = {}
        for one in self.acts:
            if one.when == "lazy" and one.how in _WRITING:
                found[one.name] = min(one.depth, found.get(one.name, one.depth))
        return found

    @property
    def rebinds(self) -> set[str]:
        """Global names that its functions bind."""
        return {one.name for one in self.acts if one.when == "lazy" and one.how == "="}

    @cached_property
    def calls(self) -> dict[str, set[Chain]]:
        """Global names that it calls when it runs."""
        found: dict[str, set[Chain]] = {}
        for one in self.acts:
            if one.when == "eager" and one.call:
                found.setdefault(one.name, set()).add(one.chain)
        return found

    def used(self) -> set[str]:
        """Every name that running or calling it may look up."""
        return {*self.eager, *self.lazy, *self.annotation}

    def of(self, kind: str) -> list[Fact]:
        """The facts of a kind."""
        return [fact for fact in self.facts if fact.kind == kind]

    def enter(self, mention: Mention) -> None:
        """Note a mention of one of the module's names."""
        name, line = mention.name, mention.line
        if name:
            uses: dict[str, Use] = getattr(self, mention.when)
            use = uses.setdefault(name, Use(line))
            use.line = min(use.line, line)
            use.chains.add(mention.chain)
        if mention.how or mention.call:
            self.acts.append(mention)
        if name in _DYNAMIC and not self.dynamic:
            self.dynamic = line


def root_of(node: ast.expr) -> tuple[str, Chain] | None:
    """The name that ``a.b[0].c().d`` starts with, and the attributes up to what is no name."""
    chain: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            chain.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript | ast.Call):
            chain.clear()
            node = node.value if isinstance(node, ast.Subscript) else node.func
        else:
            return None
    return node.id, tuple(reversed(chain))


def absolute_name(package: str, level: int, module: str | None) -> str:
    """The absolute name of the module of ``from …module import`` with ``level`` dots."""
    if not level:
        return module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - level + 1]
    return ".".join((*kept, module) if module else kept)


def aliases_of(tree: ast.AST, package: str) -> Mapping[str, str]:
    """From the names that imports bind, anywhere in a file, to what they refer to."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            module = absolute_name(package, node.level, node.module)
            found |= {a.asname or a.name: f"{module}.{a.name}" for a in node.names}
    return found


def full_name(node: ast.expr, aliases: Mapping[str, str]) -> str:
    """``importlib.import_module`` for ``il.import_module`` after ``import importlib as il``."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join((aliases.get(node.id, node.id), *reversed(parts)))


def reached(codes: Sequence[Code], start: Iterable[str]) -> list[set[str]]:
    """The functions of each code that may be called, by names alone.

    All code at the top is reached, and what it mentions; of functions those that reached code
    mentions, of methods those whose name it mentions as an attribute.
    """
    known = set(start)
    found: list[set[str]] = [set() for _ in codes]
    changed = True
    while changed:
        changed = False
        for code, functions in zip(codes, found, strict=True):
            for function, mentioned in code.mentions.items():
                if function not in functions and _is_reached(function, known):
                    functions.add(function)
                    known |= mentioned
                    changed = True
    return found


def _is_reached(function: str, known: set[str]) -> bool:
    owner, _, name = function.rpartition(".")
    special = function in ("", "<lambda>") or name.startswith("__")
    return special or (f".{name}" if owner else name) in known
