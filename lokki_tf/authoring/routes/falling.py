"""Whether a function can reach its end without a return statement, and so return ``None``."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any, Never, NoReturn

from lokki_tf.model.signatures import signature_of

from .scope import Scope


def falls_through(body: Sequence[ast.stmt], scope: Scope) -> bool:
    """Return whether the code after some statements may be executed.

    Args:
        body: The statements.
        scope: The names of the function that contains them.
    """
    return all(_falls(statement, scope) for statement in body)


def _falls(node: ast.stmt, scope: Scope) -> bool:
    match node:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return False
        case ast.Expr(value=ast.Call(func=called)):
            return not _never_returns(scope.value(called))
        case ast.Assert():
            return not _is_constant(node.test, truth=False)
        case ast.If():
            return falls_through(node.body, scope) or falls_through(node.orelse, scope)
        case ast.While() | ast.For() | ast.AsyncFor():
            return _falls_loop(node, scope)
        case ast.Try() | ast.TryStar():
            return _falls_try(node, scope)
        case ast.With() | ast.AsyncWith():
            return falls_through(node.body, scope) or any(
                _swallows(item.context_expr, scope) for item in node.items
            )
        case ast.Match():
            complete = any(one.guard is None and _takes_all(one.pattern) for one in node.cases)
            return not complete or any(falls_through(one.body, scope) for one in node.cases)
    return True


def _falls_loop(node: ast.While | ast.For | ast.AsyncFor, scope: Scope) -> bool:
    if any(_breaks(node.body)):
        return True
    if isinstance(node, ast.While) and _is_constant(node.test, truth=True):
        return False
    return falls_through(node.orelse, scope)


def _falls_try(node: ast.Try | ast.TryStar, scope: Scope) -> bool:
    ways = [[*node.body, *node.orelse], *(handler.body for handler in node.handlers)]
    through = any(falls_through(way, scope) for way in ways)
    return through and falls_through(node.finalbody, scope)


def _breaks(body: Sequence[ast.AST]) -> Iterator[bool]:
    """Yield ``True`` for each ``break`` that leaves the loop with this body."""
    for node in body:
        if isinstance(node, ast.Break):
            yield True
        elif isinstance(node, ast.While | ast.For | ast.AsyncFor):
            yield from _breaks(node.orelse)
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            yield from _breaks(list(ast.iter_child_nodes(node)))


def _takes_all(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return any(map(_takes_all, pattern.patterns))
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None or _takes_all(pattern.pattern)
    return False


def _is_constant(node: ast.expr, *, truth: bool) -> bool:
    return isinstance(node, ast.Constant) and bool(node.value) is truth


def _swallows(context: ast.expr, scope: Scope) -> bool:
    """Return whether a ``with`` statement may suppress an error, so that the code after it runs."""
    return isinstance(context, ast.Call) and scope.value(context.func) is contextlib.suppress


def _never_returns(called: Any) -> bool:
    """Return whether a function's annotation says that it never returns."""
    if isinstance(called, FunctionType):
        return signature_of(called).return_annotation in (NoReturn, Never, "NoReturn", "Never")
    return called is sys.exit
