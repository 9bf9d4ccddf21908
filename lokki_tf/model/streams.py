"""Parameters that receive a map's results one after another: annotated as Iterable or Iterator."""

from __future__ import annotations

import ast
import typing
from collections import abc
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from .bindings import Output
from .graph import Map, Node, Wait
from .signatures import parameter_of, signature_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .bindings import Binding
    from .graph import Graph

Kind = Literal["iterable", "iterator"]

_KINDS: dict[object, Kind] = {
    abc.Iterable: "iterable",
    abc.Iterator: "iterator",
    abc.Generator: "iterator",
}
_known: WeakKeyDictionary[Any, dict[int | str, Kind | None]] = WeakKeyDictionary()
"""The kinds of parameters, by functions: annotations are evaluated once."""
_NAMES: dict[str, Kind] = {
    "Iterable": "iterable",
    "Iterator": "iterator",
    "Generator": "iterator",
}


def stream_of(graph: Graph, node: Node, where: int | str, binding: Binding) -> Kind | None:
    """Return how an argument receives a map's results; ``None`` if it is an ordinary one.

    Args:
        graph: The node's graph.
        node: The node.
        where: The argument's position or name.
        binding: The argument. Only the whole result of a map of the same graph is received so.
    """
    if not node.step.has_code or mapped(graph, binding) is None:
        return None
    return kind_of(node.step.function, where)


def streams_of(graph: Graph, node: Node) -> Iterator[tuple[int | str, Kind, Map]]:
    """Yield the arguments of a node that receive a map's results one after another.

    Args:
        graph: The node's graph.
        node: The node.
    """
    given: list[tuple[int | str, Binding]] = [*enumerate(node.args), *node.kwargs]
    for where, binding in given:
        one, kind = mapped(graph, binding), stream_of(graph, node, where, binding)
        if one is not None and kind is not None:
            yield where, kind, one


def mapped(graph: Graph, binding: Binding) -> Map | None:
    """Return the map whose whole result a binding is; a wait's result is that of another node.

    Args:
        graph: The graph of the binding.
        binding: The binding.
    """
    while isinstance(binding, Output):
        node = graph.by_name.get(binding.node)
        if not isinstance(node, Wait):
            return node if isinstance(node, Map) else None
        if node.value is None:
            return None
        binding = node.value
    return None


def kind_of(function: Callable[..., Any], where: int | str) -> Kind | None:
    """Return how a parameter is annotated to receive results; ``None`` for other annotations.

    Args:
        function: A step's function.
        where: The position or the name of its argument.
    """
    try:
        known = _known.setdefault(function, {})
    except TypeError:  # a callable object without weak references
        return _kind_of(function, where)
    if where not in known:
        known[where] = _kind_of(function, where)
    return known[where]


def _kind_of(function: Callable[..., Any], where: int | str) -> Kind | None:
    if hasattr(function, "__wrapped__") or hasattr(function, "__signature__"):
        return None  # a decorator may change the parameters
    try:
        parameter = parameter_of(tuple(signature_of(function).parameters.values()), where)
        if parameter is None or parameter.annotation is parameter.empty:
            return None
        try:
            hint = typing.get_type_hints(function, include_extras=True)[parameter.name]
        except Exception:  # a name that only type checkers import
            return _of_text(parameter.annotation)
        return _of_hint(hint)
    except Exception:  # an annotation is the user's code
        return None


def _of_hint(hint: Any) -> Kind | None:
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return _of_hint(typing.get_args(hint)[0])
    if origin is typing.Union or origin is UnionType:
        members = [one for one in typing.get_args(hint) if one is not NoneType]
        return _of_hint(members[0]) if len(members) == 1 else None
    return _KINDS.get(hint if origin is None else origin)


def _of_text(annotation: Any) -> Kind | None:
    """Return the kind of an annotation that cannot be evaluated."""
    if not isinstance(annotation, str):  # Python 3.14 has forward references
        annotation = getattr(annotation, "__forward_arg__", "")
    node: ast.expr = ast.parse(annotation, mode="eval").body
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant):
        node = node.left  # Iterable[int] | None
    if isinstance(node, ast.Subscript):
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return _NAMES.get(name)
