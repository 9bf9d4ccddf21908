"""Who assigns which variable, and what each branch hands to the scope around it.

A scope is the sequence of states of the machine itself or of one branch. An inner scope
reads variables of the outer ones and cannot assign them; what it leaves behind, it must
put into its output. No two scopes that enclose each other may assign the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lokki_tf.model import Graph
from lokki_tf.model.names import identifier, unique

from .quotas import VARIABLE_NAME_LENGTH
from .structure import Block, Parallel, Series

_RESERVED = {"states"}  # $states is Step Functions' own


@dataclass(slots=True, eq=False)
class Scope:
    """The states of the machine, or of one branch of a Parallel state.

    Args:
        parts: What runs one after another.
        outer: The scope around, ``None`` for the machine's own.
        inside: Names of all nodes here and in inner scopes.
        variables: From the nodes whose results are assigned here to the variables.
        exports: Nodes inside whose results are needed outside, in the graph's order, each
            with the key under which the scope's output holds its envelope.
    """

    parts: tuple[str | Fork, ...] = ()
    outer: Scope | None = None
    inside: frozenset[str] = frozenset()
    variables: dict[str, str] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)

    def variable(self, node: str) -> str:
        """The variable that holds a node's result, here or in a scope around."""
        scope: Scope | None = self
        while scope is not None:
            if node in scope.variables:
                return scope.variables[node]
            scope = scope.outer
        raise KeyError(node)

    def walk(self) -> Iterator[Scope]:
        """This scope and all inner ones, outer ones first."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            for part in reversed(scope.parts):
                if isinstance(part, Fork):
                    waiting.extend(reversed(part.branches))


@dataclass(slots=True, eq=False)
class Fork:
    """A Parallel state: a scope a branch.

    Args:
        branches: In the order of the branches.
        inside: Names of all nodes in them.
    """

    branches: tuple[Scope, ...]
    inside: frozenset[str]

    @property
    def paths(self) -> dict[str, str]:
        """Where the Parallel state's result holds the envelope of each node handed out."""
        return {
            name: f"$[{index}].{key}"
            for index, branch in enumerate(self.branches)
            for name, key in branch.exports.items()
        }


def scopes(graph: Graph, block: Block) -> Scope:
    """The machine's scope, with all inner ones, and all variables placed.

    Args:
        graph: Who needs what.
        block: How the graph is nested.
    """
    consumers: dict[str, set[str]] = {node.name: set() for node in graph.nodes}
    for node in graph.nodes:
        for name in node.inputs:
            consumers[name].add(node.name)
    keys = _keys(graph)
    root = _scope(block, None)
    terminals = set(graph.terminals)
    for scope in root.walk():
        scope.exports = {
            name: key if scope.outer else name
            for name, key in keys.items()
            if name in scope.inside and (name in terminals or consumers[name] - scope.inside)
        }
    for scope in root.walk():
        _place_variables(scope, consumers, keys)
    return root


def _keys(graph: Graph) -> dict[str, str]:
    """A name for each node that may stand in a path."""
    keys: dict[str, str] = {}
    taken = set(_RESERVED)
    for node in graph.nodes:
        keys[node.name] = unique(identifier(node.name), taken, VARIABLE_NAME_LENGTH)
        taken.add(keys[node.name])
    return keys


def _scope(block: Block, outer: Scope | None) -> Scope:
    scope = Scope(outer=outer)
    parts: list[str | Fork] = []
    for part in block.parts if isinstance(block, Series) else (block,):
        if isinstance(part, Parallel):
            branches = tuple(_scope(branch, scope) for branch in part.branches)
            parts.append(Fork(branches, frozenset().union(*(b.inside for b in branches))))
        else:
            assert isinstance(part, str)
            parts.append(part)
    scope.parts = tuple(parts)
    scope.inside = frozenset(
        name for part in parts for name in (part.inside if isinstance(part, Fork) else (part,))
    )
    return scope


def _place_variables(scope: Scope, consumers: dict[str, set[str]], keys: dict[str, str]) -> None:
    taken = set(_RESERVED)
    around = scope.outer
    while around is not None:
        taken.update(around.variables.values())
        around = around.outer
    for part in scope.parts:
        own = part.inside if isinstance(part, Fork) else frozenset((part,))
        handed = part.paths if isinstance(part, Fork) else (part,)
        last = part is scope.parts[-1]
        for name in handed:
            used_here = consumers[name] & (scope.inside - own)
            if used_here or (name in scope.exports and not last):
                scope.variables[name] = unique(keys[name], taken, VARIABLE_NAME_LENGTH)
                taken.add(scope.variables[name])
