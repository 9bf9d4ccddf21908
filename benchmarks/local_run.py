"""What the local run costs, beside the barest ways to call the same functions.

    python benchmarks/local_run.py [--repeat 5]

Per node: a loop that knows the order, a ``ThreadPoolExecutor`` that waits for each
generation (as systems built on ``networkx.topological_generations`` do), and lokki_tf with
its executors. Per item: a ``ThreadPoolExecutor.map`` of the same function, and lokki_tf's
map. Then what waiting costs: 64 steps of 50 ms at once, and how long after its predecessor
a step begins beside a long one. Each figure is the best of the repeats.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from lokki_tf.errors import Place
from lokki_tf.local import run
from lokki_tf.model import (
    Definition,
    Graph,
    Item,
    Literal,
    Map,
    MapOptions,
    Node,
    Output,
    Step,
    StepOptions,
    generations,
)

PLACE = Place(__file__, 1)


def node(name: str, function: Callable[..., Any], *args: Any) -> Node:
    """A node; strings are names of nodes."""
    bindings = tuple(_bound(arg) for arg in args)
    step = Step(name, function, StepOptions(), PLACE)
    return Node(name, step, bindings, (), (), (), PLACE)


def _bound(arg: Any) -> Any:
    if isinstance(arg, Item):
        return arg
    return Output(arg) if isinstance(arg, str) else Literal(arg)


def mapped(items: Any, *body: Node, batch_size: int = 1) -> Definition:
    """A map alone."""
    options = MapOptions(batch_size=batch_size)
    return Definition(
        "mapped", Graph((Map("map", Literal(items), Graph(body), (), options, (), PLACE),))
    )


def first(*values: Any) -> Any:
    """A step that costs nothing."""
    return values[0]


def chain(length: int) -> Definition:
    """Each step takes the one before."""
    nodes = [node("n0", first, 0)]
    nodes += [node(f"n{i}", first, f"n{i - 1}") for i in range(1, length)]
    return Definition("chain", Graph(tuple(nodes)))


def layers(width: int, depth: int) -> Definition:
    """Each step takes all of the layer before."""
    nodes = [node(f"n0_{i}", first, i) for i in range(width)]
    for layer in range(1, depth):
        before = [f"n{layer - 1}_{i}" for i in range(width)]
        nodes += [node(f"n{layer}_{i}", first, *before) for i in range(width)]
    return Definition("layers", Graph(tuple(nodes)))


def sleepers(count: int, seconds: float) -> Definition:
    """Steps that wait, none for another."""
    nodes = (node(f"n{i}", time.sleep, seconds) for i in range(count))
    return Definition("sleepers", Graph(tuple(nodes)))


def in_a_loop(definition: Definition) -> None:
    """The least that can be done: gather arguments, call, keep the result."""
    values: dict[str, Any] = {}
    for one in definition.graph.walk():
        values[one.name] = one.step.function(*(_value(arg, values) for arg in one.args))


def by_generations(definition: Definition, workers: int = 64) -> None:
    """A thread pool that waits for all of a generation before it begins the next."""
    values: dict[str, Any] = {}

    def call(one: Node) -> Any:
        return one.step.function(*(_value(arg, values) for arg in one.args))

    with ThreadPoolExecutor(workers) as pool:
        for generation in _generations(definition):
            results = pool.map(call, generation)
            values.update(zip([one.name for one in generation], list(results), strict=True))


def _generations(definition: Definition) -> Iterator[list[Node]]:
    try:
        networkx: Any = importlib.import_module("networkx")
    except ImportError:
        for generation in generations(definition.graph.nodes):
            yield [one for one in generation if isinstance(one, Node)]
        return
    graph = networkx.DiGraph()
    graph.add_nodes_from(one.name for one in definition.graph.nodes)
    graph.add_edges_from(
        (name, one.name) for one in definition.graph.nodes for name in one.predecessors
    )
    for names in networkx.topological_generations(graph):
        nodes = [definition.graph.by_name[name] for name in names]
        yield [one for one in nodes if isinstance(one, Node)]


def _value(binding: Any, values: dict[str, Any]) -> Any:
    return values[binding.node] if isinstance(binding, Output) else binding.value


WAYS: dict[str, Callable[[Definition], Any]] = {
    "a bare loop": in_a_loop,
    "thread pool by generations": by_generations,
    "lokki_tf, sequential": lambda definition: run(definition, executor="sequential"),
    "lokki_tf, threads": run,
    "lokki_tf, threads, events": lambda definition: run(definition, on_event=_ignore),
    "lokki_tf, threads, strict": lambda definition: run(definition, strict=True),
    "lokki_tf, processes": lambda definition: run(definition, executor="process"),
}


def _ignore(event: object) -> None:
    pass


def _nap(_: object) -> None:
    time.sleep(0.05)


def best(repeat: int, function: Callable[[], Any]) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


def per_node(repeat: int) -> None:
    """Print microseconds a node, for each graph and each way."""
    graphs = {
        "chain of 1,000": chain(1_000),
        "chain of 10,000": chain(10_000),
        "10 wide, 1,000": layers(10, 100),
        "1,000 apart": layers(1_000, 1),
    }
    print("µs a node".ljust(28), *(name.rjust(16) for name in graphs))
    for way, call in WAYS.items():
        print(way.ljust(28), end=" ")
        for definition in graphs.values():
            count = len(definition.graph.nodes)
            times = 1 if way.endswith("processes") else repeat
            seconds = best(times, partial(call, definition))
            print(f"{seconds / count * 1e6:16.1f}", end=" ", flush=True)
        print()


def per_item(repeat: int) -> None:
    """Print microseconds an item: quick steps, one an item, three in a row, and two and one."""
    count = 10_000
    one = node("a", first, Item())
    bodies = {
        "one step": [one],
        "a chain of 3": [one, node("b", first, "a"), node("c", first, "b")],
        "2 side by side": [one, node("b", first, Item()), node("c", first, "a", "b")],
    }
    print("\nµs an item of 10,000".ljust(29), *(name.rjust(16) for name in bodies))
    with ThreadPoolExecutor() as pool:

        def in_rounds(rounds: int) -> None:
            for _ in range(rounds):
                list(pool.map(first, range(count)))

        figures = [best(repeat, partial(in_rounds, len(body))) for body in bodies.values()]
    _print_row("ThreadPoolExecutor.map", figures, count)
    for way, call in WAYS.items():
        if way.startswith("lokki_tf"):
            size = 100 if way.endswith("processes") else 1
            definitions = [mapped(range(count), *body, batch_size=size) for body in bodies.values()]
            times = [best(repeat, partial(call, definition)) for definition in definitions]
            _print_row(way + (", batches of 100" if size > 1 else ""), times, count)


def _print_row(name: str, seconds: list[float], count: int) -> None:
    print(name.ljust(28), *(f"{one / count * 1e6:16.1f}" for one in seconds))


def waiting(repeat: int) -> None:
    """Print what 64 steps of 50 ms take in all, and how promptly a ready step begins."""
    definition = sleepers(64, 0.05)
    print("\n64 steps of 50 ms at once, ms in all")
    for way in ("thread pool by generations", "lokki_tf, threads", "lokki_tf, threads, strict"):
        seconds = best(repeat, partial(WAYS[way], definition))
        print(way.ljust(28), f"{seconds * 1e3:16.1f}")
    items = mapped(range(64), node("nap", _nap, Item()))
    print("as 64 items of a map".ljust(28), f"{best(repeat, lambda: run(items)) * 1e3:16.1f}")
    beside = Definition(
        "beside",
        Graph((node("long", time.sleep, 0.5), node("a", time.sleep, 0.1), node("b", first, "a"))),
    )
    outcome = run(beside)
    began, ready = outcome.timings["b"][0], outcome.timings["a"][1]
    print(f"\na step ready at {ready:.4f} s beside one of 0.5 s begins at {began:.4f} s")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    per_node(repeat)
    per_item(repeat)
    waiting(repeat)


if __name__ == "__main__":
    main()
