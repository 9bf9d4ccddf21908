"""Measure the time per step in lokki_tf and other engines, alternately in one run.

    python benchmarks/engines.py [--repeat 5]

Every engine runs the same graphs, in which each step has its own function that adds one,
and returns all results.

- ``flowkit-shaped`` is an engine as flowkit's README describes it: a thread pool,
  ``as_completed`` over the submitted calls, and a JSON file that is rewritten with each
  result. It has neither flowkit's log and search for cycles nor an indented file, which would
  only take time.
- ``dask`` is ``dask.threaded.get`` of a dict. ``dask.delayed`` takes longer to make the graph
  and to merge the graphs of all results. Neither stores results between runs.
- ``prefect`` uses its own server on this computer, with all files in a temporary folder. It
  stores results with its policy ``INPUTS``.

Each engine has its own process, so that loaded modules do not affect the others. The processes
run alternately. Each figure is the best of the repeats, after a warm-up round. It is followed by
its ratio to the figure of lokki_tf.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

Befores = dict[str, list[str]]
Graph = dict[str, tuple[Callable[..., Any], list[str]]]
"""From each step's name to its function, and to the names of those whose results it takes."""
Results = dict[str, Any]
Figures = tuple[float | None, ...]


# The graphs.


def chain(length: int) -> Befores:
    """Each step takes the one before."""
    return {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(length)}


def layers(width: int, depth: int) -> Befores:
    """Each step takes all of the layer before."""
    return {
        f"n{layer}_{i}": [f"n{layer - 1}_{j}" for j in range(width)] if layer else []
        for layer in range(depth)
        for i in range(width)
    }


SHAPES: dict[str, Callable[[int], Befores]] = {
    "chain": chain,
    "layers": lambda count: layers(10, count // 10),
    "ready_after_one": lambda _: {"long": [], "a": [], "last": ["a"]},
    "ready_after_two": lambda _: {"long": [], "a": [], "b": ["a"], "last": ["b"]},
}
NAPS = {
    "ready_after_one": {"long": 0.5, "a": 0.1, "last": 0.0},
    "ready_after_two": {"long": 0.5, "a": 0.05, "b": 0.05, "last": 0.0},
}
ADDS_ONE = "def {}(first, *others):\n    return first + 1\n"
BEGINS = "def {}(first=0):\n    return first + int(os.environ['BEGIN']) + 1\n"
NAPS_AND_TELLS_WHEN = """def {}(*before):
    began = time.perf_counter()
    time.sleep({})
    return began
"""


def graph_of(shape: str, count: int, folder: Path) -> Graph:
    """A graph of functions of a module that is written for it: a function a step."""
    befores, naps = SHAPES[shape](count), NAPS.get(shape)
    texts = ["import os\nimport time\n"]
    for name, before in befores.items():
        if naps is None:
            texts.append((ADDS_ONE if before else BEGINS).format(name))
        else:
            texts.append(NAPS_AND_TELLS_WHEN.format(name, naps[name]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"steps_of_{shape}.py").write_text("\n\n".join(texts))
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = importlib.import_module(f"steps_of_{shape}")
    return {name: (getattr(module, name), before) for name, before in befores.items()}


# The engines.


class Engine(Protocol):
    """Something that runs graphs."""

    count: int
    """How many steps it is given."""
    keeps: bool
    """Whether it finds results of earlier runs."""

    def open(self, folder: Path) -> None:
        """Load what it needs.

        Args:
            folder: Where it may write.
        """

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        """Make of a graph what a call runs.

        Args:
            graph: The graph.
            path: Where results are kept, if they are to be kept.
        """


class LokkiTf:
    """Tasks with arrows between them, in threads."""

    count = 1_000
    keeps = False

    def open(self, folder: Path) -> None:
        self._lokki_tf: Any = importlib.import_module("lokki_tf")
        try:
            importlib.import_module("lokki_tf.local.state")
        except ImportError:
            return
        self.keeps = True

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        tasks = {name: self._lokki_tf.task(function) for name, (function, _) in graph.items()}
        for name, (_, before) in graph.items():
            if before:
                [tasks[one] for one in before] >> tasks[name]
        dag = self._lokki_tf.DAG("engines", tasks=tasks.values())
        _ = dag.definition  # else the first run would make it
        return partial(dag.run, state=path)


class FlowkitShaped:
    """A thread pool that is asked what has ended, and a JSON file."""

    count = 1_000
    keeps = True

    def open(self, folder: Path) -> None:
        pass

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        after: dict[str, list[str]] = {name: [] for name in graph}
        for name, (_, before) in graph.items():
            for one in before:
                after[one].append(name)
        return partial(self._run, graph, after, path)

    def _run(self, graph: Graph, after: dict[str, list[str]], path: Path | None) -> Results:
        state = None if path is None else JsonState(path)
        results: Results = {}
        lacking = {name: len(before) for name, (_, before) in graph.items()}
        under_way: dict[Future[Any], str] = {}
        with ThreadPoolExecutor() as pool:

            def submit(name: str) -> None:
                function, before = graph[name]
                args = [results[one] for one in before]
                if state is None:
                    under_way[pool.submit(function, *args)] = name
                else:
                    under_way[pool.submit(state.called, name, function, *args)] = name

            for name in [name for name, number in lacking.items() if not number]:
                submit(name)
            while under_way:
                for future in as_completed(under_way):  # what is submitted meanwhile is not asked
                    name = under_way.pop(future)
                    results[name] = future.result()
                    for one in after[name]:
                        lacking[one] -= 1
                        if not lacking[one]:
                            submit(one)
        return results


class JsonState:
    """Results by name in a JSON file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def called(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """What the file has, or else what the function returns."""
        if name in self._entries:
            return self._entries[name]["value"]
        value = function(*args)
        self._entries[name] = {"value": value, "timestamp": time.time(), "ttl": None}
        self._path.write_text(json.dumps(self._entries))
        return value


class Dask:
    """``dask.threaded.get`` of a graph as a dict."""

    count = 1_000
    keeps = False

    def open(self, folder: Path) -> None:
        self._threaded: Any = importlib.import_module("dask.threaded")

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        tasks = {name: (function, *before) for name, (function, before) in graph.items()}
        return partial(self._run, tasks)

    def _run(self, tasks: dict[str, tuple[Any, ...]]) -> Results:
        names = list(tasks)
        return dict(zip(names, self._threaded.get(tasks, names), strict=True))


class DaskDelayed:
    """Calls of ``dask.delayed``, computed in threads."""

    count = 1_000
    keeps = False

    def open(self, folder: Path) -> None:
        self._dask: Any = importlib.import_module("dask")

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        calls: dict[str, Any] = {}
        for name, (function, before) in graph.items():
            calls[name] = self._dask.delayed(function)(*(calls[one] for one in before))
        return partial(self._run, calls)

    def _run(self, calls: dict[str, Any]) -> Results:
        values = self._dask.compute(*calls.values(), scheduler="threads")
        return dict(zip(calls, values, strict=True))


class Prefect:
    """A flow whose tasks are submitted with the futures of those before."""

    count = 100  # each takes tens of milliseconds
    keeps = True

    def open(self, folder: Path) -> None:
        # Without the user's settings and account; everything stays on this computer.
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            del os.environ[name]
        os.environ |= {
            "DO_NOT_TRACK": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
        }
        self._prefect: Any = importlib.import_module("prefect")
        self._settings: Any = importlib.import_module("prefect.settings")
        self._runners: Any = importlib.import_module("prefect.task_runners")
        self._inputs = importlib.import_module("prefect.cache_policies").INPUTS
        self.ready({"nothing": (_nothing, [])}, None)()  # begins the server

    def ready(self, graph: Graph, path: Path | None) -> Callable[[], Results]:
        options = {} if path is None else {"persist_result": True, "cache_policy": self._inputs}
        tasks = {
            name: (self._prefect.task(function, name=name, **options), before)
            for name, (function, before) in graph.items()
        }

        def all_of_them() -> Results:
            futures: dict[str, Any] = {}
            for name, (task, before) in tasks.items():
                futures[name] = task.submit(*(futures[one] for one in before))
            return {name: future.result() for name, future in futures.items()}

        runner = self._runners.ThreadPoolTaskRunner()
        return partial(self._run, self._prefect.flow(all_of_them, task_runner=runner), path)

    def _run(self, flow: Callable[[], Results], path: Path | None) -> Results:
        updates = {} if path is None else {self._settings.PREFECT_LOCAL_STORAGE_PATH: path}
        with self._settings.temporary_settings(updates):
            return flow()


def _nothing() -> None:
    pass


ENGINES: dict[str, Callable[[], Engine]] = {
    "lokki_tf": LokkiTf,
    "flowkit-shaped": FlowkitShaped,
    "dask": Dask,
    "dask.delayed": DaskDelayed,
    "prefect": Prefect,
}
OURS = "lokki_tf"
PIP = {"dask": "dask", "dask.delayed": "dask", "prefect": "'prefect==3.8.*' 'fastapi<0.140'"}
"""What brings an engine that is missing; later ones of fastapi break that prefect."""


# What is measured, in the engine's process.


class Bench:
    """An engine with what it runs.

    Args:
        engine: The engine.
        folder: A folder of its own.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self._folder = folder
        self._graphs: dict[str, Graph] = {}
        engine.open(folder)

    def running(self, shape: str) -> Figures:
        """Microseconds a step of a run, and of the first run with all that comes before it."""
        graph = self._graph(shape)
        os.environ["BEGIN"] = "0"
        with timer() as whole:
            run = self.engine.ready(graph, None)
            self._check(shape, run())
        with timer() as again:
            results = run()
        self._check(shape, results)
        return again() / len(graph) * 1e6, whole() / len(graph) * 1e6

    def keeping(self, shape: str) -> Figures:
        """Microseconds a step of a run that keeps all results, and of one that finds them."""
        if not self.engine.keeps:
            return None, None
        graph, times = self._graph(shape), []
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            for begin in "01":
                os.environ["BEGIN"] = begin  # who runs again instead of finding is found out
                run = self.engine.ready(graph, Path(folder, "state"))
                with timer() as seconds:
                    results = run()
                self._check(shape, results)
                times.append(seconds() / len(graph) * 1e6)
        return tuple(times)

    def waiting(self, shape: str) -> Figures:
        """Seconds from when a first step begins until the last one does."""
        results = self.engine.ready(self._graph(shape), None)()
        return (results["last"] - min(results.values()),)

    def _graph(self, shape: str) -> Graph:
        if shape not in self._graphs:
            self._graphs[shape] = graph_of(shape, self.engine.count, self._folder)
        return self._graphs[shape]

    def _check(self, shape: str, results: Results) -> None:
        count = self.engine.count
        depth = count if shape == "chain" else count // 10
        if len(results) != count or max(results.values()) != depth:
            raise ValueError(f"{shape}: {len(results)} results of {count}, some are wrong")


@contextmanager
def timer() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the duration of the block after its end, in seconds."""
    gc.collect()
    times = [time.perf_counter()]
    yield lambda: times[1] - times[0]
    times.append(time.perf_counter())


bench: Bench


def begin(name: str, folder: Path) -> tuple[int, bool]:
    """Prepare the process for an engine; return its step count and whether it stores results."""
    global bench
    folder.mkdir()
    bench = Bench(ENGINES[name](), folder)
    return bench.engine.count, bench.engine.keeps


def measured(method: str, shape: str) -> Figures:
    """Figures of this process's engine."""
    figures: Figures = getattr(bench, method)(shape)
    return figures


# What is printed.


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Args:
        title: What is measured.
        goal: The largest value for lokki_tf that meets the goal, if any.
        digits: The number of decimal places.
    """

    title: str
    goal: float | None
    digits: int = 1


MEASURED: list[tuple[str, str, list[Row]]] = [
    (
        "running",
        "chain",
        [Row("chain of 1,000, µs a step", 20.0), Row("  the first time, made and run", None)],
    ),
    (
        "running",
        "layers",
        [
            Row("10 wide, 1,000 in all, µs a step", 40.0),
            Row("  the first time, made and run", None),
        ],
    ),
    (
        "keeping",
        "chain",
        [Row("chain, all results kept, µs a step", 150.0), Row("  all results found", 150.0)],
    ),
    (
        "waiting",
        "ready_after_one",
        [Row("ready at 0.10 s beside 0.5 s, begins at", 0.12, digits=3)],
    ),
    ("waiting", "ready_after_two", [Row("  the same after two steps", 0.12, digits=3)]),
]


def processes(folder: Path, stack: ExitStack) -> dict[str, ProcessPoolExecutor]:
    """A process for each engine that is there; says which are not."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for name in ENGINES:
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=context))
        try:
            count, keeps = pool.submit(begin, name, folder / name).result()
        except Exception as error:  # also where versions of what it needs do not fit
            if name == OURS:
                raise
            print(f"without {name} ({type(error).__name__}: {error}): pip install {PIP[name]}")
            continue
        if name == OURS and not keeps:
            print("lokki_tf keeps no results: the module lokki_tf.local.state does not exist")
        if count != 1_000:
            print(f"{name}: graphs of {count} steps, for it is slow")
        found[name] = pool
    return found


def best(
    pools: dict[str, ProcessPoolExecutor], repeat: int, method: str, shape: str
) -> dict[str, list[float | None]]:
    """The least of each engine's figures, all engines in turn."""
    rounds: dict[str, list[Figures]] = {name: [] for name in pools}
    for _ in range(repeat + 1):
        for name, pool in pools.items():
            rounds[name].append(pool.submit(measured, method, shape).result())
    return {
        name: [None if None in column else min(column) for column in zip(*figures[1:], strict=True)]
        for name, figures in rounds.items()
    }


def line(row: Row, figures: dict[str, float | None]) -> str:
    """A row as text."""
    ours = figures[OURS]
    cells = [f"{row.title:<39}", f"{'' if row.goal is None else f'{row.goal:g}':>5}"]
    for name, figure in figures.items():
        number = "–" if figure is None else f"{figure:,.{row.digits}f}"
        ratio = f"×{figure / ours:,.1f}" if figure and ours and name != OURS else ""
        cells.append(f"{number:>9}" if name == OURS else f"{number:>9} {ratio:<8}")
    if row.goal is not None and ours is not None:
        cells.append("met" if ours <= row.goal else "missed")
    return " ".join(cells).rstrip()


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        pools = processes(Path(folder), stack)
        others = " ".join(f"{name:>14}{'':<4}" for name in pools if name != OURS)
        print(f"\n{'':<39} {'goal':>5} {OURS:>9} {others}".rstrip())
        for method, shape, rows in MEASURED:
            figures = best(pools, repeat, method, shape)
            for index, row in enumerate(rows):
                print(line(row, {name: f[index] for name, f in figures.items()}), flush=True)


if __name__ == "__main__":
    main()
