"""Parameters that read a map's results one after another, and steps that return iterators.

Such a parameter has neither a length nor indices, here and in AWS. An iterator has one pass.
"""

from __future__ import annotations

import ast
import inspect
from collections import abc
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from lokki_tf.errors import DefinitionError, Place
from lokki_tf.model import Finding, Map, Node
from lokki_tf.model.annotations import returned
from lokki_tf.model.bindings import Output
from lokki_tf.model.cells import cell_label
from lokki_tf.model.signatures import parameter_of, signature_of
from lokki_tf.model.sources import tree_of
from lokki_tf.model.streams import streams_of

from ..annotations.hints import classes_of

if TYPE_CHECKING:
    from lokki_tf.model import Definition, Graph

_TESTING = ast.If | ast.While | ast.IfExp | ast.Assert
_SIZED = {"len", "reversed", "bool"}
_LOOPS = {"list", "tuple", "set", "frozenset", "sum", "max", "min", "sorted", "any", "all", "dict"}


def check(definition: Definition) -> Iterator[Finding]:
    """Check how steps use a map's results, and what takes the iterators that they return."""
    maps = (one.body for one in definition.graph.every() if isinstance(one, Map))
    for graph in (definition.whole, *maps):
        for node in graph.nodes:
            if isinstance(node, Node) and node.step.starts is None:
                yield from _of_parameters(graph, node)
                yield from _of_result(graph, node)


def _of_parameters(graph: Graph, node: Node) -> Iterator[Finding]:
    function = node.step.function
    for where, kind, one in streams_of(graph, node):
        name = _name(function, where)
        tree = tree_of(function) if isinstance(function, FunctionType) else None
        if name is None or tree is None or _is_stored(tree, name):
            continue
        what = f"parameter {name!r} of step {node.step.name!r} reads the results of map "
        what += f"{one.name!r} one after another, since it is annotated as {kind.title()}"
        for use, problem in _misuses(tree, name):
            yield Finding(
                "streams",
                f"{what}: {problem}",
                _place(function, use),
                "annotate the parameter as list, which takes all results into memory",
                error=DefinitionError,
            )
        if kind == "iterator":
            loops = _loops(tree, name)
            if len(loops) > 1:
                yield Finding(
                    "streams",
                    f"{what}: only the first of its {len(loops)} loops has items, unless that "
                    "ends early",
                    _place(function, loops[1]),
                    "annotate the parameter as Iterable, which can be read several times",
                    severity="warning",
                )


def _of_result(graph: Graph, node: Node) -> Iterator[Finding]:
    function = node.step.function
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return
    kinds = [one.kind for one in classes_of(returned(function))]
    if kinds not in ([abc.Iterator], [abc.Generator]):
        return
    takers = [one for one in graph.nodes if node.name in one.inputs]
    mapped_over = [isinstance(one, Map) and one.items == Output(node.name) for one in takers]
    if any(mapped_over):  # then it is a list for the others
        return
    yield Finding(
        "streams",
        f"step {node.step.name!r} returns an iterator, and no map runs over its items: those of a "
        "generator become a list, and another iterator is serialized itself, which most cannot be",
        node.step.place,
        "return a list, or write the function with yield",
        severity="warning",
    )


def _name(function: Callable[..., Any], where: int | str) -> str | None:
    parameter = parameter_of(tuple(signature_of(function).parameters.values()), where)
    if parameter is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    return parameter.name


def _is_stored(tree: ast.AST, name: str) -> bool:
    """Return whether a name is assigned, so that it may be something else."""
    return any(
        isinstance(one, ast.Name) and one.id == name and not isinstance(one.ctx, ast.Load)
        for one in ast.walk(tree)
    )


def _misuses(tree: ast.AST, name: str) -> Iterator[tuple[ast.AST, str]]:
    for one in ast.walk(tree):
        if isinstance(one, ast.Subscript) and _is(one.value, name):
            yield one, "it has no indices"
        elif isinstance(one, ast.Call) and isinstance(one.func, ast.Name):
            if one.func.id in _SIZED and len(one.args) == 1 and _is(one.args[0], name):
                yield one, f"{one.func.id}() is not possible"
        elif isinstance(one, ast.If | ast.While | ast.IfExp | ast.Assert) and _tests(
            one.test, name
        ):
            yield one, "whether there are any is not known before they are read"


def _tests(test: ast.expr, name: str) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    return _is(test, name)


def _loops(tree: ast.AST, name: str) -> list[ast.expr]:
    """Return what reads a whole iterator, in the order of the source."""
    found: list[ast.expr] = [
        one.iter
        for one in ast.walk(tree)
        if isinstance(one, ast.For | ast.comprehension) and _is(one.iter, name)
    ]
    found += [
        one
        for one in ast.walk(tree)
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Name)
        and one.func.id in _LOOPS
        and any(_is(argument, name) for argument in one.args[:1])
    ]
    return sorted(found, key=lambda one: (one.lineno, one.col_offset))


def _is(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _place(function: Any, node: Any) -> Place:
    file = cell_label(function.__code__.co_filename, function.__globals__)
    return Place(file, node.lineno, function.__name__)
