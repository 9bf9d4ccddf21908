"""Tasks: calls, arrows (``>>``), and the graphs that are built from them."""

from __future__ import annotations

import asyncio
import functools
import linecache
from typing import Any

import pytest

from lokki_tf import DAG, Flow, RetryConfig, Task, step, task
from lokki_tf.errors import BindingError, CycleError, DefinitionError, NamingError, OptionError


def before(dag: Any) -> dict[str, tuple[str, ...]]:
    return {node.name: node.predecessors for node in dag.graph.nodes}


def numbered(count: int) -> list[Any]:
    def none(*values: Any) -> list[Any]:
        return list(values)

    return [task(name=f"t{index}")(none) for index in range(count)]


def test_a_call_runs_the_function() -> None:
    """A called task is its function, with all kinds of arguments."""

    @task
    def add(a: int, b: int = 2, *rest: int, c: int = 0) -> int:
        return a + b + sum(rest) + c

    assert add(1) == 3
    assert add(1, 1, 1, c=1) == 4


def test_a_call_has_the_tasks_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing call is retried with growing delays, and its last error is raised."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("random.random", lambda: 1.0)
    tried: list[int] = []

    @task(retries=3, delay=2.0, backoff=3.0)
    def fails() -> None:
        tried.append(1)
        raise ValueError(len(tried))

    with pytest.raises(ValueError, match="4"):
        fails()
    assert slept == [2.0, 6.0, 18.0]


def test_only_listed_errors_are_retried() -> None:
    """retry= selects the errors after which a call is retried."""
    tried: list[int] = []

    @task(retry=RetryConfig(retries=2, delay=0, exceptions=(KeyError,)))
    def fails() -> None:
        tried.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # it has no message
        fails()
    assert len(tried) == 1


def test_an_async_task_is_awaited_with_its_retries() -> None:
    """A call of an async task returns an awaitable, retries included."""
    tried: list[int] = []

    @task(retries=1, delay=0)
    async def later() -> str:
        tried.append(1)
        if len(tried) == 1:
            raise OSError
        return "done"

    async def main() -> str:
        return await later()

    assert asyncio.run(main()) == "done"


def test_inside_a_task_another_is_its_plain_function() -> None:
    """As in Lambda, a task that calls another calls the function, without retries."""
    tried: list[int] = []

    @task(retries=5, delay=0)
    def inner() -> None:
        tried.append(1)
        raise OSError

    @task()
    def outer() -> int:
        try:
            inner()
        except OSError:
            return len(tried)
        return 0

    assert outer.step.function() == 1


@pytest.mark.parametrize("shape", ["chain", "fan out", "fan in", "list to list", "mixed"])
def test_arrows_define_the_graph(shape: str) -> None:
    """Arrows connect single tasks and lists on either side, and chains of both."""
    a, b, c, d, e = numbered(5)
    expected: dict[str, tuple[str, ...]]
    if shape == "chain":
        a >> b >> c >> d >> e
        expected = {"t0": (), "t1": ("t0",), "t2": ("t1",), "t3": ("t2",), "t4": ("t3",)}
    elif shape == "fan out":
        a >> [b, c, d, e]
        expected = {"t0": (), **{f"t{i}": ("t0",) for i in range(1, 5)}}
    elif shape == "fan in":
        [d, c, b, a] >> e
        expected = {**{f"t{i}": () for i in range(4)}, "t4": ("t3", "t2", "t1", "t0")}
    elif shape == "list to list":
        a >> [b, c] >> [d, e]
        expected = {"t0": (), "t1": ("t0",), "t2": ("t0",)}
        expected |= {"t3": ("t1", "t2"), "t4": ("t1", "t2")}
    else:
        a >> b >> [c, d] >> e
        expected = {"t0": (), "t1": ("t0",), "t2": ("t1",), "t3": ("t1",), "t4": ("t2", "t3")}
    assert before(DAG("shapes", tasks=[a, b, c, d, e])) == expected


def test_a_repeated_arrow_counts_once_and_last() -> None:
    """A repeated arrow counts once; its last occurrence decides the order of arguments."""
    a, b, c = numbered(3)
    b >> c
    [a, b] >> c
    assert before(DAG("again", tasks=[c]))["t2"] == ("t0", "t1")


def test_a_dag_contains_the_tasks_around_it() -> None:
    """A DAG contains the tasks of the function that creates it, and none of other functions."""

    @task()
    def one() -> int:
        return 1

    @task()
    def alone() -> int:
        return 2

    def elsewhere() -> dict[str, Any]:
        @task()
        def other() -> int:
            return 3

        return DAG("other").run()

    assert DAG("here").run() == {"one": 1, "alone": 2}
    assert elsewhere() == {"other": 3}


def test_tasks_select_the_content_of_a_dag() -> None:
    """tasks= selects tasks and their predecessors, without their successors."""
    a, b, c, d = numbered(4)
    a >> b >> c
    d >> c
    assert before(DAG("some", tasks=[b])) == {"t0": (), "t1": ("t0",)}


def test_arrows_drawn_later_count() -> None:
    """A DAG that exists already includes arrows that are added later."""

    @task()
    def first() -> int:
        return 1

    @task()
    def second(value: int = 0) -> int:
        return value + 1

    dag = DAG("later")
    assert dag.run() == {"first": 1, "second": 1}
    first >> second
    assert dag.run() == {"first": 1, "second": 2}


def test_a_task_without_parameters_only_waits() -> None:
    """An arrow to a task without parameters only sets the order."""

    @task()
    def first() -> int:
        return 1

    @task()
    def second() -> int:
        return 2

    first >> second
    node = DAG("order").graph.by_name["second"]
    assert node.after == ("first",)
    assert node.inputs == ()


def test_arguments_fill_all_kinds_of_parameters() -> None:
    """Results fill positional parameters, then keyword-only ones by name, and the rest *args."""

    @task()
    def one() -> int:
        return 1

    @task()
    def two() -> int:
        return 2

    @task()
    def named(value: int, *, two: int) -> tuple[int, int]:
        return value, two

    @task()
    def spread(*values: int) -> list[int]:
        return list(values)

    [one, two] >> named
    [two, one] >> spread
    assert DAG("kinds").run() == {"one": 1, "two": 2, "named": (1, 2), "spread": [2, 1]}


def test_misfits_are_reported_together_with_lines() -> None:
    """Superfluous and missing results are all reported, each with the task's line."""

    @task()
    def one() -> int:
        return 1

    @task()
    def two() -> int:
        return 2

    @task()
    def little(value: int) -> None: ...

    @task()
    def much(first: int, second: int) -> None: ...

    [one, two] >> little
    one >> much
    with pytest.raises(DefinitionError) as caught:
        _ = DAG("wrong").definition
    text = str(caught.value)
    assert "2 tasks lead to task 'little' (one, two), and it takes 1 argument" in text
    assert "parameter 'second' of task 'much' gets nothing: before it are only one" in text
    assert text.count("test_tasks.py:") == 2


def test_a_cycle_is_an_error_with_its_path() -> None:
    """Arrows that form a cycle are an error that shows the cycle and a line."""
    a, b, c = numbered(3)
    a >> b >> c >> a
    with pytest.raises(CycleError, match="t1 → t2 → t0 → t1") as caught:
        _ = DAG("round", tasks=[a]).definition
    assert caught.value.place is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda a: a >> 3, ">> requires tasks"),
        (lambda a: a >> [], "empty list"),
        (lambda a: ["x"] >> a, ">> requires tasks"),
        (lambda a: DAG("x", tasks=[3]), "tasks= takes tasks"),
        (lambda a: Flow("x").add(3), "add\\(\\) takes tasks"),
        (lambda a: Flow("x").branch(), "without tasks"),
        (lambda a: Flow("x").merge(a), "nothing to merge"),
        (lambda a: Flow("x").definition, "has no tasks"),
        (lambda a: Flow("x").add(a).add(a).definition, "is used twice"),
    ],
)
def test_misuse_is_a_clear_error(wrong: Any, said: str) -> None:
    """Values that are not tasks, and wrong use of builders, are errors."""
    with pytest.raises(BindingError, match=said):
        wrong(numbered(1)[0])


def around(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def test_a_decorator_above_task_is_an_error() -> None:
    """A function around a task is refused with the task's line, wherever tasks are expected."""
    plain, inner = numbered(2)
    hidden = around(inner)
    said = "a decorator is above @task of 't1'"
    for wrong in (
        lambda: plain >> hidden,
        lambda: DAG("x", tasks=[hidden]),
        lambda: Flow("x").add(hidden),
        lambda: eval("DAG('x')", {"DAG": DAG, "hidden": hidden}),
    ):
        with pytest.raises(BindingError, match=said) as caught:
            _ = wrong().definition
        assert caught.value.place == inner.step.place
    assert [one.name for one in eval("DAG('x')", {"DAG": DAG, "a": hidden, "b": inner}).graph.nodes]


def test_a_module_without_tasks_is_an_error() -> None:
    """The error for an empty DAG says where tasks are expected."""
    namespace: dict[str, Any] = {"DAG": DAG}
    exec("dag = DAG('none')", namespace)
    with pytest.raises(BindingError, match="has no tasks"):
        _ = namespace["dag"].definition


def test_two_tasks_of_one_name_are_refused() -> None:
    """Results are identified by names, so names must be unique."""

    def work() -> int:
        return 1

    one, other = task(work), task(work)
    with pytest.raises(BindingError, match="two tasks are named 'work'"):
        _ = DAG("twins", tasks=[one, other]).definition
    with pytest.raises(BindingError, match="two tasks are named 'work'"):
        _ = Flow("twins").branch(one, other).definition


def test_a_flow_passes_results_by_parameter_names() -> None:
    """A parameter receives the result of any earlier task with its name, else its default."""

    @task()
    def raw() -> int:
        return 1

    @task()
    def clean(raw: int) -> int:
        return raw + 1

    @task()
    def report(raw: int, clean: int, title: str = "x") -> str:
        return f"{title}{raw}{clean}"

    flow = Flow("names").add(raw).add(clean).add(report)
    assert flow.run() == {"raw": 1, "clean": 2, "report": "x12"}


def test_a_flow_may_begin_with_branches_and_merge_by_add() -> None:
    """branch() may come first; a task after branches waits for all of them."""
    a, b = numbered(2)

    @task()
    def both(t0: list[Any], t1: list[Any]) -> int:
        return len(t0) + len(t1)

    flow = Flow("begin").branch(a, b).add(both)
    assert flow.run()["both"] == 0
    assert before(flow)["both"] == ("t0", "t1")


def test_an_unknown_parameter_of_a_flow_is_an_error() -> None:
    """The error for a parameter without a matching task has a suggestion."""

    @task()
    def extract() -> int:
        return 1

    @task()
    def load(extrct: int) -> None: ...

    with pytest.raises(BindingError, match="'extrct' of task 'load' is named like no task") as told:
        _ = Flow("typo").add(extract).add(load).definition
    assert "did you mean 'extract'?" in str(told.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"when": 3}, "must be a function"),
        ({"when": lambda a, b: True}, "has 2 arguments, but the step has 1"),
        ({"retries": -1}, "retries"),
        ({"retries": 1, "retry": 2}, "combined with retry="),
        ({"memory": 1}, "no option 'memory'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    """Invalid conditions, numbers and unknown options are errors."""
    with pytest.raises(OptionError, match=said):

        @task(**options)
        def work(value: int) -> int:
            return value


def test_an_async_condition_is_refused() -> None:
    """A coroutine is always true, so an async condition is an error."""

    async def later(value: int) -> bool:
        return False

    with pytest.raises(OptionError, match="always true"):

        @step(when=later)
        def work(value: int) -> int:
            return value


def test_options_are_given_by_name() -> None:
    """The error for @task("x") says how the name is passed."""
    with pytest.raises(OptionError, match="given by name"):
        task("x")  # type: ignore[call-overload]


CELL = "/tmp/ipykernel_1/{}.py"


def run_cell(number: int, text: str, namespace: dict[str, Any]) -> None:
    """Run text as a notebook does, with its own file name."""
    filename = CELL.format(number)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), namespace)


def test_cells_that_run_again_replace_their_tasks() -> None:
    """A task that a cell has replaced is replaced everywhere."""
    names: dict[str, Any] = {"task": task, "DAG": DAG, "__name__": "__main__"}
    run_cell(1, "@task()\ndef one(): return 1\n", names)
    run_cell(2, "@task()\ndef two(n): return n + 1\n@task()\ndef three(n): return n + 1\n", names)
    run_cell(3, "one >> two >> three\n", names)
    run_cell(4, "dag = DAG('cells')\n", names)
    assert names["dag"].run() == {"one": 1, "two": 2, "three": 3}
    run_cell(5, "@task()\ndef one(): return 10\n", names)
    assert names["dag"].run() == {"one": 10, "two": 11, "three": 12}
    run_cell(6, "@task()\ndef two(n): return n * 2\n", names)
    assert names["dag"].run() == {"one": 10, "two": 20, "three": 21}
    run_cell(7, "one >> [two, three]\n", names)
    run_cell(8, "@task()\ndef three(n): return n\n", names)
    run_cell(9, "one >> three\n", names)
    assert names["dag"].run() == {"one": 10, "two": 20, "three": 10}


def test_a_task_is_a_step_of_chains_too() -> None:
    """A task can be used in chains and maps."""

    @step
    def load() -> list[int]:
        return [1, 2]

    @task(when=lambda n: n > 1)
    def double(n: int) -> int:
        return 2 * n

    from lokki_tf import Pipeline

    assert Pipeline("chain", steps=[load().map(double)]).local_run().result == [None, 4]


def test_a_pipeline_of_tasks_is_named_like_any() -> None:
    """A name that AWS rejects is an error when the graph is built."""
    with pytest.raises(NamingError):
        _ = DAG("bad name!", tasks=numbered(1)).definition
    assert Task.__name__ in repr(type(numbered(1)[0]))
