"""The user's modules: under which name each travels, and which statements make a name.

A module here is a namespace with the statements that filled it: one file, or the cells of a
notebook, which share one namespace. Names are resolved by position: :meth:`Module.making`
gives the statements that made a name what it was before another statement ran.
"""

from __future__ import annotations

import ast
import re
import sys
import types
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.machinery import ModuleSpec, SourceFileLoader
from keyword import iskeyword
from pathlib import Path
from typing import Any

from lokki_tf.model.cells import is_cell

from .cells import cells_of
from .files import Definition, Source, Statement, source_of
from .origins import find_spec, imported, of_user
from .values import MISSING, is_house, is_step

NOTEBOOK = "notebook"
HANDLER = "lambda_function"
RUNTIME = "lokki_runtime"
PURE = {"debug", "info", "warning", "error", "critical", "exception", "log", "show", "head"}
PURE |= {"tail", "describe", "display", "plot", "print", "close", "join"}
PURE_STARTS = ("to_", "save", "dump", "write", "print")
_CONFIGURING = {"seed", "use", "basicConfig", "filterwarnings", "simplefilter", "configure"}
_CONFIGURING_STARTS = ("set", "register", "manual_seed")


class Module:
    """A namespace and the statements that filled it.

    Args:
        name: Its name in a zip, dots for packages.
        live: Its names as they are now; empty if it is not imported yet.
        sources: Its file, or its cells in the order in which they ran.
        package: What relative imports in it are relative to.

    ``pieces`` is where :mod:`.carry` keeps what it made of the statements.
    """

    def __init__(
        self, name: str, live: dict[str, Any], sources: tuple[Source, ...], package: str
    ) -> None:
        self.name = name
        self.live = live
        self.sources = sources
        self.package = package
        self.pieces: dict[Any, Any] = {}

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, in the order in which they ran."""
        return tuple(statement for source in self.sources for statement in source.statements)

    @cached_property
    def _first(self) -> Mapping[Source, int]:
        first, count = {}, 0
        for source in self.sources:
            first[source] = count
            count += len(source.statements)
        return first

    @cached_property
    def definitions(self) -> Mapping[str, Statement]:
        """Functions and classes by name, the last of each name."""
        return {name: one for source in self.sources for name, one in source.definitions.items()}

    def position(self, statement: Statement) -> int:
        """The place of a statement among all of them."""
        return self._first[statement.source] + statement.index

    @property
    def end(self) -> int:
        """The position behind the last statement."""
        return len(self.statements)

    @cached_property
    def postponed(self) -> bool:
        """Whether annotations are not evaluated."""
        return any(source.postponed for source in self.sources)

    @cached_property
    def dynamic(self) -> bool:
        """Whether names of it may be reached in ways that cannot be seen."""
        return any(s.names().dynamic or "__getattr__" in s.binds for s in self.statements)

    @cached_property
    def defines_classes(self) -> bool:
        """Whether instances of its classes may be pickled under its name."""
        own = self.live.get("__name__")
        made = (isinstance(v, type) and v.__module__ == own for v in self.live.values())
        trees = (node for source in self.sources for node in ast.walk(source.tree))
        return any(made) or any(isinstance(node, ast.ClassDef) for node in trees)

    @property
    def is_outdated(self) -> bool:
        """Whether its file was edited after it was imported, as far as its functions show."""
        functions = (v for v in self.live.values() if isinstance(v, types.FunctionType))
        own = (one.__code__ for one in functions if one.__globals__ is self.live)
        found = (self.definition_at(code) for code in own if not code.co_filename.startswith("<"))
        return any(one is not None and not one[1] for one in found)

    def binds(self, name: str) -> bool:
        """Whether a statement binds the name."""
        return any(name in source.bound_in for source in self.sources)

    def guarded(self, name: str) -> int | None:
        """The line where a name is bound that only scripts or type checkers see."""
        lines = (source.guarded.get(name) for source in self.sources)
        return next((line for line in lines if line), None)

    def making(self, name: str, before: int) -> list[Statement]:
        """The statements that make the name what it is at a position, in order.

        Args:
            name: A name of the module.
            before: A position; statements from there on have not run yet.
        """
        making: list[Statement] = []
        binding = False
        for statement in self._about(name, before):
            binds = name in statement.binds
            if binds and not making and not self._is_current(statement, name, before):
                continue
            making.append(statement)
            binding = binding or binds
            if binds and statement.replaces(name):
                break
        return making[::-1] if binding else []

    def _about(self, name: str, before: int) -> Iterator[Statement]:
        """The statements that bind or change the name, the last first."""
        for source in reversed(self.sources):
            for index in reversed(source.bound_in.get(name, ())):
                statement = source.statements[index]
                if self.position(statement) < before and self._matters(statement, name):
                    yield statement

    def _matters(self, statement: Statement, name: str) -> bool:
        if name in statement.binds:
            return True
        how = statement.names().changes.get(name, "registered")
        if how in ("=.", "[]", "@", "del", "+=", "registered"):
            value = self.live.get(name)
            return how != "@" or is_step(value) or not is_house(value)
        if isinstance(self.live.get(name), types.ModuleType):
            # A call of an imported module's function, only if it sets the module up.
            return how in _CONFIGURING or how.startswith(_CONFIGURING_STARTS)
        return how not in PURE and not how.startswith(PURE_STARTS)

    def _is_current(self, statement: Statement, name: str, before: int) -> bool:
        """Whether a cell's definition is still the live one; cells run in any order."""
        if len(self.sources) == 1 or before < self.end:
            return True
        value = self.live.get(name, MISSING)
        code = getattr(getattr(value, "__wrapped__", value), "__code__", None)
        if isinstance(statement.node, Definition) and isinstance(value, type):
            functions = (getattr(member, "__code__", None) for member in vars(value).values())
            files = {one.co_filename for one in functions if one is not None}
            files &= {source.filename for source in self.sources}  # not what enum and others add
            return not files or statement.source.filename in files
        if isinstance(statement.node, Definition) and code is not None:
            return bool(code.co_filename == statement.source.filename)
        if isinstance(statement.node, ast.Assign | ast.AnnAssign) and value is not MISSING:
            return _may_be(statement.node.value, value)
        return True

    def definition_at(self, code: types.CodeType) -> tuple[Source, list[ast.AST]] | None:
        """The file of a code object, and the functions that begin where it begins."""
        for source in self.sources:
            if source.filename == code.co_filename:
                key = (code.co_firstlineno, code.co_name)
                return source, source.code_nodes.get(key, [])
        return None


def _may_be(node: ast.expr | None, value: Any) -> bool:
    """Whether a literal expression could have given the value; true for all other ones."""
    if type(value) not in (bool, int, float, str, bytes, type(None)) or node is None:
        return True
    try:
        written = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return True
    return type(written) is type(value) and written == value


# --- finding modules ------------------------------------------------------------------


_made: dict[tuple[int, str, tuple[Source, ...]], Module] = {}
_MOST = 64


def _module(name: str, live: dict[str, Any], sources: tuple[Source, ...], package: str) -> Module:
    """The module of a namespace; what is known of it serves all steps of a file."""
    for source in sources if len(sources) > 1 else ():
        source.before = tuple(one for one in sources if one is not source)
    key = id(live), name, sources
    known = _made.get(key)
    if known is None or known.live is not live or known.package != package:
        if len(_made) >= _MOST:
            _made.clear()
        known = _made[key] = Module(name, live, sources, package)
    return known


def module_of(function: types.FunctionType) -> Module | None:
    """The module that a function was made in, or ``None`` if there is no source.

    Args:
        function: A plain function.
    """
    filename, names = function.__code__.co_filename, function.__globals__
    own = source_of(filename, names)
    if own is None:
        return None
    if Path(filename).exists() and not is_cell(filename):
        return _module(true_name(names, filename), names, (own,), _package(names))
    cells = cells_of(filename, names)
    name = names.get("__name__")
    named = isinstance(name, str) and name not in ("__main__", "builtins")
    return _module(str(name) if named else NOTEBOOK, names, cells, "")


def true_name(names: Mapping[str, Any], filename: str) -> str:
    """The name under which a module's classes are pickled, in every Lambda.

    What runs as a script is called after its file: ``pipeline`` for ``pipeline.py``.

    Args:
        names: The module's names.
        filename: Its file.
    """
    name = names.get("__name__")
    spec = names.get("__spec__")
    if name == "__main__" and isinstance(spec, ModuleSpec):  # python -m package.module
        return spec.name
    scripts = name in ("__main__", "builtins", None)
    if not scripts and all(_is_name(part) for part in str(name).split(".")):
        return str(name)
    stem = re.sub(r"\W", "_", Path(filename).stem)
    if not stem.isidentifier():
        stem = f"_{stem}"
    taken = stem in sys.stdlib_module_names or stem in (HANDLER, RUNTIME, "boto3", "botocore")
    return f"{stem}_" if taken or iskeyword(stem) else stem


def _is_name(part: str) -> bool:
    return part.isidentifier() and not iskeyword(part)


def _package(names: Mapping[str, Any]) -> str:
    package = names.get("__package__")
    if isinstance(package, str) and package:
        return package
    name = names.get("__name__")
    if not isinstance(name, str):
        return ""
    return name if "__path__" in names else name.rpartition(".")[0]


def user_module(name: str) -> Module | None:
    """A module of the user's, imported or not, or ``None`` if it is another's or has no source.

    Args:
        name: Absolute, with dots.
    """
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
    return Module(name, {}, (source,), package) if source else None


def module_of_class(kind: type) -> Module | None:
    """The module that a class was made in, or ``None`` if it is not the user's."""
    if not of_user(kind):
        return None
    if kind.__module__ != "__main__":
        return user_module(kind.__module__)
    names = vars(sys.modules["__main__"])
    filename = names.get("__file__")
    if isinstance(filename, str):
        source = source_of(filename, names)
        if source is None:
            return None
        return _module(true_name(names, filename), names, (source,), _package(names))
    return _module(NOTEBOOK, names, cells_of("", names), "")
