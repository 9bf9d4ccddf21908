"""The types for names and facts of code, which :mod:`.index` collects.

Names are grouped by the time of their lookup. *Eager* names are looked up when the statement runs,
*lazy* names when a function in it is called. Names in *annotations* are looked up unless the module
postpones annotations. *Quoted* names, in strings of annotations, are never looked up.

Facts describe other effects of code: imports, environment variables, files. A fact in a function
counts only if the function can be called (:func:`reached`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal as OneOf
from typing import NamedTuple

Chain = tuple[str, ...]
"""The attributes after a name: ``("sub", "f")`` for ``pkg.sub.f``, ``()`` for ``pkg``."""
When = OneOf["eager", "lazy", "annotation", "quoted"]
CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem"}
CHANGING |= {"remove", "discard", "clear", "appendleft", "sort", "reverse", "register"}
"""Methods that change the object that they are called on."""
ON_FIRST = {"next", "setattr", "delattr"}
"""Built-in functions that change their first argument."""
_WRITING = {"=", "+=", "[]", "=.", *CHANGING, *ON_FIRST}
_DYNAMIC = {"globals", "eval", "exec"}


class Context(NamedTuple):
    """What the names of a module refer to.

    ``aliases`` are the names that imports bind, with full names. ``constants`` are the names that
    are assigned once, with their expressions. Relative imports are relative to ``package``.
    """

    aliases: Mapping[str, str] = {}
    constants: Mapping[str, ast.expr] = {}
    package: str = ""


@dataclass(slots=True)
class Use:
    """The uses of one name: the line of the first use, and the attributes after the name."""

    line: int
    chains: set[Chain] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Fact:
    """An effect of code that names do not show.

    Args:
        kind: ``import``, or a kind from :mod:`.known`, such as ``variable`` or ``file``.
        what: The subject: the module, the environment variable, the call.
        line: The line in the file.
        function: The function that contains the code, ``""`` at the top of the module.
        optional: Whether the code may be skipped or handles the failure.
        names: For an import, the names that are imported from the module.
        path: For a file, the expression of the path.
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
    """A scope of Python code.

    ``bound`` contains the names that the scope binds, each with the ``order`` of its first binding.
    A scope of the kind ``types`` contains annotations, bases and type parameters.
    """

    kind: OneOf["module", "function", "class", "comprehension", "types"]
    parent: Scope | None = None
    bound: dict[str, int] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Mention:
    """One use of a name, or of an expression that does not begin with a name (then ``""``).

    ``order`` is the number of the mention in the walk, ``depth`` the number of outer functions.
    ``how`` is the kind of use. ``=``: the name is bound in the module. ``[]``, ``=.``, ``+=``,
    ``del``, ``@``, ``op`` or the name of a method: the value is or may be changed. ``()``: the
    value is called and the result is not used.
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
        """Whether the name is looked up in the module's namespace."""
        scope: Scope | None = self.scope
        # Names of a class are visible in its body and in annotations and bases in the body.
        near = self.scope.parent if self.scope.kind == "types" else None
        while scope is not None and scope.kind != "module" and self.name not in scope.globals:
            visible = scope.kind != "class" or scope in (self.scope, near)
            if visible and self.name in scope.bound:
                # A class body uses the module's name until it binds the name itself.
                early = scope is self.scope and scope.kind == "class"
                return early and scope.bound[self.name] >= self.order
            scope = scope.parent
        return True


@dataclass
class Code:
    """The names and facts of one or several statements."""

    eager: dict[str, Use] = field(default_factory=dict)
    lazy: dict[str, Use] = field(default_factory=dict)
    annotation: dict[str, Use] = field(default_factory=dict)
    quoted: dict[str, Use] = field(default_factory=dict)
    binds: dict[str, None] = field(default_factory=dict)
    """The names that the code binds in the module, in order."""
    acts: list[Mention] = field(default_factory=list)
    """Mentions of global names that call or change the values of the names."""
    decorators: list[ast.expr] = field(default_factory=list)
    """The decorators of functions and classes at the top level."""
    classes: list[ast.ClassDef] = field(default_factory=list)
    """The classes at the top level."""
    dynamic: int = 0
    """The first line with dynamic access to names, such as ``eval``, or 0."""
    reads_eager: str = ""
    """A read of data of this computer, such as a file, when the code runs."""
    reads_lazy: str = ""
    """A read of data of the computer when functions in the code are called."""
    facts: list[Fact] = field(default_factory=list)
    mentions: dict[str, set[str]] = field(default_factory=lambda: {"": set()})
    """By function, the names in it. Methods and attributes begin with a dot."""
    dotted: dict[str, int] = field(default_factory=dict)
    """The full names of used attributes of imported modules, with their lines."""
    stored: set[str] = field(default_factory=set)
    """The names of attributes that are assigned or changed."""
    touched: set[str] = field(default_factory=set)
    """The first names, local ones too, of what is assigned to, deleted from or changed."""

    @cached_property
    def changes(self) -> dict[str, set[str]]:
        """The names with values that the code may change when it runs, with the kinds of use."""
        found: dict[str, set[str]] = {}
        for one in self.acts:
            if one.when == "eager" and one.how not in ("", "=", "()", "op"):
                found.setdefault(one.name, set()).add(one.how)
        return found

    @cached_property
    def writes(self) -> dict[str, int]:
        """Global names that functions of the code bind or change, with the depth of functions."""
        found: dict[str, int] = {}
        for one in self.acts:
            if one.when == "lazy" and one.how in _WRITING:
                found[one.name] = min(one.depth, found.get(one.name, one.depth))
        return found

    @property
    def rebinds(self) -> set[str]:
        """Global names that functions of the code bind."""
        return {one.name for one in self.acts if one.when == "lazy" and one.how == "="}

    @cached_property
    def calls(self) -> dict[str, set[Chain]]:
        """Global names that the code calls when it runs."""
        found: dict[str, set[Chain]] = {}
        for one in self.acts:
            if one.when == "eager" and one.call:
                found.setdefault(one.name, set()).add(one.chain)
        return found

    def used(self) -> set[str]:
        """All names that may be looked up when the code runs or its functions are called."""
        return {*self.eager, *self.lazy, *self.annotation}

    def of(self, kind: str) -> list[Fact]:
        """The facts of one kind."""
        return [fact for fact in self.facts if fact.kind == kind]

    def enter(self, mention: Mention) -> None:
        """Add a mention of a global name."""
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
    """The first name of an expression, and the attributes directly after it.

    For ``a.b[0].c().d`` these are ``a`` and ``("b",)``. The result is ``None`` if the expression
    does not begin with a name.
    """
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
    """The absolute name of the module in ``from …module import`` with ``level`` dots."""
    if not level:
        return module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - level + 1]
    return ".".join((*kept, module) if module else kept)


def aliases_of(tree: ast.AST, package: str) -> Mapping[str, str]:
    """The names that imports anywhere in a file bind, with the full names of their values."""
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
    """The full name of an expression, by the names that imports bind.

    After ``import importlib as il``, that of ``il.import_module`` is ``importlib.import_module``.
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join((aliases.get(node.id, node.id), *reversed(parts)))


def reached(codes: Sequence[Code], start: Iterable[str]) -> list[set[str]]:
    """The functions of each code that may be called, found by comparing names.

    Code at the top level always runs. A function may be called if such code, or a function that may
    be called, mentions its name; a method if its name is mentioned as an attribute.
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
