"""The user's modules: their names in a zip, and the statements that define each global name.

A :class:`Module` is a namespace with the statements that filled it: one file, or the cells of a
notebook, which share a namespace. The same name may have different values at different positions,
so :meth:`Module.making` returns the statements that define a name's value at a position.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from importlib.machinery import ModuleSpec, SourceFileLoader
from keyword import iskeyword
from pathlib import Path
from typing import Any, NamedTuple

from lokki_tf.model.cells import cell_label, is_cell

from .computer_reads import new_each_time
from .files import Definition, Source, is_future, is_main_guard, is_type_checking, source_of
from .index import index
from .names import Code, Context, absolute_name, aliases_of, full_name, root_of
from .origins import find_spec, imported, of_user
from .values import MISSING, is_lokki, is_step

NOTEBOOK, HANDLER, RUNTIME = "notebook", "lambda_function", "lokki_runtime"
PURE = {"debug", "info", "warning", "error", "critical", "exception", "log", "show", "head"}
PURE |= {"tail", "describe", "display", "plot", "print", "close", "join"}
PURE_STARTS = ("to_", "save", "dump", "write", "print")
"""Methods that only show something and do not change values that a result depends on."""
_CONFIGURING = {"seed", "use", "basicConfig", "filterwarnings", "simplefilter", "configure"}
_CONFIGURING_STARTS = ("set", "register", "manual_seed")
_AT_ONCE = {"__new__", "__init__", "__post_init__", "__init_subclass__", "__set_name__"}
_RANDOM = ("random.", "numpy.random.")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_STRICT = Definition | ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom


@dataclass(eq=False)
class Statement:
    """A statement at the top level of a module. An import of several names is split.

    Args:
        module: The module.
        source: The file.
        node: The syntax tree.
        at: The position among all statements of the module.
        alias: The name of an import, otherwise ``None``.
    """

    module: Module = field(repr=False)
    source: Source = field(repr=False)
    node: ast.stmt
    at: int
    alias: ast.alias | None = None
    _codes: dict[frozenset[ast.expr], Code] = field(default_factory=dict, repr=False)

    def code(self, skip: frozenset[ast.expr] = frozenset()) -> Code:
        """The names and facts of the statement, without those of some decorators."""
        if skip not in self._codes:
            node: ast.stmt = self.node
            if isinstance(node, ast.ImportFrom) and self.alias is not None:
                node = ast.ImportFrom(node.module, [self.alias], node.level)
            elif self.alias is not None:
                node = ast.Import([self.alias])
            node = ast.copy_location(node, self.node)
            self._codes[skip] = index(node, skip=skip, context=self.module.context)
        return self._codes[skip]

    @cached_property
    def binds(self) -> dict[str, None]:
        """The names that the statement binds, also for ``from module import *``."""
        if self.alias is None or self.alias.name != "*":
            return self.code().binds
        assert isinstance(self.node, ast.ImportFrom)
        return dict.fromkeys(starred(self.module.absolute(self.node)))

    @property
    def whole_module(self) -> str:
        """The module ``a.b`` for ``import a.b``, which binds only ``a``; ``""`` otherwise."""
        plain = isinstance(self.node, ast.Import) and self.alias and not self.alias.asname
        return self.alias.name if plain and self.alias else ""

    @cached_property
    def decorators(self) -> tuple[ast.expr, ...]:
        """The statement's decorators, and those in the body of a class."""
        return tuple(_decorators(self.node))

    @cached_property
    def differs(self) -> str:
        """The call in an assignment that returns another value each time, or ``""``."""
        assigns = isinstance(self.node, ast.Assign | ast.AnnAssign)
        return new_each_time(self.node) if assigns else ""

    def replaces(self, name: str) -> bool:
        """Whether the name's value after the statement is independent of the value before."""
        if not isinstance(self.node, _STRICT) or name in self.code().eager:
            return False
        return "." not in self.whole_module  # ``import a.b`` and ``import a.c`` both bind ``a``


class Module:
    """A namespace and the statements that filled it.

    Args:
        name: The module's name in a zip, with dots for packages.
        namespace: The current namespace; empty if the module is not imported yet.
        sources: The module's file, or the cells in the order in which they ran.
        package: The package that relative imports refer to.

    ``cache`` stores what other code computes from the statements.
    """

    def __init__(
        self, name: str, namespace: dict[str, Any], sources: tuple[Source, ...], package: str
    ) -> None:
        self.name, self.namespace, self.sources, self.package = name, namespace, sources, package
        self.cache: dict[Any, Any] = {}

    # --- files ----------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The module's file, for messages."""
        return cell_label(self.sources[0].filename, self.namespace) if self.sources else self.name

    @property
    def path(self) -> str:
        """The module's path in a zip."""
        is_package = self.package == self.name
        return self.name.replace(".", "/") + ("/__init__.py" if is_package else ".py")

    def absolute(self, node: ast.ImportFrom) -> str:
        """The absolute name of the module that names are imported from."""
        return absolute_name(self.package, node.level, node.module)

    # --- statements -----------------------------------------------------------------

    @cached_property
    def context(self) -> Context:
        """The values of the names that imports bind, and of constants."""
        aliases: dict[str, str] = {}
        constants: dict[str, ast.expr] = {}
        for source in self.sources:
            aliases |= aliases_of(source.tree, self.package)
            values: dict[str, list[ast.expr]] = {}
            for node in source.tree.body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    for one in node.targets if isinstance(node, ast.Assign) else [node.target]:
                        values.setdefault(getattr(one, "id", ""), []).append(node.value)
            constants |= {name: found[0] for name, found in values.items() if len(found) == 1}
        return Context(aliases, constants, self.package)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The statements that run when the module is imported, in order."""
        made: list[Statement] = []
        for source in self.sources:
            for node in source.tree.body:
                if _never_runs(node):
                    continue
                aliases: list[ast.alias | None] = [None]
                if isinstance(node, ast.Import | ast.ImportFrom):
                    aliases = [*node.names]
                for alias in aliases:
                    made.append(Statement(self, source, node, len(made), alias))
        return tuple(made)

    @property
    def end(self) -> int:
        """The position after the last statement."""
        return len(self.statements)

    @cached_property
    def code(self) -> Code:
        """The combined facts and mentions of all statements."""
        whole = Code()
        for code in (statement.code() for statement in self.statements):
            whole.facts += code.facts
            whole.stored |= code.stored
            whole.dotted = {**code.dotted, **whole.dotted}
            for function, mentioned in code.mentions.items():
                whole.mentions.setdefault(function, set()).update(mentioned)
        return whole

    @cached_property
    def by_node(self) -> Mapping[ast.AST, Statement]:
        """The statements by their syntax trees."""
        return {one.node: one for one in self.statements if one.alias is None}

    @cached_property
    def definitions(self) -> Mapping[str, Statement]:
        """The statements of functions and classes by name, the last one for each name."""
        return {s.node.name: s for s in self.statements if isinstance(s.node, Definition)}

    @cached_property
    def postponed(self) -> bool:
        """Whether annotations are not evaluated."""
        return any(source.postponed for source in self.sources)

    @cached_property
    def dynamic(self) -> bool:
        """Whether the module accesses names dynamically, for example with ``eval``."""
        return any(s.code().dynamic or "__getattr__" in s.binds for s in self.statements)

    @cached_property
    def defines_classes(self) -> bool:
        """Whether instances of the module's classes may be pickled with the module's name."""
        own = self.namespace.get("__name__")
        made = (isinstance(v, type) and v.__module__ == own for v in self.namespace.values())
        trees = (node for source in self.sources for node in ast.walk(source.tree))
        return any(made) or any(isinstance(node, ast.ClassDef) for node in trees)

    @property
    def is_outdated(self) -> bool:
        """Whether the file was edited after the import, judging by the lines of functions."""
        functions = (v for v in self.namespace.values() if isinstance(v, types.FunctionType))
        own = (one.__code__ for one in functions if one.__globals__ is self.namespace)
        found = (self.definition_at(code) for code in own if not code.co_filename.startswith("<"))
        return any(one is not None and not one[1] for one in found)

    def definition_at(self, code: types.CodeType) -> tuple[Source, list[ast.AST]] | None:
        """The file of a code object, and the functions that begin at its first line."""
        for source in self.sources:
            if source.filename == code.co_filename:
                key = (code.co_firstlineno, code.co_name)
                return source, source.code_nodes.get(key, [])
        return None

    # --- names ----------------------------------------------------------------------

    @cached_property
    def _about(self) -> Mapping[str, list[Statement]]:
        """By name, the statements that bind or change it, in order."""
        found: dict[str, dict[Statement, None]] = {}
        for statement in self.statements:
            names = *statement.binds, *statement.code().changes, *self._registered_by(statement)
            for name in (*names, *self._drawn_from(statement)):
                found.setdefault(name, {})[statement] = None
        return {name: list(statements) for name, statements in found.items()}

    def binds(self, name: str) -> bool:
        """Whether a statement of the module binds or changes the name."""
        return name in self._about

    @cached_property
    def _guarded(self) -> Mapping[str, int]:
        nodes = (node for source in self.sources for node in source.tree.body)
        blocks = (one for one in nodes if isinstance(one, ast.If) and _never_runs(one))
        return {name: node.lineno for node in blocks for name in index(*node.body).binds}

    def guarded(self, name: str) -> int | None:
        """The line in a block for scripts or type checkers that binds a name, or ``None``."""
        return self._guarded.get(name)

    def making(self, name: str, before: int) -> list[Statement]:
        """The statements that define the value of a name at a position, in order."""
        making: list[Statement] = []
        binding = False
        for statement in reversed(self._about.get(name, ())):
            if statement.at >= before or not self._matters(statement, name):
                continue
            binds = name in statement.binds
            if binds and not making and not self._is_current(statement, name, before):
                continue
            making.append(statement)
            binding = binding or binds
            if binds and statement.replaces(name):
                break
        return making[::-1] if binding else []

    def _matters(self, statement: Statement, name: str) -> bool:
        if name in statement.binds:
            return True
        hows = statement.code().changes.get(name, {"registered"})
        hows = hows | {"registered"} if name in self._drawn_from(statement) else hows
        value = self.namespace.get(name)
        if "@" in hows and (is_step(value) or not is_lokki(value)):
            return True
        if hows & {"=.", "[]", "del", "+=", "registered", "next", "setattr", "delattr"}:
            return True
        if isinstance(value, types.ModuleType):
            # A call of an imported module's function matters only if it configures the module.
            return any(how in _CONFIGURING or how.startswith(_CONFIGURING_STARTS) for how in hows)
        return any(how != "@" and not is_pure(how) for how in hows)

    def _is_current(self, statement: Statement, name: str, before: int) -> bool:
        """Whether a cell defines the current value of a name. Cells may run in any order."""
        if len(self.sources) == 1 or before < self.end:
            return True
        value, node = self.namespace.get(name, MISSING), statement.node
        code = getattr(getattr(value, "__wrapped__", value), "__code__", None)
        if isinstance(node, Definition) and isinstance(value, type):
            functions = (getattr(member, "__code__", None) for member in vars(value).values())
            files = {one.co_filename for one in functions if one is not None}
            files &= {source.filename for source in self.sources}  # ignore methods added by enum
            return not files or statement.source.filename in files
        if isinstance(node, Definition) and code is not None:
            return bool(code.co_filename == statement.source.filename)
        plain = type(value) in (bool, int, float, str, bytes, type(None))
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and plain:
            with suppress(ValueError, TypeError, SyntaxError):
                written = ast.literal_eval(node.value)
                return type(written) is type(value) and bool(written == value)
        return True

    # --- functions that write to other names ----------------------------------------

    def written_by(self, name: str, depth: int = 99) -> set[str]:
        """The global names that a call of a function or class of the module binds or changes.

        Args:
            name: The function or class.
            depth: The depth of nested functions that the call runs at once.
        """
        written: set[str] = set()
        waiting, seen = [(name, depth)], {name}
        while waiting:
            current, deep = waiting.pop()
            definition = self.definitions.get(current)
            if definition is None:
                continue
            code = definition.code()
            if isinstance(definition.node, ast.ClassDef):
                body = definition.node.body
                code = index(*(one for one in body if getattr(one, "name", "") in _AT_ONCE))
            written |= {one for one, at in code.writes.items() if at <= deep}
            new = [(one, deep) for one in code.lazy if one not in seen]
            seen.update(code.lazy)
            waiting += new
        return written

    def _registered_by(self, statement: Statement) -> set[str]:
        """The names that a statement changes by calling a function or applying a decorator."""
        node, code = statement.node, statement.code()
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom):
            return set()
        callees = {name for name, chains in code.calls.items() if () in chains}
        if isinstance(node, Definition):
            callees = {name for one in node.decorator_list for name in index(one).used()}
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            name = getattr(base, "id", "")
            known = self.definitions.get(name)
            body = getattr(known.node, "body", ()) if known is not None else ()
            if any(getattr(one, "name", "") == "__init_subclass__" for one in body):
                callees.add(name)
        return {name for callee in callees for name in self.written_by(callee)}

    def _drawn_from(self, statement: Statement) -> set[str]:
        """The names whose values a statement changes by using them, though it may bind others.

        These are iterators, random generators, objects whose method changes them, and arguments
        that a function changes.
        """
        key = "drawn", statement
        if key not in self.cache:
            found: set[str] = set()
            if statement.alias is None and not isinstance(statement.node, Definition):
                found.update(*(self._changed_by(call) for call in _calls_in(statement.node)))
                for name in statement.code().eager:
                    value = self.namespace.get(name)
                    if isinstance(value, Iterator) and not is_lokki(value):
                        found.add(name)
            self.cache[key] = found
        drawn: set[str] = self.cache[key]
        return drawn

    @cached_property
    def _seeds(self) -> bool:
        """Whether the module sets the state of random generators."""
        return any("seed" in how for one in self.statements for how in one.code().changes.values())

    def _changed_by(self, call: ast.Call, own: str = "", kind: type | None = None) -> set[str]:
        """The names whose values a call changes; in a method, ``own`` has the class ``kind``."""
        name, chain = root_of(call.func) or ("", ())
        full = full_name(call.func, self.context.aliases)
        if not name or not isinstance(call.func, ast.Name | ast.Attribute):
            return set()
        if full.startswith(_RANDOM) and self._seeds:
            return {name}
        value, given = self.namespace.get(name, MISSING), [*call.args]
        if kind is not None and name == own and len(chain) == 1:
            target = inspect.getattr_static(kind, chain[0], None)
            given.insert(0, ast.Name(name))
        elif len(chain) == 1 and not isinstance(value, types.ModuleType):
            if type(value).__module__.startswith(("random", "numpy.random")):
                return {name}
            target = inspect.getattr_static(type(value), chain[0], None)
            given.insert(0, ast.Name(name))
        else:
            target = vars(value).get(chain[0]) if chain and hasattr(value, "__dict__") else value
        if not isinstance(target, types.FunctionType) or is_step(target):
            return set()
        found = defined(target)
        node: Any = found.node if found is not None else None
        if found is None or not isinstance(node, _FUNCTIONS):
            return set()
        parameters = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        bound = dict(zip(parameters, given, strict=False))
        bound |= {one.arg: one.value for one in call.keywords if one.arg is not None}
        owner = kind if kind is not None and name == own else type(value)
        roots = (root_of(bound[one]) for one in found.module._touches(node, owner) & bound.keys())
        return {root[0] for root in roots if root is not None}

    def _touches(self, node: Any, kind: type) -> set[str]:
        """The names, local ones too, whose values a function of the module changes."""
        key = "touches", node, kind
        if key not in self.cache:
            self.cache[key] = set()  # for functions that call themselves
            own = next((one.arg for one in (*node.args.posonlyargs, *node.args.args)), "")
            calls = [call for one in node.body for call in _calls_in(one)]
            inner = (self._changed_by(call, own, kind) for call in calls)
            self.cache[key] = index(node).touched.union(*inner)
        touched: set[str] = self.cache[key]
        return touched


def _calls_in(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that running a statement may make, without those of functions in it."""
    if isinstance(node, ast.Call):
        yield node
    for one in ast.iter_child_nodes(node):
        if not isinstance(one, (*_FUNCTIONS, ast.Lambda)):
            yield from _calls_in(one)


def is_pure(method: str) -> bool:
    """Whether a method only shows something."""
    return method in PURE or method.startswith(PURE_STARTS)


def starred(name: str) -> list[str]:
    """The names that ``from name import *`` binds, for the module with the given name."""
    module = imported(name)
    if module is not None:
        given = getattr(module, "__all__", None)
        own = [one for one in vars(module) if not one.startswith("_")]
        return own if given is None else list(given)
    other = user_module(name)
    return [one for one in other._about if not one.startswith("_")] if other else []


def _never_runs(node: ast.stmt) -> bool:
    """Whether a statement has no effect: docstrings, blocks for scripts and type checkers."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if is_future(node) or is_main_guard(node):
        return True
    return isinstance(node, ast.If) and is_type_checking(node.test) and not node.orelse


def _decorators(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, Definition):
        yield from node.decorator_list
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _decorators(inner)


# --- finding modules ------------------------------------------------------------------


_made: dict[tuple[int, str, tuple[Source, ...]], Module] = {}
_MOST = 1_000
_NOT_IMPORTED: dict[str, Any] = {}


def _module(
    name: str, namespace: dict[str, Any], sources: tuple[Source, ...], package: str
) -> Module:
    """The module of a namespace, cached for all steps in a file."""
    key = id(namespace), name, sources
    known = _made.get(key)
    if known is None or known.namespace is not namespace or known.package != package:
        if len(_made) >= _MOST:
            _made.clear()
        known = _made[key] = Module(name, namespace, sources, package)
    return known


def module_of(function: types.FunctionType) -> Module | None:
    """The module that defines a function, or ``None`` if its source is not available."""
    return _of_namespace(function.__globals__, function.__code__.co_filename)


class Defined(NamedTuple):
    """The definition of a function: module, file, syntax tree and top-level statement."""

    module: Module
    source: Source
    node: ast.AST
    statement: Statement | None

    @property
    def code(self) -> Code:
        """The names and facts of the function."""
        if self.statement is not None:
            return self.statement.code()
        return index(self.node, context=self.module.context)


def defined(function: types.FunctionType) -> Defined | None:
    """The definition of a user's function, or ``None`` if it is not found or not unique."""
    module = module_of(function) if of_user(function) else None
    found = module.definition_at(function.__code__) if module is not None else None
    if module is None or found is None or len(found[1]) != 1:
        return None
    [node] = found[1]
    return Defined(module, found[0], node, module.by_node.get(node))


def module_of_class(kind: type) -> Module | None:
    """The module that defines a class, or ``None`` if it is not a user's class."""
    if not of_user(kind):
        return None
    if kind.__module__ != "__main__":
        return user_module(kind.__module__)
    names = vars(sys.modules["__main__"])
    return _of_namespace(names, names.get("__file__") or "")


def _of_namespace(names: dict[str, Any], filename: str) -> Module | None:
    own = source_of(filename, names) if filename else None
    if own is not None and Path(filename).exists() and not is_cell(filename):
        return _module(true_name(names, filename), names, (own,), _package(names))
    if own is None and filename:
        return None
    name = names.get("__name__")
    named = isinstance(name, str) and name not in ("__main__", "builtins")
    return _module(str(name) if named else NOTEBOOK, names, _cells(filename, names), "")


def _cells(filename: str, names: dict[str, Any]) -> tuple[Source, ...]:
    """The cells that share a namespace, in the order in which each last ran."""
    found = dict.fromkeys((filename,))
    if is_cell(filename) or not filename:
        found = dict.fromkeys(filter(is_cell, linecache.cache))
    own: set[str] = {filename}
    for value in list(names.values()):
        for function in (value, getattr(value, "__wrapped__", None)):
            if isinstance(function, types.FunctionType) and function.__globals__ is names:
                found.setdefault(function.__code__.co_filename)
                own.add(function.__code__.co_filename)
    sources = [source for source in map(source_of, found) if source and source.parses]
    history = names.get("In")
    if isinstance(history, list):
        ran = {str(text).strip(): number for number, text in enumerate(history)}
        sources.sort(key=lambda source: ran.get(source.text.strip(), -1))
        for source in sources:  # linecache contains the cells of all namespaces
            source.has_run = source.filename in own or source.text.strip() in ran
    return tuple(sources)


def true_name(names: Mapping[str, Any], filename: str) -> str:
    """The module name that pickled instances of the module's classes contain, in all functions.

    The name of a script is that of its file: ``pipeline`` for ``pipeline.py``.
    """
    name, spec = names.get("__name__"), names.get("__spec__")
    if name == "__main__" and isinstance(spec, ModuleSpec):  # python -m package.module
        return spec.name
    scripts = name in ("__main__", "builtins", None)
    parts = str(name).split(".")
    if not scripts and all(part.isidentifier() and not iskeyword(part) for part in parts):
        return str(name)
    stem = re.sub(r"\W", "_", Path(filename).stem)
    if not stem.isidentifier():
        stem = f"_{stem}"
    taken = stem in sys.stdlib_module_names or stem in (HANDLER, RUNTIME, "boto3", "botocore")
    return f"{stem}_" if taken or iskeyword(stem) else stem


def _package(names: Mapping[str, Any]) -> str:
    package, name = names.get("__package__"), names.get("__name__")
    if isinstance(package, str) and package:
        return package
    if not isinstance(name, str):
        return ""
    return name if "__path__" in names else name.rpartition(".")[0]


def user_module(name: str) -> Module | None:
    """A user's module, imported or not, or ``None`` for other modules and without source."""
    module = imported(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        if file is None:
            return Module(name, {}, (), name) if hasattr(module, "__path__") else None
        source = source_of(file, vars(module))
        return _module(name, vars(module), (source,), _package(vars(module))) if source else None
    spec = find_spec(name)
    if spec is None:
        return None
    if not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return Module(name, {}, (), name) if spec.submodule_search_locations else None
    source = source_of(spec.origin)
    package = name if spec.submodule_search_locations else name.rpartition(".")[0]
    return _module(name, _NOT_IMPORTED, (source,), package) if source else None
