"""Recognize calls that are facts: imports by name, metadata, environment variables, connections."""

from __future__ import annotations

import ast
from typing import Any

from .computer_reads import OF_PACKAGES, path_read
from .names import absolute_name

_IMPORTERS = {
    *("importlib.import_module", "importlib.__import__", "__import__", "pydoc.locate"),
    *("pkgutil.resolve_name", "runpy.run_module", "importlib.util.find_spec"),
}
_RESOURCES = {"importlib.resources.files", "importlib_resources.files", *OF_PACKAGES}
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


def note_call(walk: Any, node: ast.Call, name: str) -> None:
    """Add the facts of a call.

    The kinds of facts:

    - ``import``; ``computed``: an import of a module that is computed at run time;
    - ``variable``: a read of an environment variable; ``variables``: a read of those that are
      computed at run time; ``sets``: an assignment to one;
    - ``distribution``: a read of a distribution's metadata;
    - ``basic-config``: a call of ``logging.basicConfig``;
    - ``connection``: an open network or database connection; ``file``: a read of a file.

    Args:
        walk: The walk of :func:`.index.index`.
        node: The call.
        name: The full name of the called function.
    """
    first = node.args[0] if node.args else None
    keywords = {one.arg: one.value for one in node.keywords}
    if name in ("os.getenv", "os.environ.get", "os.environ.pop", "os.environ.setdefault"):
        text = walk.text(first or keywords.get("key"))
        if text is not None:
            walk.note("sets" if name.endswith("setdefault") else "variable", text, node)
        elif name in ("os.getenv", "os.environ.get"):
            walk.note("variables", f"{name}({ast.unparse(node.args[0])})" if first else name, node)
    elif name in ("os.environ.items", "os.environ.keys"):
        walk.note("variables", f"{name}()", node)
    elif name in ("os.environ.update", "os.putenv"):
        keys = first.keys if isinstance(first, ast.Dict) else [first]
        for text in (*map(walk.text, keys), *keywords):
            if text is not None:
                walk.note("sets", text, node)
    elif name == "os.path.expandvars":
        for part in (walk.text(first) or "").split("$")[1:]:
            walk.note("variable", part.strip("{").partition("}")[0].partition("/")[0], node)
    elif name in _IMPORTERS and first is not None:
        _imported_by_name(walk, node, name, first)
    elif name in _RESOURCES and first is not None and walk.text(first):
        walk.note("import", walk.text(first), node, names=("",))
    elif name in _COMPUTED:
        walk.note("computed", f"{name}(…)", node)
    elif name in _METADATA and first is not None:
        text, asked = walk.text(first), {getattr(one, "id", "") for one in ast.walk(first)}
        if text is None and asked & {"__package__", "__name__"}:
            text = walk.context.package.partition(".")[0]
        walk.note("distribution", text or "", node)
    elif name == "logging.basicConfig" and "force" not in keywords:
        walk.note("basic-config", name, node)
    elif name.endswith("config.dictConfig") and first is not None:
        _named_in(walk, first)
    elif name in _CONNECTIONS:
        walk.note("connection", f"{name}(…)", node)
    path = path_read(node, name)
    if path is not None:
        walk.note("file", ast.unparse(node.func), node, path=path)


def _imported_by_name(walk: Any, node: ast.Call, name: str, given: ast.expr) -> None:
    text = walk.text(given)
    if text is None:
        if not isinstance(given, ast.Name) or given.id != "__name__":
            walk.note("computed", f"{name}({ast.unparse(given)})", node)
        return
    within = next((one.value for one in node.keywords if one.arg == "package"), None)
    package = walk.text(node.args[1] if len(node.args) > 1 else within) or walk.context.package
    module = text.replace(":", ".").lstrip(".")
    level = len(text) - len(text.lstrip("."))
    with walk.while_(optional=walk.optional or name.endswith("find_spec")):
        walk.note("import", absolute_name(package, level, module or None), node, names=("",))


def _named_in(walk: Any, configuration: ast.expr) -> None:
    """Add imports of classes that a logging configuration names by strings."""
    if isinstance(configuration, ast.Name):
        configuration = walk.context.constants.get(configuration.id, configuration)
    for node in ast.walk(configuration):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            module, dot, _ = node.value.removeprefix("ext://").rpartition(".")
            if dot and all(part.isidentifier() for part in module.split(".")):
                with walk.while_(optional=True):  # the string may not be a class
                    walk.note("import", module, node, names=("",))
