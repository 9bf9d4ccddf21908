"""JSONPath, intrinsic functions and payload templates."""

from __future__ import annotations

from typing import Any

import pytest

from lokki_tf.testing.state_machines.expressions import parse_expression
from lokki_tf.testing.state_machines.failures import PathNotFound, PathSyntaxError, StateFailure
from lokki_tf.testing.state_machines.intrinsic_functions import IntrinsicFailure
from lokki_tf.testing.state_machines.references import View, parse_reference
from lokki_tf.testing.state_machines.templates import apply_result_path, fill
from lokki_tf.testing.state_machines.variables import Budget, Variables

DATA = {
    "a": {"b": [{"c": 1, "d": "x"}, {"c": 2, "d": "y"}], "with space": 3, "ü": 4},
    "list": [10, 20, 30],
    "none": None,
    "text": 'It\'s {} \\ "quoted" ${x} {% y %}\n\u2028ö',
}


@pytest.fixture
def view() -> View:
    variables = Variables(Budget())
    variables.assign({"v": {"w": [1, {"x": 2}]}, "name": "Ada"})
    return View(DATA, {"Execution": {"Id": "arn"}}, variables)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("$", DATA),
        ("$.a.b[0].c", 1),
        ("$.a.b[-1]['d']", "y"),
        ("$['a'][\"with space\"]", 3),
        ("$.a.ü", 4),
        ("$.none", None),
        ("$.list[1:]", [20, 30]),
        ("$.list[-2:]", [20, 30]),
        ("$.list[0,2]", [10, 30]),
        ("$.list[*]", [10, 20, 30]),
        ("$.a.b[*].c", [1, 2]),
        ("$..c", [1, 2]),
        ("$.a.b[?(@.c > 1)].d", ["y"]),
        ("$.a.b[?(@.d == 'x' && @.c < 5 || !(@.c))].c", [1]),
        ("$.list.length()", 3),
        ("$$.Execution.Id", "arn"),
        ("$v", {"w": [1, {"x": 2}]}),
        ("$v.w[1].x", 2),
        ("$v.w[*]", [1, {"x": 2}]),
        ("$name", "Ada"),
    ],
)
def test_path(view: View, path: str, wanted: Any) -> None:
    """A definite path gives the value, an indefinite one the list of matches."""
    assert parse_reference(path).evaluate(view) == wanted


@pytest.mark.parametrize("path", ["$.x", "$.list[3]", "$.a.b.c", "$v.nothing", "$.text.a"])
def test_missing(view: View, path: str) -> None:
    """A definite path that selects no value fails."""
    with pytest.raises(PathNotFound):
        parse_reference(path).evaluate(view)


@pytest.mark.parametrize(
    "path", ["", "a", "$.", "$.a b", "$[", "$['a'", "$.a..", "$.a[x]", "$.f(1)"]
)
def test_no_path(path: str) -> None:
    """A text that is not a path is refused when it is parsed."""
    with pytest.raises(PathSyntaxError):
        parse_reference(path)


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("States.Format('Hi {}, {} of {}', $name, 3, null)", "Hi Ada, 3 of null"),
        (r"States.Format('\{\} it\'s \\ {}', 'x')", "{} it's \\ x"),
        ("States.Array($name, 1, true, $.list[0])", ["Ada", 1, True, 10]),
        ("States.StringToJson('[1,{\"a\":2}]')", [1, {"a": 2}]),
        ("States.JsonToString($.list)", "[10,20,30]"),
        ("States.ArrayPartition($.list, 2)", [[10, 20], [30]]),
        ("States.ArrayContains($.list, 20)", True),
        ("States.ArrayRange(1, 9, 4)", [1, 5, 9]),
        ("States.ArrayGetItem($.list, States.MathAdd(1, 1))", 30),
        ("States.ArrayLength($.a['b'])", 2),
        ("States.ArrayUnique(States.Array(1, 1, 2))", [1, 2]),
        ("States.Base64Decode(States.Base64Encode($name))", "Ada"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.a.b[0], $v, false)", {"c": 1, "d": "x", "w": [1, {"x": 2}]}),
        ("States.StringSplit('a,b;c', ',;')", ["a", "b", "c"]),
        ("States.Format('{}', $.text)", DATA["text"]),
    ],
)
def test_function(view: View, call: str, wanted: Any) -> None:
    """Intrinsic functions nest and give what the specification says."""
    assert parse_expression(call).evaluate(view) == wanted


@pytest.mark.parametrize(
    "call",
    ["States.Format('{}')", "States.ArrayGetItem($.list, 9)", "States.MathAdd('one', 1)"],
)
def test_function_that_fails(view: View, call: str) -> None:
    """A function fails if it gets invalid arguments."""
    with pytest.raises(IntrinsicFailure):
        parse_expression(call).evaluate(view)


def test_template(view: View) -> None:
    """Fields of the template that end in .$ are evaluated, however deep, and nothing else."""
    template = {
        "a.$": "$.list",
        "literal": "$.list",
        "deep": [{"b.$": "$$.Execution.Id"}, "$v"],
        "text.$": "$.text",
    }
    assert fill(template, view) == {
        "a": [10, 20, 30],
        "literal": "$.list",
        "deep": [{"b": "arn"}, "$v"],
        "text": DATA["text"],
    }


def test_template_does_not_evaluate_data(view: View) -> None:
    """A value that looks like a template is data."""
    tricky = {"x.$": "$.list", "y": "States.UUID()", "z": "$name"}
    assert fill({"v.$": "$.t"}, View({"t": tricky}, {}, view.variables)) == {"v": tricky}


def test_result_path() -> None:
    """ResultPath creates missing objects and does not change the input in place."""
    raw = {"a": {"b": 1}}
    assert apply_result_path(raw, 2, "$.a.c.d") == {"a": {"b": 1, "c": {"d": 2}}}
    assert raw == {"a": {"b": 1}}
    with pytest.raises(StateFailure, match="ResultPathMatchFailure"):
        apply_result_path("text", 2, "$.a")
