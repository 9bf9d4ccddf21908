"""The arguments of steps: where each is from, and its value as far as it is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import Parameter as Argument
from typing import TYPE_CHECKING, Any

from lokki_tf.model import (
    Attribute,
    Dataset,
    Group,
    Item,
    Literal,
    Map,
    Node,
    Output,
    Parameter,
    Part,
    TerraformRef,
    Wait,
    path_text,
)
from lokki_tf.model.signatures import signature_of

from .model import Input
from .values import MISSING, Unread

if TYPE_CHECKING:
    from lokki_tf.model import AnyNode, Binding

_POSITIONAL = (Argument.POSITIONAL_ONLY, Argument.POSITIONAL_OR_KEYWORD)
_KINDS: Mapping[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


class Inputs:
    """Returns the arguments of nodes.

    Args:
        results: The results of nodes, by name.
        parameters: The run's parameters, by name.
    """

    def __init__(self, results: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._results = results
        self._parameters = parameters

    def of(self, node: AnyNode) -> list[Input]:
        """Return the arguments of a node.

        Args:
            node: The node.
        """
        return [Input(name, self._source(one), self._value(one)) for name, one in _bindings(node)]

    def _source(self, binding: Binding) -> str:
        match binding:
            case Output():
                return f"result of {binding.node}"
            case Parameter():
                return f"parameter {binding.name}"
            case Item():
                return "item"
            case Part():
                return f"{path_text(binding.path)} of the {self._source(binding.of)}"
            case TerraformRef():
                return f"reference to {binding.address}"
            case Group():
                inner = dict.fromkeys(self._source(one) for one in binding.members)
                listed = ", ".join(one for one in inner if one != "value in the code")
                return f"{binding.kind} with {listed}" if listed else "value in the code"
            case _:
                return "value in the code"

    def _value(self, binding: Binding) -> Any:
        match binding:
            case Literal():
                return binding.value
            case Output():
                return self._results.get(binding.node, MISSING)
            case Parameter():
                return self._parameters.get(binding.name, MISSING)
            case Part():
                return _part(self._value(binding.of), binding)
            case Group():
                return self._group(binding)
            case _:
                return MISSING

    def _group(self, group: Group) -> Any:
        members = [self._value(one) for one in group.members]
        if any(one is MISSING or isinstance(one, Unread) for one in members):
            return MISSING
        if group.kind == "dict":
            return dict(zip(group.keys, members, strict=True))
        try:
            return _KINDS[group.kind](members)
        except TypeError:  # a set of values that cannot be hashed
            return MISSING


def _part(value: Any, part: Part) -> Any:
    if value is MISSING or isinstance(value, Unread):
        return value
    for key in part.path:
        try:
            value = getattr(value, key.name) if isinstance(key, Attribute) else value[key]
        except Exception:  # the step that takes it has failed for the same reason
            return MISSING
    return value


def _bindings(node: AnyNode) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, Node):
        names = _names(node)
        for number, one in enumerate(node.args):
            yield (names[number] if number < len(names) else f"argument {number + 1}"), one
        yield from node.kwargs
    elif isinstance(node, Map):
        if not isinstance(node.items, Dataset):
            yield "items", node.items
        yield from node.arguments
    elif isinstance(node, Wait):
        if node.until is not None:
            yield "until", node.until
        if node.value is not None:
            yield "value", node.value


def _names(node: Node) -> list[str]:
    try:
        found = signature_of(node.step.function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [one.name for one in found if one.kind in _POSITIONAL]
