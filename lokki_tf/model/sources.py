"""Syntax trees of functions. A file is parsed once, regardless of its number of steps."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from types import FunctionType

Function = ast.FunctionDef | ast.AsyncFunctionDef
_Functions = Mapping[tuple[int, str], Function]

_parsed: dict[str, tuple[list[str], _Functions]] = {}
"""The lines of each file, as linecache returns them, and its functions."""


def tree_of(function: FunctionType) -> Function | None:
    """Return the function's definition, or ``None`` if its source is missing or has changed.

    Args:
        function: A plain function, also of a notebook cell.
    """
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    known = _parsed.get(code.co_filename)
    if known is None or (known[0] is not lines and known[0] != lines):
        known = _parsed[code.co_filename] = lines, _functions_in("".join(lines))
    return known[1].get((code.co_firstlineno, code.co_name))


def _functions_in(text: str) -> _Functions:
    """Return functions by first line and name, as in their code objects."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    return {
        (min([node.lineno, *(one.lineno for one in node.decorator_list)]), node.name): node
        for node in ast.walk(tree)
        if isinstance(node, Function)
    }
