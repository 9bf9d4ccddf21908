"""Evaluate expressions of paths in source code without running the code."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable
from pathlib import Path

from .files import Source
from .modules import Module
from .names import full_name
from .origins import find_spec, origin

_SAME = {"os.path.abspath", "os.path.realpath", "os.path.normpath", "os.fspath", "str", "open"}
_JOINED = {"os.path.join", "Path", "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath"}
_SAME_METHODS = {"resolve", "absolute", "as_posix"}


def path_of(node: ast.expr | None, source: Source, module: Module) -> str | None:
    """The path that an expression evaluates to, or ``None`` if it is not made of literals.

    Returns:
        A path, relative to the working directory unless it begins with ``__file__``.
    """
    try:
        return _Evaluator(source, module).path(node)
    except (ValueError, IndexError):
        return None


class _Evaluator:
    """Evaluates expressions; raises ``ValueError`` for those that are not made of literals."""

    def __init__(self, source: Source, module: Module) -> None:
        self.file, self.aliases = source.filename, module.context.aliases
        self.constants = dict(module.context.constants)

    def path(self, node: ast.expr | None) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return self.file
            case ast.Name(id=name) if name in self.constants:
                value = self.constants.pop(name)  # avoids a recursion if constants form a cycle
                found = self.path(value)
                self.constants[name] = value
                return found
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return posixpath.join(self.path(left), self.path(right))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.path(left) + self.path(right)
            case ast.JoinedStr(values=values):
                inner = (getattr(one, "value", one) for one in values)
                texts = (one if isinstance(one, ast.expr) else ast.Constant(one) for one in inner)
                return "".join(self._all(texts))
            case ast.Attribute(value=value, attr="parent"):
                return posixpath.dirname(self.path(value))
            case ast.Subscript(
                value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(n))
            ):
                return str(list(Path(self.path(value)).parents)[n])
            case ast.Call():
                return self._call(node)
        raise ValueError("not a literal path")

    def _call(self, node: ast.Call) -> str:
        name = full_name(node.func, self.aliases)
        if name in ("os.getcwd", "pathlib.Path.cwd", "Path.cwd"):
            return ""
        if name in _JOINED:
            return posixpath.join("", *self._all(node.args))
        if name in _SAME and node.args:
            return self.path(node.args[0])
        if name == "os.path.dirname" and node.args:
            return posixpath.dirname(self.path(node.args[0]))
        if name in ("importlib.resources.files", "importlib.resources.path"):
            asked = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            if asked & {"__package__", "__name__"}:
                return posixpath.dirname(self.file)
            given = node.args[0]
            text = getattr(given, "value", None) or full_name(given, self.aliases)
            package = str(text) if origin(str(text)) == "user" else ""
            spec = find_spec(package) if package else None
            if spec is not None and spec.submodule_search_locations:
                return str(next(iter(spec.submodule_search_locations)))
        elif isinstance(node.func, ast.Attribute):
            inner, method = self.path(node.func.value), node.func.attr
            if method in _SAME_METHODS:
                return inner
            parts = self._all(node.args)
            if method == "replace" and len(parts) == 2:
                return inner.replace(parts[0], parts[1])
            if method == "with_name" and parts:
                return posixpath.join(posixpath.dirname(inner), *parts)
            if method == "joinpath":
                return posixpath.join(inner, *parts)
        raise ValueError("not a literal path")

    def _all(self, nodes: Iterable[ast.expr]) -> list[str]:
        return [self.path(node) for node in nodes]
