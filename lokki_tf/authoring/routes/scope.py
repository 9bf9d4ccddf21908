"""The values of a function's names, as far as they are known before it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import FunctionType, ModuleType
from typing import Any

from lokki_tf.model.sources import Function

MISSING: Any = object()
"""The value of a name that is known only at run time."""

_Nested = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes in a function's body, without those inside nested functions and classes.

    Args:
        function: The definition.

    Yields:
        The nodes, in the order of the source.
    """
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Nested):
            waiting.extend(reversed(list(ast.iter_child_nodes(node))))


class Scope:
    """The names of a function.

    Args:
        function: The function.
        tree: Its definition.
    """

    def __init__(self, function: FunctionType, tree: Function) -> None:
        code = function.__code__
        self.tree = tree
        self.nodes = list(own_nodes(tree))
        self._around = _closure(function), function.__globals__
        self._locals = {*code.co_varnames, *code.co_cellvars}
        self._shared = code.co_cellvars

    def value(self, node: ast.expr) -> Any:
        """Return the value of a name, or of an attribute of a module or class, else ``MISSING``.

        Args:
            node: The expression.
        """
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            if isinstance(owner, ModuleType | type):
                return getattr(owner, node.attr, MISSING)
        if not isinstance(node, ast.Name):
            return MISSING
        if node.id in self._locals:
            return self._imported.get(node.id, MISSING)
        closure, names = self._around
        return closure[node.id] if node.id in closure else names.get(node.id, MISSING)

    def assigned(self, name: str) -> list[ast.expr]:
        """Return all expressions that a local variable is assigned.

        Args:
            name: Name of the variable. The result is empty if it is also bound otherwise, if an
                attribute or item of it is used, or if a nested function refers to it.
        """
        values: list[ast.expr] = []
        stores = 0
        if name in self._shared:
            return []
        for node in (*ast.walk(self.tree.args), *self.nodes):
            value, plain = _assignment(node, name)
            values += [value] if value is not None else []
            stores -= plain
            if isinstance(node, ast.Name) and node.id == name:
                stores += not isinstance(node.ctx, ast.Load)
            elif _binds_or_opens(node, name):
                return []
        return [] if stores else values

    @cached_property
    def _imported(self) -> Mapping[str, Any]:
        """Return what imports inside the function bind, for modules that are already loaded."""
        found: dict[str, Any] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    loaded = one.name if one.asname else one.name.partition(".")[0]
                    found[one.asname or loaded] = sys.modules.get(loaded, MISSING)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                module = sys.modules.get(node.module or "")
                for one in node.names:
                    found[one.asname or one.name] = getattr(module, one.name, MISSING)
        return found


def _assignment(node: ast.AST, name: str) -> tuple[ast.expr | None, bool]:
    """Return the value that a statement assigns to a name, and whether it does nothing else."""
    match node:
        case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
            return node.value, True
        case ast.AnnAssign(target=ast.Name(id=target)) if target == name:
            return node.value, True
    return None, False


def _binds_or_opens(node: ast.AST, name: str) -> bool:
    """Return whether a node binds a name otherwise, or uses an attribute or item of its value."""
    match node:
        case ast.Attribute(value=ast.Name(id=owner)) | ast.Subscript(value=ast.Name(id=owner)):
            return owner == name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return name in names
        case ast.arg(arg=bound) | ast.MatchMapping(rest=bound):
            return bound == name
        case ast.alias():
            return name == node.asname or name == node.name
    return getattr(node, "name", None) == name  # def, class, except … as, a name in a pattern


def _closure(function: FunctionType) -> dict[str, Any]:
    """Return the values of a function's free variables."""
    found: dict[str, Any] = {}
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            found[name] = MISSING
    return found
