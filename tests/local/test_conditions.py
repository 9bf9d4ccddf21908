"""Conditions in local runs: skipped nodes, their consumers, and outcomes."""

from __future__ import annotations

from typing import Any

import pytest
from ways import EVERY_WAY

from lokki_tf import DAG, Pipeline, StepFailed, step, task


@step
def source(value: Any) -> Any:
    return value


@step(when=lambda value: value)
def maybe(value: Any) -> Any:
    return [value]


@step
def after(first: Any, second: Any = "none given") -> Any:
    return first, second


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_a_skipped_step_is_none_downstream(way: dict[str, Any]) -> None:
    """Consumers of a skipped step's result receive None, with every executor."""
    taken, skipped = maybe(source(1)), maybe(source(0))
    run = Pipeline("p", steps=[after(taken, skipped)]).local_run(**way)
    assert run.result == ([1], None)
    assert run.status["maybe"] == "done"
    assert run.status["maybe_2"] == "skipped"
    assert "maybe_2" not in run.outputs


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_none_is_a_result_and_not_a_skip(way: dict[str, Any]) -> None:
    """A step that returns None is done, and its result is among the outputs."""

    @step(when=lambda: True)
    def nothing() -> None: ...

    run = Pipeline("p", steps=[nothing()]).local_run(**way)
    assert run.outputs == {"nothing": None}
    assert run.status == {"nothing": "done"}


def test_last_steps_that_are_skipped_have_no_result() -> None:
    """The result of a single skipped last step is None; one of several is left out."""
    assert Pipeline("p", steps=[maybe(0)]).local_run().result is None
    assert Pipeline("p", steps=[maybe(0), maybe(2)]).local_run().result == {"maybe_2": [2]}


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_items_of_a_map_are_skipped_one_by_one(way: dict[str, Any]) -> None:
    """A map's result contains None for a skipped item."""
    assert Pipeline("p", steps=[source([0, 1, 2]).map(maybe)]).local_run(**way).result == [
        None, [1], [2],
    ]  # fmt: skip


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_a_map_over_a_skipped_step_has_no_items(way: dict[str, Any]) -> None:
    """A map over the result of a skipped step has no items and returns an empty list."""
    run = Pipeline("p", steps=[maybe(0).map(source).agg(after)]).local_run(**way)
    assert run.result == ([], "none given")


@pytest.mark.parametrize(
    ("when", "asked"),
    [
        (lambda rows: rows == 1, True),
        (lambda first: first == 1, True),
        (lambda first, second: (first, second) == (1, 2), True),
        (lambda limit: limit == 5, True),
        (lambda limit, rows: (limit, rows) == (5, 1), True),
        (lambda *, limit: limit == 5, True),
        (lambda *values: values == (1, 2, 5), True),
        (lambda **values: values == {"rows": 1, "other": 2, "limit": 5}, True),
        (lambda rows, /: rows == 1, True),
        (lambda: False, False),
        (lambda x=None: x == 1, True),
        (lambda x, limit=100: (x, limit) == (1, 100), True),
        (lambda rows, limit=100: (rows, limit) == (1, 5), True),
    ],
    ids=range(13),
)
def test_the_arguments_of_a_condition(when: Any, asked: bool) -> None:
    """A condition receives arguments by the step's names, else the first ones, with defaults."""

    @step(when=when)
    def work(rows: int, other: int, limit: int = 5) -> str:
        return "ran"

    assert (Pipeline("p", steps=[work(1, 2)]).local_run().status["work"] == "done") is asked


def test_a_condition_that_raises_fails_the_step_and_is_retried() -> None:
    """An error of a condition is the step's error, and is retried as one."""
    asked: list[int] = []

    def sometimes(value: int) -> bool:
        asked.append(value)
        if len(asked) < 3:
            raise ValueError("not yet")
        return True

    @task(retries=2, delay=0, when=sometimes)
    def work(value: int = 1) -> int:
        return value

    assert DAG("p").run() == {"work": 1}
    assert len(asked) == 3

    @step(when=sometimes)
    def fails(value: int) -> None: ...

    asked.clear()
    with pytest.raises(StepFailed, match="not yet"):
        Pipeline("q", steps=[fails(1)]).local_run()


def test_a_skip_is_an_event() -> None:
    """A skipped node has the event step_skipped instead of step_finished, also in a map."""
    heard: list[tuple[str, str | None, int | None]] = []
    Pipeline("p", steps=[maybe(source(0)), source([0]).map(maybe)]).local_run(
        executor="sequential", on_event=lambda e: heard.append((e.kind, e.node, e.item))
    )
    skipped = [(node, item) for kind, node, item in heard if kind == "step_skipped"]
    assert skipped == [("maybe", None), ("maybe_2", 0)]
    assert not [1 for kind, node, _ in heard if kind == "step_finished" and "maybe" in str(node)]


def test_each_node_has_an_outcome() -> None:
    """Outcomes are done, skipped, failed and not run, with times and attempts."""

    @step(retry={"retries": 1, "delay": 0})
    def fails(value: Any) -> None:
        raise OSError("no")

    first = source(1)
    pipeline = Pipeline("p", steps=[source(fails(maybe(0)).after(first))])
    with pytest.raises(StepFailed) as caught:
        pipeline.local_run(executor="sequential")
    outcomes = caught.value.run.outcomes
    told = {name: (one.status, one.attempts) for name, one in outcomes.items()}
    assert told == {
        "source": ("done", 1),
        "maybe": ("skipped", 1),
        "fails": ("failed", 2),
        "source_2": ("not run", 0),
    }
    assert outcomes["source"].seconds >= 0
    assert outcomes["source_2"].seconds is None
