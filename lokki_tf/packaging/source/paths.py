"""Paths that code writes as literals, computed without running it."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping
from pathlib import Path

from .files import Source
from .survey import full_name

_SAME = {"os.path.abspath", "os.path.realpath", "os.path.normpath", "os.fspath", "str", "open"}
_JOINED = {"os.path.join", "Path", "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath"}
_SAME_METHODS = {"resolve", "absolute", "as_posix"}
_JOINING_METHODS = {"joinpath", "with_name"}


def path_of(node: ast.expr | None, source: Source, package: str) -> str | None:
    """The path that an expression gives, or ``None`` if only running it shows that.

    Args:
        node: The expression.
        source: The file that it is in, whose path is the value of ``__file__``.
        package: What relative imports of the file are relative to.

    Returns:
        A path, relative to the working directory unless it begins at ``__file__``.
    """
    aliases = source.aliases(package)
    evaluator = _Evaluator(source.filename, source.constants, aliases)
    return evaluator.path(node) if node is not None else None


class _Evaluator:
    def __init__(
        self, file: str, constants: Mapping[str, ast.expr], aliases: Mapping[str, str]
    ) -> None:
        self.file, self.aliases = file, aliases
        self.constants = dict(constants)

    def path(self, node: ast.expr) -> str | None:
        """The value of an expression as a path."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id == "__file__":
                return self.file
            value = self.constants.pop(node.id, None)  # a name may lead back to itself
            if value is None:
                return None
            found = self.path(value)
            self.constants[node.id] = value
            return found
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
            parts = self._all([node.left, node.right])
            if parts is None:
                return None
            return posixpath.join(*parts) if isinstance(node.op, ast.Div) else "".join(parts)
        if isinstance(node, ast.JoinedStr):
            inner_nodes = [getattr(one, "value", one) for one in node.values]
            texts = self._all(
                [one if isinstance(one, ast.expr) else ast.Constant(one) for one in inner_nodes]
            )
            return "".join(texts) if texts is not None else None
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            inner = self.path(node.value)
            return posixpath.dirname(inner) if inner is not None else None
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            return self._of_parents(node.value, node.slice)
        return self._call(node) if isinstance(node, ast.Call) else None

    def _of_parents(self, node: ast.Attribute, index: ast.expr) -> str | None:
        inner = self.path(node.value) if node.attr == "parents" else None
        if inner is None or not isinstance(index, ast.Constant) or type(index.value) is not int:
            return None
        parents = list(Path(inner).parents)
        return str(parents[index.value]) if index.value < len(parents) else None

    def _call(self, node: ast.Call) -> str | None:
        name = full_name(node.func, self.aliases)
        if name in ("os.getcwd", "pathlib.Path.cwd", "Path.cwd"):
            return ""
        if name in _JOINED:
            parts = self._all(node.args)
            return posixpath.join("", *parts) if parts is not None else None
        if name in _SAME and node.args:
            return self.path(node.args[0])
        if name == "os.path.dirname" and node.args:
            inner = self.path(node.args[0])
            return posixpath.dirname(inner) if inner is not None else None
        if name in ("importlib.resources.files", "importlib.resources.path"):
            asked = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            return posixpath.dirname(self.file) if asked & {"__package__", "__name__"} else None
        if isinstance(node.func, ast.Attribute):
            inner = self.path(node.func.value)
            if inner is None:
                return None
            if node.func.attr in _SAME_METHODS:
                return inner
            parts = self._all(node.args)
            if node.func.attr == "replace" and parts is not None and len(parts) == 2:
                return inner.replace(parts[0], parts[1])
            if node.func.attr in _JOINING_METHODS and parts:
                base = inner if node.func.attr == "joinpath" else posixpath.dirname(inner)
                return posixpath.join(base, *parts)
        return None

    def _all(self, nodes: list[ast.expr]) -> list[str] | None:
        found = [self.path(node) for node in nodes]
        return None if None in found else [text for text in found if text is not None]
