"""Parameters of a run."""

import threading

import pytest
from ways import WAYS

from lokki_tf.errors import BindingError, SerializationError
from lokki_tf.local import run
from lokki_tf.model import REQUIRED, FlowParameter


def both(day, limit):
    return day, limit


@pytest.fixture
def daily(build):
    return build.pipeline(
        build.node("a", both, build.parameter("day"), limit=build.parameter("limit")),
        build.map(
            "each",
            [1, 2],
            build.node("b", both, build.parameter("when"), build.item),
            arguments={"when": build.parameter("day")},
        ),
        parameters=(
            FlowParameter("day", str, REQUIRED),
            FlowParameter("limit", int | None, 10),
        ),
    )


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_values_are_passed_to_steps(daily, options):
    """Given values and defaults are passed to steps, and by a map's arguments to its items."""
    outcome = run(daily, {"day": "monday"}, **options)
    assert outcome.outputs == {"a": ("monday", 10), "each": [("monday", 1), ("monday", 2)]}
    assert run(daily, {"day": "friday", "limit": None}, **options).outputs["a"] == ("friday", None)


def test_missing_and_unknown_parameters_are_errors(daily):
    """The error names them, and lists all parameters with types and defaults."""
    with pytest.raises(BindingError) as caught:
        run(daily, {"dya": "monday", "limit": 3})
    assert "'day' must have a value, and there is no 'dya'" in str(caught.value)
    assert "day: str (required), limit: int | None = 10" in caught.value.remedy


def test_a_pipeline_without_parameters_accepts_none(build):
    """A value for a pipeline without parameters is an error before anything runs."""
    ran = []
    with pytest.raises(BindingError, match="it has no parameters"):
        run(build.pipeline(build.node("a", ran.append, 1)), {"day": 1})
    assert ran == []


def test_a_value_that_cannot_be_serialized_is_an_error_if_strict(daily):
    """In a strict run a parameter's value is serialized like any other."""
    with pytest.raises(
        SerializationError, match="parameter 'day' of 'nightly' cannot be serialized"
    ):
        run(daily, {"day": threading.Lock()}, strict=True)
    value = ["shared"]
    result = run(daily, {"day": value}, strict=True).outputs["a"][0]
    assert result == value
    assert result is not value


def test_an_invalid_binding_is_an_error(build):
    """An item outside of a map, and an undeclared parameter, are errors with the argument."""
    with pytest.raises(BindingError, match=r"argument 1 of step 'a' is Item\(\)"):
        run(build.pipeline(build.node("a", print, build.item)))
    with pytest.raises(BindingError, match=r"argument 'end' of step 'b' is Parameter\(name='x'\)"):
        run(build.pipeline(build.node("b", print, end=build.parameter("x"))))
    body = build.map("each", [1], build.node("c", print, build.parameter("day")))
    with pytest.raises(BindingError, match="argument 1 of step 'c'"):
        run(build.pipeline(body, parameters=(FlowParameter("day", str, "monday"),)))
