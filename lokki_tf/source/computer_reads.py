"""Recognize code that reads data of the computer that it runs on: files, arguments, folders.

In Lambda, such code would return another value or fail. So if a constant is assigned from such a
read, its current value is written to the zip instead of its expression. Reads of environment
variables are not included, because ``env_variables=`` sets them in Lambda.
"""

from __future__ import annotations

import ast

_FUNCTIONS = {"open", "input", "getpass", "getuser", "getcwd", "gethostname", "check_output"}
_OF_FILES = {
    *("read_text", "read_bytes", "read_csv", "read_excel", "read_feather", "read_json"),
    *("read_parquet", "read_pickle", "read_table", "scan_csv", "scan_parquet", "loadtxt"),
    *("genfromtxt", "listdir", "scandir", "iterdir", "glob", "iglob", "rglob", "exists"),
    *("is_file", "is_dir", "getsize"),
}
OF_PACKAGES = {"pkgutil.get_data"} | {
    f"importlib.resources.{name}"
    for name in ("read_text", "read_binary", "open_text", "open_binary")
}
"""Functions that read a file of a package: their first two arguments are both names."""
_METHODS = {
    *(*_FUNCTIONS, *_OF_FILES),
    *("getmtime", "expanduser", "getlogin", "parse_args", "getoutput"),
}
_OF = {
    "walk": {"os"},
    "stat": {"os"},
    "cwd": {"Path"},
    "home": {"Path"},
    "run": {"subprocess"},
    "Popen": {"subprocess"},
    "node": {"platform"},
}
_NEW_EACH_TIME = {
    *("uuid1", "uuid4", "utcnow", "today", "monotonic", "perf_counter", "token_hex"),
    *("token_urlsafe", "token_bytes", "urandom", "time_ns"),
}
_NEW_OF = {
    "now": {"datetime"},
    "time": {"time"},
    "random": {"random"},
    "randint": {"random"},
    "choice": {"random"},
    "uniform": {"random"},
}


def reads_computer(node: ast.expr) -> str:
    """The name of the read for an expression that reads data of the computer, or ``""``."""
    if isinstance(node, ast.Await):
        return "await"
    if isinstance(node, ast.Attribute):
        return "sys.argv" if _dotted(node) == "sys.argv" else ""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Name):
        return f"{node.func.id}(…)" if node.func.id in _FUNCTIONS else ""
    if isinstance(node.func, ast.Attribute):
        method = node.func.attr
        if method in _METHODS or _owner(node.func) in _OF.get(method, ()):
            return f"{method}(…)"
        if method == "read" and node.args:  # ConfigParser().read("settings.ini")
            return "read(…)"
    return ""


def is_file(read: str) -> bool:
    """Whether a read is that of a file, which can be included in the zip."""
    name = read.removesuffix("(…)")
    return name in ("open", "read", "walk") or name in _OF_FILES


def path_read(call: ast.Call, name: str) -> ast.expr | None:
    """The expression of the path that a call reads, or ``None`` if the call does not read one."""
    first = call.args[0] if call.args else None
    if name in ("open", "io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open"):
        mode = call.args[1] if len(call.args) > 1 else None
        mode = mode or next((one.value for one in call.keywords if one.arg == "mode"), None)
        written = isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax")
        return None if written else first
    if name in OF_PACKAGES and len(call.args) > 1:
        files = ast.Attribute(ast.Attribute(ast.Name("importlib"), "resources"), "files")
        folder = ast.Call(files, [call.args[0]], [])
        return ast.Call(ast.Attribute(folder, "joinpath"), [call.args[1]], [])
    if not isinstance(call.func, ast.Attribute):
        return None
    method = call.func.attr
    if method in ("read_text", "read_bytes", "iterdir", "glob", "rglob", "exists", "is_file"):
        if first is not None and method in ("exists", "glob"):  # os.path.exists, glob.glob
            return first if name in ("os.path.exists", "glob.glob") else call.func.value
        return call.func.value
    if method in _OF_FILES or name in ("logging.config.fileConfig", "os.listdir", "os.scandir"):
        return first
    return first if method == "read" and first is not None else None


def is_secret(read: str) -> bool:
    """Whether the read value is a password, which must not be written to source code."""
    return read == "getpass(…)"


def new_each_time(node: ast.AST) -> str:
    """The call in an expression that returns another value each time, or ``""``."""
    for call in ast.walk(node):
        if isinstance(call, ast.Lambda):
            return ""
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Name) and call.func.id in _NEW_EACH_TIME:
            return f"{call.func.id}()"
        if isinstance(call.func, ast.Attribute):
            method = call.func.attr
            if method in _NEW_EACH_TIME or _owner(call.func) in _NEW_OF.get(method, ()):
                return f"{_dotted(call.func)}()"
    return ""


def _owner(node: ast.Attribute) -> str:
    """The last name before the attribute: ``datetime`` in ``dt.datetime.now``."""
    if isinstance(node.value, ast.Attribute):
        return node.value.attr
    return node.value.id if isinstance(node.value, ast.Name) else ""


def _dotted(node: ast.Attribute) -> str:
    owner = _owner(node)
    return f"{owner}.{node.attr}" if owner else node.attr
