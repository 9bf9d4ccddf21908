"""How little nested series and parallels make nodes wait: ``python -m benchmarks.parallelism``.

Every makespan is divided by the critical path, below which no schedule can get. The durations
are not known when the nodes are nested, unless a row says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import mean, quantiles
from typing import TypeAlias

from lokki_tf.asl.structure import Block, Parallel, Series, makespan, nest

SEED = 20_240_101
GRAPHS = 200
DRAWS = 5
"""How many times durations are drawn for each graph."""

Predecessors: TypeAlias = dict[str, list[str]]
Seconds: TypeAlias = dict[str, float]


def random_graph(dice: random.Random, nodes: int, probability: float) -> Predecessors:
    """A graph with each edge from an earlier to a later node as likely as any other."""
    return {
        f"n{j}": [f"n{i}" for i in range(j) if dice.random() < probability] for j in range(nodes)
    }


def drawn_seconds(dice: random.Random, predecessors: Predecessors) -> Seconds:
    """Durations that differ as those of real steps do: lognormal with sigma 1."""
    return {name: dice.lognormvariate(0, 1) for name in predecessors}


def generations(predecessors: Predecessors) -> Block:
    """The structure of one barrier a generation: every level waits for all of the one before."""
    level: dict[str, int] = {}
    rows: list[list[str]] = []
    for name, befores in predecessors.items():
        level[name] = 1 + max((level[before] for before in befores), default=-1)
        rows.extend([] for _ in range(level[name] + 1 - len(rows)))
        rows[level[name]].append(name)
    parts: list[Block] = [row[0] if len(row) == 1 else Parallel(tuple(row)) for row in rows]
    return parts[0] if len(parts) == 1 else Series(tuple(parts))


def critical_path(predecessors: Predecessors, seconds: Seconds) -> float:
    """The duration of the longest chain of dependent nodes, given in topological order."""
    end: dict[str, float] = {}
    for name, befores in predecessors.items():
        end[name] = seconds[name] + max((end[before] for before in befores), default=0.0)
    return max(end.values())


def timed(build: Callable[[], Block]) -> tuple[Block, float]:
    """A block, and the seconds that it took to build."""
    start = time.perf_counter()
    block = build()
    return block, time.perf_counter() - start


class Row:
    """One way to nest: its ratios of makespan to critical path, and its times to build."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.ratios: list[float] = []
        self.builds: list[float] = []
        self.large: list[float] = []

    def built(self, build: Callable[[], Block], nodes: int) -> Block:
        """Build a block and note how long it took."""
        block, took = timed(build)
        self.builds.append(took)
        if nodes >= 38:
            self.large.append(took)
        return block

    def __str__(self) -> str:
        p95 = quantiles(self.ratios, n=20)[-1]
        return (
            f"{self.title:34} {mean(self.ratios):7.3f} {p95:7.3f} {max(self.ratios):7.3f}"
            f" {mean(self.builds) * 1e3:9.1f} {mean(self.large) * 1e3:9.1f}"
            f" {max(self.builds) * 1e3:9.1f}"
        )


def compare() -> list[Row]:
    """Nest many random graphs in each way."""
    dice = random.Random(SEED)
    barriers, unknown = Row("one barrier a generation"), Row("nest, durations unknown")
    known = Row("nest, durations stated")
    for _ in range(GRAPHS):
        size = dice.randint(12, 40)
        graph = random_graph(dice, size, dice.uniform(0.03, 0.30))
        layered = barriers.built(partial(generations, graph), size)
        blind = unknown.built(partial(nest, graph), size)
        for _ in range(DRAWS):
            seconds = drawn_seconds(dice, graph)
            told = known.built(partial(nest, graph, seconds), size)
            shortest = critical_path(graph, seconds)
            for row, block in ((barriers, layered), (unknown, blind), (known, told)):
                row.ratios.append(makespan(block, seconds) / shortest)
    return [barriers, unknown, known]


def shapes() -> Iterator[tuple[str, Predecessors]]:
    """Graphs that are large, deep or wide."""
    dice = random.Random(SEED)
    for edges in (1, 3, 8):
        title = f"500 nodes, some {edges} predecessors"
        yield title, random_graph(dice, 500, 2 * edges / 500)
    yield "500 nodes, an edge in ten", random_graph(dice, 500, 0.1)
    yield "500 nodes, an edge in two", random_graph(dice, 500, 0.5)
    yield "chain of 10,000", {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(10_000)}
    yield "1,000 that are independent", {f"n{i}": [] for i in range(1_000)}
    yield "10 layers of 100, all edges", layers(dice, 1.0)
    yield "10 layers of 100, 3% of edges", layers(dice, 0.03)
    yield "40 diamonds in a row", diamonds(40)


def layers(dice: random.Random, probability: float) -> Predecessors:
    """Ten layers of a hundred nodes, with edges from each layer to the next."""
    return {
        f"n{layer}_{i}": [
            f"n{layer - 1}_{j}" for j in range(100) if layer and dice.random() < probability
        ]
        for layer in range(10)
        for i in range(100)
    }


def diamonds(count: int) -> Predecessors:
    """Two nodes between one and the next, over and over."""
    graph: Predecessors = {"n0": []}
    for i in range(count):
        graph[f"left{i}"] = graph[f"right{i}"] = [f"n{i}"]
        graph[f"n{i + 1}"] = [f"left{i}", f"right{i}"]
    return graph


def main() -> None:
    """Print both tables."""
    print(f"{GRAPHS} random graphs of 12 to 40 nodes, {DRAWS} draws of durations each\n")
    print(f"{'makespan / critical path':34} {'mean':>7} {'p95':>7} {'max':>7}", end="")
    print(f" {'build ms':>9} {'38+ nodes':>9} {'max':>9}")
    for row in compare():
        print(row)
    print(f"\n{'time to build':34} {'ms':>7} {'ratio':>7} {'one barrier a generation':>25}")
    dice = random.Random(SEED)
    for title, graph in shapes():
        block, took = timed(partial(nest, graph))
        draws = [drawn_seconds(dice, graph) for _ in range(DRAWS)]
        ratios = [
            mean(makespan(b, s) / critical_path(graph, s) for s in draws)
            for b in (block, generations(graph))
        ]
        print(f"{title:34} {took * 1e3:7.0f} {ratios[0]:7.3f} {ratios[1]:25.3f}")


if __name__ == "__main__":
    main()
