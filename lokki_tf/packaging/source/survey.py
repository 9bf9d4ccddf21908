"""What code does that analysis of names does not show: imports, environment, files, plugins.

A survey lists facts, each with the function that it is in. A fact of a function counts only
where the function is reached, see :func:`reached`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from typing import Literal as OneOf

from .machine_reads import path_read
from .names import is_main_guard, is_type_checking
from .scopes import CHANGING

if TYPE_CHECKING:
    from .files import Source

Kind = OneOf[
    "import",  # ``what``: the module, ``names``: what is imported from it
    "computed",  # a call that imports what only the running program knows
    "variable",  # reads an environment variable
    "sets",  # sets one
    "distribution",  # reads the metadata of an installed distribution
    "basic-config",
    "connection",
    "by-name",  # reaches for names of a module by strings
    "file",  # ``path``: the path that is read
]
_MISSING_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_IMPORTERS = {
    *("importlib.import_module", "importlib.__import__", "__import__", "pydoc.locate"),
    *("pkgutil.resolve_name", "runpy.run_module", "importlib.util.find_spec"),
}
_COMPUTED = {
    *("pkgutil.iter_modules", "pkgutil.walk_packages", "importlib.util.spec_from_file_location"),
    *("runpy.run_path", "importlib.metadata.entry_points", "importlib_metadata.entry_points"),
    *("pkg_resources.iter_entry_points", "importlib.machinery.SourceFileLoader"),
    *("importlib.metadata.distributions", "zipimport.zipimporter", "site.addsitedir"),
}
_METADATA = {
    f"{module}.{name}"
    for module in ("importlib.metadata", "importlib_metadata")
    for name in ("version", "metadata", "distribution", "requires", "files")
} | {"pkg_resources.get_distribution", "pkg_resources.require"}
_CONNECTIONS = {
    *("psycopg2.connect", "psycopg.connect", "pymysql.connect", "mysql.connector.connect"),
    *("MySQLdb.connect", "snowflake.connector.connect", "oracledb.connect", "pyodbc.connect"),
    *("sqlite3.connect", "duckdb.connect", "socket.create_connection", "socket.socket"),
    *("urllib.request.urlopen", "smtplib.SMTP", "ftplib.FTP", "pika.BlockingConnection"),
    *(
        f"{module}.{method}"
        for module in ("requests", "httpx")
        for method in ("get", "post", "put", "patch", "delete", "head", "request")
    ),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that code does.

    Args:
        kind: What it is.
        what: Its subject: a module, a variable, the call.
        line: Line of the file.
        function: The function that does it, ``""`` if it is done at import.
        optional: Whether the code expects that it may fail or not be done.
        names: Of an import, the names that are imported from the module.
        path: Of a file, the expression of its path.
    """

    kind: Kind
    what: str
    line: int
    function: str = ""
    optional: bool = False
    names: tuple[str, ...] = ()
    path: ast.expr | None = None


@dataclass(slots=True)
class Survey:
    """The facts of some code.

    Args:
        facts: In the order of the code.
        mentions: By function, the names in it; methods and attributes begin with a dot.
        dotted: Attributes of imported modules by their full names, with their lines.
        stored: Names of attributes that are assigned or changed.
    """

    facts: list[Fact] = field(default_factory=list)
    mentions: dict[str, set[str]] = field(default_factory=dict)
    dotted: dict[str, int] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)

    def of(self, kind: Kind) -> list[Fact]:
        """The facts of a kind."""
        return [fact for fact in self.facts if fact.kind == kind]


def survey(
    source: Source,
    nodes: Iterable[ast.AST],
    package: str,
    skip: Iterable[ast.expr] = (),
    modules: Mapping[str, str] | None = None,
) -> Survey:
    """Lists the facts of some code at the top of a file.

    Args:
        source: The file.
        nodes: Statements or functions of it.
        package: What relative imports are relative to.
        skip: Decorators to leave out.
        modules: Names of modules that functions around the code have, by their own names.
    """
    surveyor = _Surveyor(source, package, skip)
    surveyor.aliases = {**surveyor.aliases, **(modules or {})}
    for node in nodes:
        surveyor.visit(node)
    return surveyor.found


def reached(surveys: Sequence[Survey], start: Iterable[str]) -> list[set[str]]:
    """The functions of each survey that may be called, by names alone.

    All code at the top is reached, and what it mentions; of functions those that reached code
    mentions, of methods those whose name it mentions as an attribute.

    Args:
        surveys: Of all code that is deployed together.
        start: The names of functions that are called from outside.
    """
    known = set(start)
    found: list[set[str]] = [set() for _ in surveys]
    changed = True
    while changed:
        changed = False
        for one, functions in zip(surveys, found, strict=True):
            for function, mentioned in one.mentions.items():
                if function not in functions and _is_reached(function, known):
                    functions.add(function)
                    known |= mentioned
                    changed = True
    return found


def _is_reached(function: str, known: set[str]) -> bool:
    if function in ("", "<lambda>"):
        return True
    owner, _, name = function.rpartition(".")
    return name.startswith("__") or (f".{name}" if owner else name) in known


def absolute_name(package: str, level: int, module: str | None) -> str:
    """The absolute name of the module of ``from …module import``.

    Args:
        package: What relative imports are relative to.
        level: The number of dots.
        module: What is behind the dots.
    """
    if not level:
        return module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - level + 1]
    return ".".join((*kept, module) if module else kept)


def aliases_of(tree: ast.AST, package: str) -> Mapping[str, str]:
    """From the names that imports bind, anywhere in a file, to what they stand for."""
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


class _Surveyor(ast.NodeVisitor):
    def __init__(self, source: Source, package: str, skip: Iterable[ast.expr]) -> None:
        self.aliases = source.aliases(package)
        self.constants = source.constants
        self.package = package
        self.skip = {id(node) for node in skip}
        self.function = self.owner = ""
        self.optional = False
        self.found = Survey(mentions={"": set()})

    def _note(
        self,
        kind: Kind,
        what: str,
        node: ast.expr | ast.stmt,
        names: tuple[str, ...] = (),
        path: ast.expr | None = None,
    ) -> None:
        fact = Fact(kind, what, node.lineno, self.function, self.optional, names, path)
        self.found.facts.append(fact)

    def _all(self, nodes: Iterable[ast.AST | None], *, optional: bool = False) -> None:
        before, self.optional = self.optional, self.optional or optional
        for node in nodes:
            if node is not None and id(node) not in self.skip:
                self.visit(node)
        self.optional = before

    # --- where it is ----------------------------------------------------------------

    def _in_function(self, name: str, nodes: Iterable[ast.AST]) -> None:
        before = self.function, self.owner, self.optional
        if not self.function:
            self.function = f"{self.owner}.{name}" if self.owner else name
            self.found.mentions.setdefault(self.function, set())
        self.optional = False
        self._all(nodes)
        self.function, self.owner, self.optional = before

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        args = node.args
        self._all((*node.decorator_list, *args.defaults, *args.kw_defaults))
        self._in_function(node.name, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all((*node.args.defaults, *node.args.kw_defaults))
        owner, self.owner = self.owner, ""
        self._in_function("<lambda>", [node.body])
        self.owner = owner

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all((*node.decorator_list, *node.bases, *node.keywords))
        before, self.owner = self.owner, node.name if not self.function else ""
        self._all(node.body)
        self.owner = before

    def visit_If(self, node: ast.If) -> None:
        if is_type_checking(node.test) or is_main_guard(node):
            self._all(node.orelse)
        else:
            self._all((node.test,))
            self._all((*node.body, *node.orelse), optional=True)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        self._all(node.body, optional=any(map(_expects_missing, node.handlers)))
        self._all((*node.handlers,), optional=True)
        self._all((*node.orelse, *node.finalbody))

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(node)

    def visit_With(self, node: ast.With) -> None:
        self._all(node.items)
        suppressed = any("suppress" in ast.unparse(one.context_expr) for one in node.items)
        self._all(node.body, optional=suppressed)

    # --- facts ----------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note("import", alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = absolute_name(self.package, node.level, node.module)
        if module != "__future__":
            self._note("import", module, node, names=tuple(alias.name for alias in node.names))

    def visit_Name(self, node: ast.Name) -> None:
        self.found.mentions[self.function].add(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = full_name(node, self.aliases)
        root = node.value
        while isinstance(root, ast.Attribute):
            root = root.value
        mentions = self.found.mentions[self.function]
        if isinstance(root, ast.Name) and root.id in self.aliases:
            self.found.dotted.setdefault(name, node.lineno)
            mentions.add(node.attr)  # a function of a module
        mentions.add(f".{node.attr}")
        if isinstance(node.ctx, ast.Load):
            self.generic_visit(node)
        else:
            self.found.stored.add(node.attr)
            self._all((node.value,))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.found.stored.add(node.target.id)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if full_name(node.value, self.aliases) in ("os.environ", "os.environb"):
            self._variable("variable" if isinstance(node.ctx, ast.Load) else "sets", node.slice)
        loads = isinstance(node.ctx, ast.Load)
        if loads and full_name(node.value, self.aliases) == "sys.modules":
            self._note("by-name", "sys.modules", node)
        if not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Attribute):
            self.found.stored.add(node.value.attr)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if full_name(node.comparators[0], self.aliases) == "os.environ":
            self._variable("variable", node.left)
        self.generic_visit(node)

    def _variable(self, kind: Kind, name: ast.expr) -> None:
        text = self._text(name)
        if text is not None:
            self._note(kind, text, name)

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            node = self.constants.get(node.id, node)
        return node.value if isinstance(node, ast.Constant) and type(node.value) is str else None

    def visit_Call(self, node: ast.Call) -> None:
        name = full_name(node.func, self.aliases)
        first = node.args[0] if node.args else None
        if name in ("os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"):
            given = first or next((one.value for one in node.keywords if one.arg == "key"), None)
            if given is not None:
                self._variable("sets" if name.endswith("setdefault") else "variable", given)
        elif name in ("os.environ.update", "os.putenv"):
            keys = first.keys if isinstance(first, ast.Dict) else [first]
            for key in (*keys, *(ast.Constant(one.arg) for one in node.keywords if one.arg)):
                if key is not None:
                    self._variable("sets", ast.copy_location(key, node))
        elif name == "os.path.expandvars" and first is not None:
            for part in (self._text(first) or "").split("$")[1:]:
                variable = part.strip("{").partition("}")[0].partition("/")[0]
                self._variable("variable", ast.copy_location(ast.Constant(variable), node))
        elif name in _IMPORTERS and first is not None:
            self._imported_by_name(node, name, first)
        elif name in _COMPUTED:
            self._note("computed", f"{name}(…)", node)
        elif name in _METADATA and first is not None:
            self._distribution(node, first)
        elif name == "logging.basicConfig":
            forced = any(one.arg == "force" for one in node.keywords)
            if not forced:
                self._note("basic-config", name, node)
        elif name.endswith("config.dictConfig") and first is not None:
            self._named_in(first)
        elif name in _CONNECTIONS:
            self._note("connection", f"{name}(…)", node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            changed = node.func.value  # TABLE.update(…), module.TABLE.update(…)
            if isinstance(changed, ast.Name | ast.Attribute):
                self.found.stored.add(getattr(changed, "attr", getattr(changed, "id", "")))
        path = path_read(node, name)
        if path is not None:
            self._note("file", ast.unparse(node.func), node, path=path)
        self.generic_visit(node)

    def _imported_by_name(self, node: ast.Call, name: str, given: ast.expr) -> None:
        text = self._text(given)
        if text is None:
            if not isinstance(given, ast.Name) or given.id != "__name__":
                self._note("computed", f"{name}({ast.unparse(given)})", node)
            return
        text = text.replace(":", ".")
        level = len(text) - len(text.lstrip("."))
        within = node.args[1] if len(node.args) > 1 else None
        within = within or next((one.value for one in node.keywords if one.arg == "package"), None)
        package = self._text(within) if within is not None else None
        module = absolute_name(package or self.package, level, text.lstrip(".") or None)
        self._note("import", module, node, names=("",))

    def _distribution(self, node: ast.Call, given: ast.expr) -> None:
        text = self._text(given)
        if text is None and isinstance(given, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
            asked = {one.id for one in ast.walk(given) if isinstance(one, ast.Name)}
            if asked & {"__package__", "__name__"}:
                text = self.package.partition(".")[0]
        self._note("distribution", text or "", node)

    def _named_in(self, configuration: ast.expr) -> None:
        """Classes that the configuration of logging names by strings."""
        before, self.optional = self.optional, True  # other strings have dots as well
        for node in ast.walk(configuration):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                module, dot, _ = node.value.removeprefix("ext://").rpartition(".")
                if dot and all(part.isidentifier() for part in module.split(".")):
                    self._note("import", module, node, names=("",))
        self.optional = before


def _expects_missing(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {
        kind.attr if isinstance(kind, ast.Attribute) else getattr(kind, "id", "") for kind in caught
    }
    return bool(names & _MISSING_IMPORT)
