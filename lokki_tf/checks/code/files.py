"""Files that steps write and read by literal paths.

Locally all steps share the computer's files. In AWS each step has its own, and in Lambda only
``/tmp`` can be written (AWS Lambda Developer Guide, "Lambda quotas" and "Configure ephemeral
storage").

Calls are recognized by their names, as :class:`.reading.Use` has them: ``os.mkdir`` for a function,
``.write_text`` for a method. The tables below group the names by the expression that is the path.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from lokki_tf.model import Finding, Literal
from lokki_tf.model.signatures import signature_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Node, Step

    from .reading import Code, Use

_TMP = "/tmp"  # the folder in which a function may write
_OPENERS = frozenset(f"{module}.open" for module in ("io", "gzip", "bz2", "lzma", "codecs"))
_OPEN = _OPENERS | {"builtins.open", "tarfile.open", "zipfile.ZipFile"}
_DATABASES = {"sqlite3.connect", "shelve.open", "dbm.open"}
"""One call opens them for reading and for writing."""
_WRITES_RECEIVER = {  # path.write_text(…)
    *(".write_text", ".write_bytes", ".touch", ".mkdir", ".unlink", ".rmdir"),
}
_WRITES_FIRST = {  # os.mkdir(path)
    *("os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.rmdir", "os.truncate"),
    *("numpy.save", "numpy.savez", "numpy.savez_compressed", "numpy.savetxt", "joblib.dump"),
    *(f".to_{kind}" for kind in ("csv", "parquet", "json", "excel", "pickle", "feather", "hdf")),
    *(f".write_{kind}" for kind in ("csv", "parquet", "json", "excel", "ipc", "ndjson")),
    *(".savefig", ".save", "shutil.rmtree", *_DATABASES),
}
_WRITES_SECOND = {  # os.rename(other, path)
    *("os.rename", "os.replace", "os.link", "os.symlink", "shutil.move", "joblib.dump"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "torch.save"),
}
_READS_RECEIVER = {  # path.read_text()
    *(".read_text", ".read_bytes", ".exists", ".is_file", ".iterdir", ".glob", ".stat", ".rename"),
}
_READS_FIRST = {  # os.listdir(path)
    *("os.listdir", "os.scandir", "os.stat", "os.walk", "os.path.exists", "os.path.isfile"),
    *("os.path.getsize", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "joblib.load"),
    *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move"),
    *("os.rename", "os.replace", "torch.load", "glob.glob", "linecache.getlines", *_DATABASES),
}
_PATH_METHODS: Mapping[str, Callable[..., PurePath]] = {
    "with_name": PurePath.with_name,
    "with_suffix": PurePath.with_suffix,
    "with_stem": PurePath.with_stem,
    "joinpath": PurePath.joinpath,
    "absolute": lambda path: path,
    "resolve": lambda path: path,
}
_READERS = ("read_", "scan_")
"""How functions of pandas and polars that read files begin: ``read_csv``, ``scan_parquet``."""


def arguments(definition: Definition) -> dict[Step, dict[str, Any]]:
    """Return the texts and paths that steps receive as literals or defaults, by parameter.

    A parameter is included if all nodes of the step pass it the same value.

    Args:
        definition: A pipeline.
    """
    nodes: dict[Step, list[Node]] = {}
    for node in definition.whole.walk():
        nodes.setdefault(node.step, []).append(node)
    found: dict[Step, dict[str, Any]] = {}
    for step in definition.steps:
        parameters = signature_of(step.function).parameters
        defaults = {name: one.default for name, one in parameters.items()}
        calls = [{**defaults, **_bound(node, [*parameters])} for node in nodes.get(step, ())]
        first, *others = calls or [defaults]
        found[step] = {
            name: value
            for name, value in first.items()
            if isinstance(value, str | PurePath) and all(one.get(name) == value for one in others)
        }
    return found


def _bound(node: Node, names: list[str]) -> dict[str, Any]:
    """Return the literals that a node passes to its step; ``None`` for other values."""
    bindings = [*zip(names, node.args, strict=False), *node.kwargs]
    return {name: one.value if isinstance(one, Literal) else None for name, one in bindings}


def check(step: Step, code: Code) -> Iterator[Finding]:
    """Report each path outside ``/tmp`` to which a Lambda function writes."""
    if step.is_job:
        return
    seen: set[str] = set()
    for path, use in _written(code):
        moved = not os.path.isabs(path) and "os.chdir" in code.names
        if path in seen or moved or path.startswith("/dev/") or _is_in_tmp(path, use):
            continue
        seen.add(path)
        yield Finding(
            "write",
            f"the code of step {step.name!r} writes {path!r}: in Lambda only /tmp can be written",
            use.place,
            "return the value, or use /tmp for files that only this call needs; results are "
            "passed to the next step, large ones through the bucket",
            severity="warning",
        )


def check_shared(codes: Mapping[Step, Code]) -> Iterator[Finding]:
    """Report paths that one step writes and another step only reads."""
    written = {step: {_absolute(path) for path, _ in _written(one)} for step, one in codes.items()}
    for step, code in codes.items():
        seen: set[str] = set()
        for path, use in _paths(code, _read):
            full = _absolute(path)
            writers = [other.name for other, paths in written.items() if full in paths]
            own = full in written[step]
            if use.name in _DATABASES:
                # Each step that opens the database writes it: warn of steps after the first one.
                writers = writers[: writers.index(step.name)] if own else writers
                own = False
            if full in seen or own or not writers:
                continue
            seen.add(full)
            yield Finding(
                "shared-file",
                f"the code of step {step.name!r} reads {path!r}, which step {writers[0]!r} writes: "
                "in AWS each step has its own files",
                use.place,
                f"return the content from {writers[0]!r} and take it as an argument, or use S3",
                severity="warning",
            )


def _written(code: Code) -> Iterator[tuple[str, Use]]:
    """Yield the literal paths that a step's code writes."""
    return _paths(code, _writes)


def _paths(
    code: Code, kind: Callable[[Use, ast.Call], ast.expr | None]
) -> Iterator[tuple[str, Use]]:
    """Yield the literal paths of calls, each with its use.

    Args:
        code: The code of a step.
        kind: Returns the path's expression for a call of the wanted kind, ``None`` for others.
    """
    for use in code.uses:
        node = kind(use, use.call) if use.call is not None else None
        path = _literal(node, use, set()) if node is not None else None
        if path and path != ":memory:":  # a database of sqlite3 without a file
            yield path, use


def _writes(use: Use, call: ast.Call) -> ast.expr | None:
    """Return the expression of the path that a call writes."""
    if use.name in _OPEN or use.name == ".open":
        return _opened(use, call) if set(_mode(use, call)) & set("wax+") else None
    if use.name in (".rename", ".replace") and len(call.args) == 1:
        moved = _receiver(call)
        # Data frames have methods of these names too, but no literal path before the dot.
        return call.args[0] if _literal(moved, use, set()) else None
    if use.name in _WRITES_RECEIVER:
        return _receiver(call)
    if use.name in _WRITES_SECOND:
        return call.args[1] if len(call.args) > 1 else _keyword(call, "dst", "filename")
    return _first(call) if use.name in _WRITES_FIRST else None


def _read(use: Use, call: ast.Call) -> ast.expr | None:
    """Return the expression of the path that a call reads."""
    if use.name in _OPEN or use.name == ".open":
        return None if set(_mode(use, call)) & set("wax") else _opened(use, call)
    if use.name in _READS_RECEIVER:
        return _receiver(call)
    last = use.name.rpartition(".")[2]
    return _first(call) if use.name in _READS_FIRST or last.startswith(_READERS) else None


def _opened(use: Use, call: ast.Call) -> ast.expr | None:
    """Return the path of ``open(path)`` or ``path.open()``."""
    return _receiver(call) if use.name == ".open" else _first(call)


def _mode(use: Use, call: ast.Call) -> str:
    """Return the mode of ``open(path, mode)`` or ``path.open(mode)``."""
    position = 0 if use.name == ".open" else 1
    given = call.args[position] if len(call.args) > position else _keyword(call, "mode")
    return str(given.value) if isinstance(given, ast.Constant) else "r"


def _first(call: ast.Call) -> ast.expr | None:
    names = ("file", "path", "fname", "filename", "name", "src", "database", "path_or_buf")
    return call.args[0] if call.args else _keyword(call, *names)


def _keyword(call: ast.Call, *names: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg in names), None)


def _receiver(call: ast.Call) -> ast.expr | None:
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def _literal(node: Any, use: Use, seen: set[str]) -> str | None:
    """Return the path that is an expression's value, or ``None`` if it is unknown."""
    if isinstance(node, str | PurePath):
        return str(node)
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name) and node.id not in seen:
        return _literal(use.value(node.id), use, {*seen, node.id})
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
        left, right = _literal(node.left, use, seen), _literal(node.right, use, seen)
        if left is None or right is None:
            return None
        return os.path.join(left, right) if isinstance(node.op, ast.Div) else left + right
    if isinstance(node, ast.JoinedStr):
        parts = [
            _literal(one.value if isinstance(one, ast.FormattedValue) else one, use, seen)
            for one in node.values
        ]
        return None if None in parts else "".join(one for one in parts if one is not None)
    if isinstance(node, ast.Attribute) and node.attr == "parent":
        inner = _literal(node.value, use, seen)
        return os.path.dirname(inner) if inner else None
    return _of_call(node, use, seen) if isinstance(node, ast.Call) else None


def _of_call(call: ast.Call, use: Use, seen: set[str]) -> str | None:
    """Return the path that a call returns, or ``None`` if it is unknown."""
    name, function = _called(call), call.func
    if name == "gettempdir":
        return _TMP  # its value in AWS
    found = [_literal(one, use, seen) for one in call.args]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    if name in ("Path", "PurePath", "join", "str") and known:
        return os.path.join(*known)
    if name in ("dirname", "abspath", "realpath") and known:
        return os.path.dirname(known[0]) if name == "dirname" else os.path.abspath(known[0])
    if name not in _PATH_METHODS or not isinstance(function, ast.Attribute):
        return None
    inner = _literal(function.value, use, seen)
    try:
        return None if inner is None else str(_PATH_METHODS[name](PurePath(inner), *known))
    except (TypeError, ValueError):  # with_suffix raises it for some paths
        return None


def _called(call: ast.Call) -> str:
    """Return the bare name of what is called; of methods ``join``, only that of ``os.path``."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "join":
        return "join" if ast.unparse(function.value).endswith("path") else ""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _absolute(path: str) -> str:
    return os.path.abspath(path)


def _is_in_tmp(path: str, use: Use) -> bool:
    """Return whether a path is in /tmp in AWS too: paths relative to the code differ there."""
    code = os.path.dirname(os.path.abspath(use.place.file))
    is_code = path.startswith(f"{code}/") and code != _TMP
    return path == _TMP or (path.startswith(f"{_TMP}/") and not is_code)
