"""Pipelines that are steps of a routed one: names, parameters, and errors with their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import (
    MicroFunctions,
    Pipeline,
    ReturnUpdates,
    S3Objects,
    flow,
    step,
)
from lokki_tf.errors import BindingError, LimitError, LokkiError, NamingError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable


@step
def load(day: str = "x") -> list[int]:
    return [len(day)]


@step
def total(rows: Any, add: int = 0) -> int:
    return sum(rows) + add


@flow
def daily_load(day: str, add: int = 0):
    return total(load(day), add)


@flow
def until(time: str):
    return load().wait(until=time)


@flow
def limited(most: int = 1):
    return load().map(total, concurrency_limit=most)


@flow
def located(bucket: str):
    return S3Objects(bucket).map(total)


@flow
def released():
    return load()


def done() -> None: ...


def parent(**given: Any) -> MicroFunctions:
    pipe = MicroFunctions("daily-load", name="parent")
    pipe.include(daily_load, **given)
    return pipe


def test_a_step_has_the_name_of_the_pipeline() -> None:
    """The step, its nodes and its result are named after the pipeline, or as they are to be."""
    definition = parent().definition
    (step,) = definition.inclusions
    assert step.name == "daily-load"
    assert step.includes is not None
    assert step.includes.result == "daily_load"
    assert [one.name for one in definition.graph.nodes] == ["daily-load.load", "daily-load.total"]
    assert [one.name for one in definition.steps] == ["daily-load-load", "daily-load-total"]
    assert {one.box for one in definition.graph.nodes} == {("daily-load",)}
    named = MicroFunctions("rows", name="parent")
    named.include(daily_load, name="rows", result="found")
    assert [one.name for one in named.graph.nodes] == ["rows.load", "rows.total"]
    assert named.run(day="abc") == {"day": "abc", "found": 3}


def test_the_first_step_declares_the_parameters() -> None:
    """The parameters of a run are those of the pipeline, if that is the first step."""
    declared = {one.name: (one.kind, one.default) for one in parent().definition.parameters}
    assert declared["day"][0] is str
    assert declared["add"] == (int, 0)
    assert parent().local_run({"day": "abc", "add": 4}).result == {
        "day": "abc",
        "add": 4,
        "daily_load": 7,
    }


def test_a_pipeline_is_included_several_times() -> None:
    """Under several names, and one that is registered again replaces the first."""
    pipe = MicroFunctions("one", name="several")
    pipe.include(released, name="two", next="one")
    pipe.include(daily_load, name="one", next="two")
    pipe.include(daily_load, {"day": "one"}, name="two")
    names = [one.name for one in pipe.graph.nodes]
    assert names == ["two.load", "two.total", "one.load", "one.total"]
    copy = MicroFunctions.from_functions(pipe, name="copied")
    assert [one.name for one in copy.graph.nodes] == names


def test_a_function_replaces_an_included_pipeline() -> None:
    """Of two steps with one name the later one is used."""
    pipe = MicroFunctions("load", name="replaced")
    pipe.include(daily_load, name="load")

    @pipe.fn(terminates=True)
    def load(day: str) -> dict[str, Any]:
        return {"day": day}

    assert pipe.graph.nodes == ()
    assert pipe.run(day="x") == {"day": "x"}


def test_nothing_changes_without_inclusion() -> None:
    """A pipeline that includes nothing has no function, variable or state for it."""
    pipe = MicroFunctions("first", name="plain")

    @pipe.fn(terminates=True)
    def first() -> dict[str, Any]:
        return {}

    written = str(pipe.generate_step_functions())
    assert "starts" not in written
    assert "Parallel" not in written


def included_in_itself() -> None:
    pipe = MicroFunctions("x", name="itself")
    pipe.include(pipe)


def with_cleanup() -> None:
    parent_of(Pipeline("cleaned", steps=[load()], cleanup=step(done)))


def parent_of(one: Any, **given: Any) -> MicroFunctions:
    pipe = MicroFunctions("x", name="refused")
    pipe.include(one, name="x", **given)
    return pipe


def same_name() -> None:
    pipe = MicroFunctions("x", name="same")
    pipe.include(daily_load, name="x", next="x-load")
    pipe.include(released, name="x-load")
    pipe.registered["x-load"] = pipe.registered["x"]
    _ = pipe.definition


WRONG: list[tuple[Callable[[], Any], type[LokkiError], str]] = [
    (lambda: parent_of("prices"), OptionError, "requires a pipeline whose steps become part"),
    (lambda: parent_of(load), OptionError, "requires a pipeline whose steps become part"),
    (included_in_itself, BindingError, "begins with 'x', which does not exist"),
    (with_cleanup, BindingError, "is a pipeline with cleanup="),
    (lambda: parent_of(daily_load, parameters="day"), OptionError, "requires names of values"),
    (lambda: parent_of(daily_load, parameters={"day": 1}), OptionError, "requires names of"),
    (lambda: parent_of(daily_load, parameters=["days"]), BindingError, "no parameter 'days'"),
    (lambda: parent_of(daily_load, parameters=["add"]), BindingError, "requires 'day'"),
    (lambda: parent_of(daily_load, result=""), OptionError, r"include\(result=''\)"),
    (lambda: parent_of(daily_load, next=3), OptionError, r"include\(next=3\)"),
    (lambda: parent(name="a b"), OptionError, "1 to 80 characters"),
    (lambda: parent(name="a" * 81), OptionError, "1 to 80 characters"),
    (lambda: parent_of(until), BindingError, "the time of wait"),
    (lambda: parent_of(limited), BindingError, "the concurrency_limit of map"),
    (lambda: parent_of(located), BindingError, "the location of the items of map"),
    (lambda: parent_of(daily_load, catch={"no error": 3}), OptionError, "catch"),
    (same_name, NamingError, "has the name of the step at"),
]


@pytest.mark.parametrize(("write", "error", "says"), WRONG)
def test_wrong_inclusions_are_errors(
    write: Callable[[], Any], error: type[LokkiError], says: str
) -> None:
    """Each error has the place of the call."""
    with pytest.raises(error, match=says) as caught:
        write()
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


def test_steps_of_an_included_pipeline_are_checked() -> None:
    """Rules about graphs hold inside, and each finding is reported once."""

    @step
    def wrong(rows: int) -> int:
        return rows

    @flow
    def misfit():
        return wrong(load())

    pipe = MicroFunctions("misfit", name="checked")
    pipe.include(misfit)
    assert [one.rule for one in pipe.check()] == ["annotations"]


def test_a_loop_has_room_for_its_events() -> None:
    """The events of an included pipeline count in each turn of a loop."""

    def loop(most: int) -> MicroFunctions:
        pipe = MicroFunctions("daily-load", name="events", max_steps=most)
        pipe.include(daily_load, next="again")

        @pipe.fn(terminates=True)
        def again(daily_load: int, day: str, add: int = 0) -> Any:
            if daily_load > 3:
                return {"found": daily_load}
            return ReturnUpdates("daily-load", "daily_load")

        return pipe

    assert [one for one in loop(1_000).check() if one.severity == "error"] == []
    with pytest.raises(LimitError, match=r"max_steps=2000 allows executions with more") as error:
        loop(2_000).local_run({"day": "abcd"})
    assert error.value.remedy is not None
