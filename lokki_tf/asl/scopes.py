"""Assignment of variables to scopes, and the outputs of branches.

A scope is the sequence of states of the state machine itself, of one branch of a Parallel state, or
of a map's body. A branch can read variables of outer scopes but not assign them; a map's body reads
none, since a Distributed Map runs it as another execution. Values for outer scopes must be in a
scope's output. A scope may not assign a name that an enclosing scope assigns.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from lokki_tf.model import AnyNode, Graph, Map, Node, Wait
from lokki_tf.model.names import identifier, unique
from lokki_tf.runtime.maps import RESULT

from .quotas import VARIABLE_NAME_LENGTH
from .structure import Block, Parallel, Series, nest

_RESERVED = {"states"}  # Step Functions' own


@dataclass(slots=True, eq=False)
class Scope:
    """The states of the state machine, of one branch of a Parallel state, or of a map's body.

    Args:
        parts: The parts that run one after another.
        outer: The enclosing scope, ``None`` for the state machine's own.
        of: The map, if this is the outermost scope of its body.
        inside: Names of all nodes here and in branches; of a map's body, only the map's.
        variables: From the nodes whose results are assigned here to the variables.
        exports: Inner nodes whose results are needed outside, in the graph's order, each with the
            key of its envelope in the scope's output.
    """

    parts: tuple[str | Fork | Loop, ...] = ()
    outer: Scope | None = None
    of: Map | None = None
    inside: frozenset[str] = frozenset()
    variables: dict[str, str] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)

    def variable(self, node: str) -> str:
        """Return the variable with a node's result, here or in an enclosing scope."""
        scope: Scope | None = self
        while scope is not None:
            if node in scope.variables:
                return scope.variables[node]
            scope = None if scope.of else scope.outer  # a map's body cannot read outer variables
        raise KeyError(node)

    @property
    def map(self) -> Map | None:
        """The innermost map in whose body this scope is."""
        scope: Scope | None = self
        while scope is not None and scope.of is None:
            scope = scope.outer
        return scope.of if scope else None

    def walk(self) -> Iterator[Scope]:
        """Yield this scope and all inner ones, outer ones first."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting.extend(inner for part in reversed(scope.parts) for inner in _inner(part))


@dataclass(slots=True, eq=False)
class Fork:
    """A Parallel state, with a scope for each branch.

    Args:
        branches: The scopes, in the order of the branches.
        inside: Names of all nodes in them.
    """

    branches: tuple[Scope, ...]
    inside: frozenset[str]

    @property
    def paths(self) -> dict[str, str]:
        """Return the position in the Parallel state's result of each exported node's envelope."""
        return {
            name: f"$[{index}].{key}"
            for index, branch in enumerate(self.branches)
            for name, key in branch.exports.items()
        }


@dataclass(slots=True, eq=False)
class Loop:
    """A Map state.

    Args:
        map: The map.
        body: The scope of its states.
    """

    map: Map
    body: Scope


def _inner(part: str | Fork | Loop) -> tuple[Scope, ...]:
    if isinstance(part, Fork):
        return tuple(reversed(part.branches))
    return (part.body,) if isinstance(part, Loop) else ()


def scopes(graph: Graph, cleanup: Node | None = None, ends: Collection[str] | None = None) -> Scope:
    """Return the state machine's scope, with all inner scopes and variables.

    Args:
        graph: The graph.
        cleanup: A node that runs after the graph, as the last state of the outermost scope.
        ends: The nodes whose results are the output, unless those are the last nodes.
    """
    graphs = list(_graphs(graph))
    consumers: dict[str, set[str]] = {node.name: set() for one in graphs for node in one.nodes}
    terminals: set[str] = set()
    silent = {one.name for one in graph.every() if isinstance(one, Wait) and one.value is None}
    for one in graphs:
        last = one.terminals if ends is None or one is not graph else ends
        terminals.update(name for name in last if name not in silent)
        for node in one.nodes:
            for name in node.inputs:
                consumers[name].add(node.name)
    keys = _keys(graphs)
    root = _nested(graph, None, None)
    if cleanup is not None:
        consumers[cleanup.name] = set()
        for name in cleanup.inputs:
            consumers[name].add(cleanup.name)
        root.parts = (*root.parts, cleanup.name)
        root.inside |= {cleanup.name}
    # Either the job or its condition makes the result, which a state after both returns. A Wait
    # state makes none.
    conditional = {n.name for n in graph.walk() if n.step.is_job and n.when is not None}
    conditional |= {n.name for n in graph.walk() if n.step.options.callback and n.when is not None}
    conditional |= {one.name for one in graph.every() if isinstance(one, Wait)}
    for scope in root.walk():
        scope.exports = {
            name: _export_key(scope, name, key)
            for name, key in keys.items()
            if name in scope.inside and (name in terminals or consumers[name] - scope.inside)
        }
    for scope in root.walk():
        _place_variables(scope, consumers, keys, conditional)
    return root


def outermost_parts(graph: Graph) -> tuple[frozenset[str], ...]:
    """Return the nodes of each state of the outermost scope, in the order of execution.

    Args:
        graph: The graph.
    """
    return tuple(handed_out(part)[0] for part in _nested(graph, None, None).parts)


def _export_key(scope: Scope, name: str, key: str) -> str:
    if scope.of is not None:
        return RESULT
    return key if scope.outer else name


def _graphs(graph: Graph) -> Iterator[Graph]:
    """Yield the graph and those of all maps in it."""
    yield graph
    for node in graph.nodes:
        if isinstance(node, Map):
            yield from _graphs(node.body)


def _nested(graph: Graph, outer: Scope | None, of: Map | None) -> Scope:
    """Return the scope of a whole graph: the state machine's own, or a map's body."""
    stated = ((node.name, _expected(node)) for node in graph.nodes)
    seconds = {name: expected for name, expected in stated if expected is not None}
    scope = _scope(graph, nest(graph.predecessors, seconds), outer)
    scope.of = of
    return scope


def _expected(node: AnyNode) -> float | None:
    """Return the stated duration of a node in seconds, if it has one."""
    if isinstance(node, Node):
        return node.step.options.expected_seconds
    return float(node.seconds) if isinstance(node, Wait) and node.seconds is not None else None


def _scope(graph: Graph, block: Block, outer: Scope | None) -> Scope:
    scope = Scope(outer=outer)
    parts: list[str | Fork | Loop] = []
    inside: set[str] = set()
    for part in block.parts if isinstance(block, Series) else (block,):
        if isinstance(part, Parallel):
            branches = tuple(_scope(graph, branch, scope) for branch in part.branches)
            fork = Fork(branches, frozenset().union(*(b.inside for b in branches)))
            parts.append(fork)
            inside |= fork.inside
            continue
        assert isinstance(part, str)
        node = graph.by_name[part]
        parts.append(Loop(node, _nested(node.body, scope, node)) if isinstance(node, Map) else part)
        inside.add(part)
    scope.parts = tuple(parts)
    scope.inside = frozenset(inside)
    return scope


def _keys(graphs: list[Graph]) -> dict[str, str]:
    """Return a name for each node that is valid in a path."""
    keys: dict[str, str] = {}
    taken = set(_RESERVED)
    for graph in graphs:
        for node in graph.nodes:
            keys[node.name] = unique(identifier(node.name), taken, VARIABLE_NAME_LENGTH)
            taken.add(keys[node.name])
    return keys


def handed_out(part: str | Fork | Loop) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return all nodes of a part, and those whose envelopes are in its state's result."""
    if isinstance(part, Fork):
        return part.inside, tuple(part.paths)
    name = part.map.name if isinstance(part, Loop) else part
    return frozenset((name,)), (name,)


def _place_variables(
    scope: Scope, consumers: dict[str, set[str]], keys: dict[str, str], conditional: set[str]
) -> None:
    """Choose variables for the results that a later state of the scope reads or puts out."""
    taken = set(_RESERVED)
    around = scope.outer
    while around is not None:
        taken.update(around.variables.values())
        around = around.outer
    for part in scope.parts:
        own, handed = handed_out(part)
        last = part is scope.parts[-1]
        for name in handed:
            used_here = consumers[name] & (scope.inside - own)
            handed_on = name in scope.exports and (not last or part in conditional)
            if used_here or handed_on:
                scope.variables[name] = unique(keys[name], taken, VARIABLE_NAME_LENGTH)
                taken.add(scope.variables[name])
