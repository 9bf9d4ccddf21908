"""Pipelines in places where steps or values are expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lokki_tf import DAG, Flow, Functions, MicroFunctions, Pipeline, flow, step, task
from lokki_tf.errors import BindingError


@step
def load(n: int = 1) -> list[int]:
    return [n]


@step
def report(rows: Any, more: Any = None) -> Any:
    return rows


@task()
def single() -> int:
    return 1


@task()
def following(single: int) -> int:
    return single


@flow
def inner(n: int = 1):
    return load(n)


PIPELINES: tuple[Any, ...] = (
    Pipeline("calls", steps=[load()]),
    inner,
    DAG("arrows", tasks=[single]),
    Flow("builder").add(single),
    MicroFunctions("start", name="routed"),
    Functions("start", name="here"),
)
USES: dict[str, Callable[[Any], Any]] = {
    "argument": lambda pipe: report(pipe),
    "argument by name": lambda pipe: report(1, more=pipe),
    "in a list": lambda pipe: report([pipe]),
    "in a dict of lists": lambda pipe: report({"a": [1, (pipe,)]}),
    "steps": lambda pipe: Pipeline("outer", steps=[pipe]),
    "after": lambda pipe: report(1).after(pipe),
    "next with an argument": lambda pipe: load().next(report, more=pipe),
    "notice": lambda pipe: Pipeline("outer", steps=[load()], on_failure=pipe),
    "parameter": lambda pipe: inner(pipe),
}


AMONG_TASKS: dict[str, Callable[[Any], Any]] = {
    "arrow to": lambda pipe: single >> pipe,
    "arrow from": lambda pipe: pipe >> following,
    "tasks": lambda pipe: DAG("outer", tasks=[pipe]),
    "add": lambda pipe: Flow("outer").add(pipe),
    "branch": lambda pipe: Flow("outer").branch(single, pipe),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("pipe", PIPELINES, ids=lambda pipe: pipe.name)
def test_a_pipeline_is_no_step_and_no_value(pipe: Any, use: str) -> None:
    """Each place that requires a step or a value has an error for pipelines, with a remedy."""
    with pytest.raises(BindingError, match=f"'{pipe.name}' is a pipeline") as caught:
        USES[use](pipe)
    assert "call it to include its steps" in str(caught.value)
    assert __file__ in str(caught.value)


@pytest.mark.parametrize("use", AMONG_TASKS)
@pytest.mark.parametrize("pipe", PIPELINES[-1:], ids=lambda pipe: pipe.name)
def test_local_routes_are_no_tasks(pipe: Any, use: str) -> None:
    """Functions for local runs cannot be among tasks, where other pipelines are included."""
    with pytest.raises(BindingError, match=f"'{pipe.name}' is a pipeline") as caught:
        AMONG_TASKS[use](pipe)
    assert __file__ in str(caught.value)


@pytest.mark.parametrize("link", ["next", "map", "agg"])
@pytest.mark.parametrize("pipe", PIPELINES[-2:], ids=lambda pipe: pipe.name)
def test_routes_without_a_start_are_no_links(pipe: Any, link: str) -> None:
    """Local functions, and routes without their first step, cannot be links of a chain."""
    chain = load().map(report) if link == "agg" else load()
    with pytest.raises(BindingError, match=f"'{pipe.name}' is a pipeline"):
        getattr(chain, link)(pipe)


def test_what_the_message_says_works() -> None:
    """A plain function that calls steps is part of two flows, with the parameters of each."""

    def part(n: Any) -> Any:
        return report(load(n))

    @flow
    def left(n: int = 2):
        return part(n)

    @flow
    def right(m: int = 3):
        return part(m).map(report)

    assert left.local_run().result == [2]
    assert right.local_run({"m": 4}).result == [4]
