"""Parameters of runs in every style: declared once, with one set of options."""

from __future__ import annotations

from typing import Any

import click.testing
import pytest

from lokki_tf import DAG, Flow, MicroFunctions, Parameter, Pipeline, flow, step, task
from lokki_tf.cli.commands import command_line
from lokki_tf.errors import (
    BindingError,
    NamingError,
    OptionError,
    PlaceholderError,
    ScheduleError,
)
from lokki_tf.model import REQUIRED


@step
def use(*values: Any, more: Any = None) -> Any:
    return [*values, more]


@step
def rows() -> list[int]:
    return [1, 2]


def names(pipeline: Pipeline) -> list[tuple[str, Any, Any]]:
    return [(one.name, one.kind, one.default) for one in pipeline.definition.parameters]


def in_calls() -> Pipeline:
    return Pipeline(
        "calls", steps=[use(Parameter("day", str), more=Parameter("n", int, default=3))]
    )


def in_a_flow() -> Pipeline:
    @flow
    def written(day: str, n: int = 3) -> Any:
        return use(day, more=n)

    return written


def in_a_dag() -> Pipeline:
    @task()
    def first(day: str, n: int = 3) -> Any:
        return [day, n]

    return DAG("dag", tasks=[first])


def in_a_built_flow() -> Pipeline:
    @task()
    def first(day: str, /, n: int = 3) -> Any:
        return [day, n]

    return Flow("built").add(first)


pipe = MicroFunctions("first", name="routed")


@pipe.fn(terminates=True)
def first(*, day: str, n: int = 3) -> Any:
    return {"$next": None, "result": [day, n]}


def in_routes() -> Pipeline:
    return pipe


EVERY = [in_calls, in_a_flow, in_a_dag, in_a_built_flow, in_routes]


@pytest.mark.parametrize("make", EVERY)
def test_every_style_has_the_same_parameter(make: Any) -> None:
    """A required parameter is one of the definition, with its type, and a run receives it."""
    pipeline = make()
    assert ("day", str, REQUIRED) in names(pipeline)
    ran = pipeline.local_run({"day": "mon"})
    assert str(ran.result).count("mon") == 1


@pytest.mark.parametrize("make", EVERY)
def test_unknown_names_are_refused_in_every_style(make: Any) -> None:
    """A name that is no parameter is an error with the signature, before any step runs."""
    with pytest.raises(BindingError, match="has no parameter 'night'") as caught:
        make().local_run({"day": "mon", "night": 1})
    assert "(day: str" in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


@pytest.mark.parametrize("make", EVERY)
def test_missing_parameters_are_refused_in_every_style(make: Any) -> None:
    """A run without a value of a required parameter is an error."""
    with pytest.raises(Exception, match="day"):
        make().local_run()


@pytest.mark.parametrize("make", EVERY)
def test_commands_have_the_option_in_every_style(make: Any) -> None:
    """``run`` and ``start`` have ``--day``, required."""
    made = command_line(make())
    for command in ("run", "start"):
        (option,) = (one for one in made.commands[command].params if "--day" in one.opts)
        assert option.required
    printed = click.testing.CliRunner().invoke(made, ["run", "--day", "mon", "--quiet"])
    assert "mon" in printed.output


@pytest.mark.parametrize("make", [in_a_flow, in_a_dag, in_a_built_flow])
def test_a_schedule_needs_defaults(make: Any) -> None:
    """A schedule of a pipeline with a parameter without default is an error."""
    with pytest.raises(ScheduleError, match="'day' must have a value"):
        Pipeline("scheduled", steps=[use(Parameter("day"))], schedule="rate(1 day)")
    Pipeline("scheduled", steps=[use(Parameter("day", default=1))], schedule="rate(1 day)")


def test_a_parameter_may_be_anywhere_in_arguments() -> None:
    """A parameter in containers, in a map's further arguments and as a part is bound there."""
    day = Parameter("day", dict, default={"a": ["x"]})
    mapped = rows().map(use, more=[day["a"][0]])
    pipeline = Pipeline("deep", steps=[use({"k": (day, 1)}), mapped])
    ran = pipeline.local_run({"day": {"a": ["y"]}})
    assert ran.outputs["use_2"] == [{"k": ({"a": ["y"]}, 1)}, None]
    assert ran.outputs["use_map"] == [[1, ["y"]], [2, ["y"]]]
    assert names(pipeline) == [("day", dict, {"a": ["x"]})]


def test_equal_declarations_are_one() -> None:
    """Two declarations with the same type and default declare one parameter."""
    calls = [use(Parameter("day", str, default="x")) for _ in range(2)]
    assert names(Pipeline("twice", steps=calls)) == [("day", str, "x")]


@pytest.mark.parametrize(
    "other", [Parameter("day", int), Parameter("day", str, default="y"), Parameter("day")]
)
def test_contradicting_declarations_are_an_error_with_both_places(other: Any) -> None:
    """Different types or defaults of one name are an error that names both lines."""
    one = Parameter("day", str)
    with pytest.raises(BindingError, match="'day' is declared twice, as str at") as caught:
        Pipeline("contradicting", steps=[use(one, [other])])
    assert str(caught.value).count(__file__) >= 2


def test_a_flow_and_a_parameter_in_it_must_agree() -> None:
    """A flow may use further parameters, which must not contradict its own."""

    @flow
    def written(day: str = "x") -> Any:
        return use(day, Parameter("n", int, default=1))

    assert names(written) == [("day", str, "x"), ("n", int, 1)]
    assert written.local_run({"n": 4}).result == ["x", 4, None]

    @flow
    def wrong(day: str = "x") -> Any:
        return use(day, Parameter("day", int))

    with pytest.raises(BindingError, match="'day' is declared twice"):
        _ = wrong.definition


def test_first_tasks_share_parameters() -> None:
    """First tasks with a parameter of one name receive the same value, if their types agree."""

    @task()
    def left(day: str) -> str:
        return day

    @task()
    def right(day: str) -> str:
        return day

    @task()
    def other(day: int) -> int:
        return day

    @task()
    def both(left: str, right: str) -> str:
        return left + right

    [left, right] >> both
    dag = DAG("shared", tasks=[both])
    assert dag.run(parameters={"day": "a"})["both"] == "aa"
    assert Flow("flow").branch(left, right).merge(both).local_run({"day": "b"}).result == "bb"
    with pytest.raises(BindingError, match=r"twice, as str at .* and as int at"):
        _ = Flow("wrong").branch(left, other).definition


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("two words",), NamingError, "must be an identifier"),
        ((1,), NamingError, "must be an identifier"),
        (("day", set), OptionError, "must be one that JSON has"),
        (("day", "str"), OptionError, "must be one that JSON has"),
    ],
)
def test_wrong_declarations_are_refused(arguments: Any, error: Any, message: str) -> None:
    """A name that is no identifier and a type that is not JSON's are errors at the line."""
    with pytest.raises(error, match=message) as caught:
        Parameter(*arguments)
    assert caught.value.place.file == __file__


def test_defaults_have_the_type() -> None:
    """A default of another type is refused; ``None`` is a default of any type."""
    with pytest.raises(OptionError, match="the default 'x' is not of type int"):
        Parameter("n", int, default="x")
    assert names(Pipeline("none", steps=[use(Parameter("n", int, default=None))])) == [
        ("n", int, None)
    ]


def test_reserved_names_are_refused() -> None:
    """The name that triggers use is an error of the pipeline."""
    with pytest.raises(NamingError, match="reserved for triggers"):
        Pipeline("reserved", steps=[use(Parameter("lokki"))])


def test_a_parameter_has_no_value_while_the_pipeline_is_written() -> None:
    """Computing with a parameter, and iterating it, are errors that name it."""
    for compute in (bool, list, lambda one: one + 1):
        with pytest.raises(PlaceholderError, match="the parameter 'day' exists only"):
            compute(Parameter("day", str))
