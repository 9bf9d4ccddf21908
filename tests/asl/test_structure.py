"""The nesting of a graph into series and parallels."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations, product
from statistics import mean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.asl.structure import Block, Parallel, Series, makespan, nest

Predecessors = Mapping[str, Collection[str]]

N = {"a": [], "b": [], "c": ["a", "b"], "d": ["b"]}


@st.composite
def orders(draw: st.DrawFn, most: int = 16) -> dict[str, list[str]]:
    """Any acyclic graph, its nodes not always written after their predecessors."""
    size = draw(st.integers(1, most))
    written = draw(st.permutations(range(size)))
    chosen = draw(st.integers(0, 2 ** (size * (size - 1) // 2) - 1))
    chosen &= draw(st.integers(0, 2 ** (size * (size - 1) // 2) - 1))
    before: dict[int, list[str]] = {v: [] for v in written}
    for i, (u, v) in enumerate(combinations(range(size), 2)):
        if chosen >> i & 1:
            before[v].append(f"n{u}")
    return {f"n{v}": before[v] for v in written}


trees = st.recursive(
    st.just("leaf"),
    lambda child: st.tuples(st.sampled_from((Series, Parallel)), st.lists(child, min_size=2)),
    max_leaves=40,
)
seconds_of_nodes = st.dictionaries(
    st.integers(0, 39).map("n{}".format), st.floats(0, 1000), max_size=40
)


@given(orders())
def test_a_node_runs_after_all_that_it_depends_on(order: Predecessors) -> None:
    """Each dependency goes from one part of a series to a later part of the same series."""
    later = _later(nest(order))
    assert all((u, v) in later for v, befores in order.items() for u in befores)


@given(orders(), seconds_of_nodes)
def test_each_node_stands_once(order: Predecessors, seconds: dict[str, float]) -> None:
    """No node is lost or repeated, with durations stated or not."""
    assert sorted(_names(nest(order))) == sorted(order)
    assert sorted(_names(nest(order, seconds))) == sorted(order)


@given(orders())
def test_blocks_are_in_normal_form(order: Predecessors) -> None:
    """Nothing is nested without need: not alone, and not in a block of its own kind."""
    for block in _blocks(nest(order)):
        if not isinstance(block, str):
            children = _children(block)
            assert len(children) > 1
            assert not any(isinstance(child, type(block)) for child in children)


@given(orders())
def test_branches_stand_as_their_first_nodes_were_written(order: Predecessors) -> None:
    """Branches of a parallel keep the order in which the graph lists their first nodes."""
    rank = {name: i for i, name in enumerate(order)}
    for block in _blocks(nest(order)):
        if isinstance(block, Parallel):
            first = [min(rank[name] for name in _names(branch)) for branch in block.branches]
            assert first == sorted(first)


@given(orders(), st.data())
def test_only_the_order_itself_matters(order: dict[str, list[str]], data: st.DataObject) -> None:
    """Dependencies that others imply, repetitions and the order of a list change nothing."""
    more = {}
    for v, above in _closure(order).items():
        implied = data.draw(st.sets(st.sampled_from(sorted(above)))) if above else set()
        more[v] = data.draw(st.permutations([*order[v], *implied]))
    assert nest(more) == nest(order)


@given(trees, st.booleans(), st.booleans(), st.data())
def test_a_series_parallel_order_loses_nothing(
    tree: Any, redundant: bool, stated: bool, data: st.DataObject
) -> None:
    """An order that blocks can express takes as long as its critical path, for any durations."""
    order: dict[str, list[str]] = {}
    _grow(tree, [], order)
    if redundant:
        order = {v: sorted(above) for v, above in _closure(order).items()}
    draw = st.fixed_dictionaries({name: st.integers(0, 50) for name in order})
    seconds = data.draw(draw)
    block = nest(order, data.draw(draw) if stated else None)
    assert makespan(block, seconds) == _critical_path(order, seconds)


@given(orders(), seconds_of_nodes)
def test_no_block_beats_the_critical_path(order: Predecessors, seconds: dict[str, float]) -> None:
    """A makespan shorter than the critical path would mean that a dependency is missing."""
    full = {name: round(seconds.get(name, 1.0)) for name in order}
    assert makespan(nest(order, seconds), full) >= _critical_path(order, full)


def test_mean_makespan_beats_one_barrier_a_generation() -> None:
    """Random graphs wait less than half as much as with a barrier after each generation."""
    dice = random.Random(11)
    nested, layered = [], []
    for _ in range(20):
        size, likely = dice.randint(12, 40), dice.uniform(0.03, 0.30)
        order = {
            f"n{j}": [f"n{i}" for i in range(j) if dice.random() < likely] for j in range(size)
        }
        seconds = {name: dice.lognormvariate(0, 1) for name in order}
        shortest = _critical_path(order, seconds)
        nested.append(makespan(nest(order), seconds) / shortest - 1)
        layered.append(makespan(_generations(order), seconds) / shortest - 1)
    assert mean(nested) < mean(layered) / 2


def test_a_wide_layered_graph_does_not_lose_to_its_layers() -> None:
    """Where generations are the best there is, they are found."""
    dice = random.Random(3)
    order = {
        f"n{layer}_{i}": [f"n{layer - 1}_{j}" for j in range(60) if layer and dice.random() < 0.06]
        for layer in range(6)
        for i in range(60)
    }
    draws = [{name: dice.lognormvariate(0, 1) for name in order} for _ in range(5)]
    nested, layered = nest(order), _generations(order)
    assert mean(makespan(nested, s) for s in draws) <= mean(makespan(layered, s) for s in draws)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (
            {"a": 1, "b": 5, "c": 1, "d": 5},
            Series(("b", Parallel((Series(("a", "c")), "d")))),
        ),
        (
            {"a": 5, "b": 1, "c": 5, "d": 1},
            Series((Parallel(("a", Series(("b", "d")))), "c")),
        ),
        (
            {"a": 2, "b": 2, "c": 3, "d": 3},
            Series((Parallel(("a", "b")), Parallel(("c", "d")))),
        ),
    ],
)
def test_stated_durations_decide_where_the_barrier_goes(
    seconds: dict[str, float], expected: Block
) -> None:
    """The same graph gets the barrier that costs least for the durations at hand."""
    assert nest(N, seconds) == expected


def test_equal_makespans_go_to_the_fewest_parallels() -> None:
    """A Parallel state is a transition to pay for, so one that gains nothing is not there."""
    assert nest(N, {"a": 1, "b": 1, "c": 2, "d": 0}) == Series((Parallel(("a", "b")), "c", "d"))


def test_a_hash_seed_changes_nothing() -> None:
    """Sets of names come in another order in every process, and the same block comes out."""
    code = (
        "import random; from lokki_tf.asl.structure import nest; dice = random.Random(5);"
        "print(nest({f'n{j}': {f'n{i}' for i in range(j) if dice.random() < .15}"
        " for j in range(30)}))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1
    assert "Parallel" in printed.pop()


def test_a_long_chain_is_one_series() -> None:
    """Ten thousand nodes in a row need no more than Python's usual stack."""
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(10_000)}
    assert nest(chain) == Series(tuple(chain))


def test_deep_nesting_needs_no_recursion() -> None:
    """Blocks may be nested deeper than Python's usual stack."""
    order: dict[str, list[str]] = {"s0": []}
    for i in range(600):
        order[f"x{i}"] = order[f"s{i + 1}"] = [f"s{i}"]
    assert makespan(nest(order), {}) == 601


def test_a_node_alone_is_its_own_block() -> None:
    """A single node needs neither a series nor a parallel."""
    assert nest({"only": []}) == "only"


def test_makespan_counts_a_second_for_a_node_without_a_duration() -> None:
    """Parts of a series add up, the longest branch of a parallel counts."""
    block = Series(("a", Parallel(("b", Series(("c", "d")))), "e"))
    assert makespan(block, {"b": 1.5, "e": 4.0}) == 7.0


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({}, "there are no nodes to nest"),
        ({"a": ["b"]}, "'a' must come after 'b', which is not a node"),
        ({"a": ["b"], "b": ["a"]}, "nodes depend on each other in a cycle"),
        ({"a": ["a"]}, "nodes depend on each other in a cycle"),
    ],
)
def test_what_is_no_order_is_refused(order: Predecessors, message: str) -> None:
    """An error names what is wrong instead of a block that runs something else."""
    with pytest.raises(ValueError, match=message):
        nest(order)


def _children(block: Series | Parallel) -> tuple[Block, ...]:
    return block.parts if isinstance(block, Series) else block.branches


def _blocks(block: Block) -> Iterator[Block]:
    yield block
    if not isinstance(block, str):
        for child in _children(block):
            yield from _blocks(child)


def _names(block: Block) -> list[str]:
    return [found for found in _blocks(block) if isinstance(found, str)]


def _later(block: Block) -> set[tuple[str, str]]:
    """All pairs of which the second runs after the first."""
    pairs: set[tuple[str, str]] = set()
    for found in _blocks(block):
        if isinstance(found, Series):
            for one, two in combinations(found.parts, 2):
                pairs.update(product(_names(one), _names(two)))
    return pairs


def _closure(order: Predecessors) -> dict[str, set[str]]:
    """All predecessors of each node, direct or not."""
    above = {v: set(befores) for v, befores in order.items()}
    for _ in order:
        for befores in above.values():
            befores.update(*(above[u] for u in list(befores)))
    return above


def _grow(tree: Any, before: list[str], order: dict[str, list[str]]) -> list[str]:
    """Add the nodes of a tree to an order, after those given; return its last nodes."""
    if tree == "leaf":
        name = f"n{len(order)}"
        order[name] = before
        return [name]
    kind, children = tree
    if kind is Parallel:
        return [name for child in children for name in _grow(child, before, order)]
    for child in children:
        before = _grow(child, before, order)
    return before


def _critical_path(order: Predecessors, seconds: Mapping[str, float]) -> float:
    above = _closure(order)
    end: dict[str, float] = {}
    for v in sorted(order, key=lambda name: len(above[name])):
        end[v] = seconds[v] + max((end[u] for u in order[v]), default=0)
    return max(end.values())


def _generations(order: Predecessors) -> Block:
    """One barrier a generation; predecessors come first."""
    level: dict[str, int] = {}
    for v, befores in order.items():
        level[v] = 1 + max((level[u] for u in befores), default=-1)
    rows = [[v for v in order if level[v] == row] for row in range(1 + max(level.values()))]
    return Series(tuple(row[0] if len(row) == 1 else Parallel(tuple(row)) for row in rows))
