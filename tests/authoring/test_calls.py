"""Steps, calls, and the graph that is built from them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import pytest

from lokki_tf import Pipeline, RetryConfig, step
from lokki_tf.errors import BindingError, CycleError, NamingError, OptionError, PlaceholderError
from lokki_tf.model import Group, Literal, Output


@step
def one(value: Any = 1) -> Any:
    return value


@step
def two(left: Any, right: Any) -> Any:
    return (left, right)


@step
def spread(first: Any, *rest: Any, key: Any = None, **more: Any) -> Any:
    return (first, rest, key, more)


@step
def positional(first: Any, /, second: Any) -> Any:
    return (first, second)


def names(pipeline: Pipeline) -> list[str]:
    return [node.name for node in pipeline.graph.nodes]


def test_a_call_changes_nothing() -> None:
    """The same step may be called many times; each call is a node with its own name."""
    first, second, third = one(1), one(2), one(3)
    pipeline = Pipeline("p", steps=[two(first, [second, third])])
    assert names(pipeline) == ["one", "one_2", "one_3", "two"]
    assert pipeline.local_run().result == (1, [2, 3])


def test_node_names_pass_over_names_of_steps() -> None:
    """A number in a node's name never makes it the name of another step."""

    @step
    def one_2(value: Any) -> Any:
        return value

    pipeline = Pipeline("p", steps=[one_2([one(1), one(2)])])
    assert names(pipeline) == ["one", "one_3", "one_2"]


def test_arguments_bind_by_name_and_default() -> None:
    """Keyword arguments are passed to their own parameters, and defaults are the function's."""
    pipeline = Pipeline("p", steps=[two(right="r", left=one())])
    assert pipeline.local_run().result == (1, "r")
    assert dict(pipeline.graph.nodes[-1].kwargs)["left"] == Output("one")


def test_every_kind_of_parameter_binds() -> None:
    """Positional-only, unpacked and variadic parameters receive what the call passes."""
    assert Pipeline("p", steps=[spread(1, one(2), key=3, extra=4)]).local_run().result == (
        1,
        (2,),
        3,
        {"extra": 4},
    )
    assert Pipeline("p", steps=[positional(one(1), second=2)]).local_run().result == (1, 2)


@pytest.mark.parametrize(
    "literal",
    ["one", {"a.$": "$.x"}, (1, 2), b"x", {1: 2}, {1, 2}, None, [], "${one}", "{% $x %}"],
    ids=repr,
)
def test_literals_stay_literals(literal: Any) -> None:
    """A value that is not a call is passed unchanged, even if it resembles one."""
    pipeline = Pipeline("p", steps=[one(literal)])
    binding = dict(pipeline.graph.nodes[0].kwargs)["value"]
    assert isinstance(binding, Literal)
    result = pipeline.local_run().result
    assert result == literal
    assert type(result) is type(literal)


def test_calls_inside_containers_are_filled_in() -> None:
    """Lists, tuples, sets and dicts keep their type, with results in place of calls."""
    given = [one(1), (one(2), {"k": one(3), 4: "x"}), {"s", 5}]
    pipeline = Pipeline("p", steps=[one(given)])
    assert pipeline.local_run().result == [1, (2, {"k": 3, 4: "x"}), {"s", 5}]
    assert isinstance(dict(pipeline.graph.nodes[-1].kwargs)["value"], Group)


def test_a_container_that_holds_itself_is_a_literal() -> None:
    """Searching for calls in a container that contains itself ends."""
    endless: list[Any] = []
    endless.append(endless)
    result: Any = Pipeline("p", steps=[one(endless)]).local_run().result
    assert result[0] is result


def test_after_orders_without_data() -> None:
    """A call with ``after`` comes after the other and receives nothing from it."""
    seen: list[str] = []

    @step
    def log(word: str) -> None:
        seen.append(word)

    second = log("second")
    second.after(log("first"))
    Pipeline("p", steps=[second]).local_run()
    assert seen == ["first", "second"]


def test_independent_steps_all_count() -> None:
    """Steps without connections are all part of the pipeline."""
    assert names(Pipeline("p", steps=[one(1), two(1, 2), one(3)])) == ["one", "two", "one_2"]


def test_a_cycle_is_refused() -> None:
    """Calls that depend on each other are an error that shows the cycle."""
    first, second = one(1), one(2)
    first.after(second)
    second.after(first)
    with pytest.raises(CycleError, match=r"one → one_2 → one|one_2 → one → one_2"):
        Pipeline("p", steps=[first])


def test_two_functions_under_one_name_are_refused() -> None:
    """The error contains both source locations."""

    @step(name="one")
    def other() -> None: ...

    with pytest.raises(NamingError, match=r"two different steps are named 'one'.*test_calls.py"):
        Pipeline("p", steps=[one(other())])


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([], "no steps"),
        (None, "no steps"),
        ([1], "must contain calls of steps, got 1"),
        (["one"], "must contain calls of steps, got 'one'"),
        ([one], "got step 'one' itself"),
        ([one(1), None], "must contain calls of steps, got None"),
    ],
    ids=["empty", "none", "number", "name", "uncalled", "mixed"],
)
def test_steps_must_be_calls(steps: Any, says: str) -> None:
    """A value in steps that is not a call of a step is an error with a remedy."""
    with pytest.raises(BindingError, match=says) as caught:
        Pipeline("p", steps=steps)
    assert caught.value.remedy
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


@pytest.mark.parametrize(
    "call",
    [lambda: two(1), lambda: two(1, 2, 3), lambda: two(1, 2, left=3), lambda: two(1, other=2)],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_arguments_that_do_not_fit_are_refused_at_the_call(call: Any) -> None:
    """Missing, unknown and repeated arguments are errors at the user's line."""
    with pytest.raises(BindingError, match="'two' cannot be called with these") as caught:
        call()
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
    assert "two(left" in str(caught.value)


@pytest.mark.parametrize(
    "use",
    [
        bool, int, float, lambda c: c + 1, lambda c: c[0] + 1, lambda c: c > 1,
        lambda c: f"{c}", lambda c: c(), lambda c: 1 in c, lambda c: -c,
    ],
)  # fmt: skip
def test_computing_with_a_call_is_an_error(use: Any) -> None:
    """Computing with a call is an error that says to do it in a step."""
    with pytest.raises(PlaceholderError, match="do this in a step"):
        use(one(1))


def test_a_call_has_no_private_attributes() -> None:
    """hasattr works on a call, as notebooks use it, and a private name is an error."""
    call = one(1)
    assert not hasattr(call, "_repr_html_")
    with pytest.raises(AttributeError, match="is private"):
        _ = call._repr_html_


def test_an_uncalled_step_as_an_argument_is_refused() -> None:
    """A step passed without being called is an error."""
    with pytest.raises(BindingError, match="without being called"):
        one([one])


def test_a_step_has_its_functions_metadata() -> None:
    """The decorated name has the function's name, docstring and signature."""
    assert one.__name__ == "one"
    assert one.__wrapped__(5) == 5  # type: ignore[attr-defined]  # functools' convention


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retry": 1, "retry_count": 2}, "both given"),
        ({"retry": "often"}, "must be a RetryConfig"),
        ({"retry": {"tries": 1}}, "does not have"),
        ({"retry": []}, "is an empty list"),
        ({"retry": [1, 2]}, "number 2 is never used"),
        (
            {"retry": [{"exceptions": OSError}, {"exceptions": ConnectionError}]},
            "number 2 is never",
        ),
        ({"retry": [{"exceptions": "States.TaskFailed"}, {"exceptions": KeyError}]}, "never used"),
        ({"retry": {"exceptions": "States.Timout"}}, "no error named 'States.Timout'"),
        ({"retry": {"exceptions": "ValueError"}}, "no error named 'ValueError'"),
        ({"retry": {"exceptions": "States.Runtime"}}, "neither retry nor catch"),
        ({"retry": {"exceptions": ()}}, "exceptions must be classes"),
        ({"retry": {"exceptions": (OSError, 3)}}, "exceptions must be classes"),
        ({"retry": {"exceptions": int}}, "exceptions must be classes"),
        ({"retry_count": -1}, "retries must be a whole number of at least 0"),
        ({"layers": "arn"}, "must be a list"),
        ({"policies": [1]}, "must contain dicts or JSON"),
        ({"env_variables": {"A": 1}}, "must be a dict of strings"),
        ({"secrets": {"A": None}}, "must be a dict of strings"),
        ({"secrets": ["A"]}, "must be a dict of strings"),
        ({"tags": ["a"]}, "must be a dict of strings"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_options_of_a_wrong_type_are_refused(options: dict[str, Any], says: str) -> None:
    """An option of the wrong type is an error at the step's source location."""
    with pytest.raises(OptionError, match=says):
        step(**options)(lambda: None)


def test_only_functions_can_be_steps() -> None:
    """@step on a class, on a step or with only a name is an error with a remedy."""
    with pytest.raises(BindingError, match="must decorate a function"):
        step(int)
    with pytest.raises(BindingError, match="a step already"):
        step(one)
    with pytest.raises(OptionError, match=r"@step\(name='load'\)"):
        step("load")  # type: ignore[call-overload]  # the slip is the point


def test_retry_is_short_to_write() -> None:
    """A number, a dict and retry_count are short for RetryConfig."""
    for options in ({"retry": 2}, {"retry": {"retries": 2}}, {"retry_count": 2}):
        assert step(**options)(lambda: None).step.options.retry == (RetryConfig(retries=2),)


def test_retriers_that_never_retry_are_left_out_at_the_end() -> None:
    """One that never retries matters only before others, which it excludes from its errors."""
    never = RetryConfig(exceptions=(KeyError,))
    twice = RetryConfig(retries=2)
    assert step(retry=[never, twice])(lambda: None).step.options.retry == (never, twice)
    assert step(retry=[RetryConfig(1, exceptions=(OSError,)), never])(
        lambda: None
    ).step.options.retry == (RetryConfig(1, exceptions=(OSError,)),)
    assert step(retry=0)(lambda: None).step.options.retry == ()


def test_ten_thousand_calls_in_a_chain_make_a_graph() -> None:
    """Building a graph is not recursive."""
    call = one(0)
    for _ in range(9_999):
        call = one(call)
    assert len(Pipeline("p", steps=[call]).graph.nodes) == 10_000


@step
def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


@step
def asks(value: Any) -> Any:
    return helper(value)


def helper(value: Any) -> Any:
    return [one(value), two(1, right=2)]


@pytest.mark.parametrize("executor", ["thread", "process", "sequential"])
def test_a_step_calls_steps_as_functions(executor: str) -> None:
    """Inside a running step, a step's name refers to the plain function, as in Lambda."""
    pipeline = Pipeline("p", steps=[factorial(5), asks("x")])
    assert pipeline.local_run(executor=executor).result == {
        "factorial": 120,
        "asks": ["x", (1, 2)],
    }


class Pair(NamedTuple):
    left: Any
    right: Any


def endless() -> list[Any]:
    inside: list[Any] = [one(1)]
    inside.append(inside)
    return inside


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: Pair(one(1), 2), "inside a Pair"),
        (lambda: [OrderedDict(a=one(1))], "inside a OrderedDict"),
        (lambda: {one(1): 1}, "as a key of a dict"),
        (endless, "contains itself"),
    ],
    ids=["named tuple", "subclass", "key", "endless"],
)
def test_results_are_only_accepted_where_they_can_be_replaced(value: Any, says: str) -> None:
    """A call inside anything but a plain container is an error."""
    with pytest.raises(BindingError, match=says) as caught:
        one(value())
    assert caught.value.place is not None


def test_an_unknown_option_names_the_nearest() -> None:
    """The error for @step(memory=…) suggests the right name."""
    with pytest.raises(OptionError, match="memory_size"):
        step(memory=1)(lambda: None)  # type: ignore[call-overload]  # the slip is the point


def test_a_parameter_may_be_called_self() -> None:
    """A parameter may have any name, ``self`` included."""

    @step
    def odd(self: int, function: int) -> list[int]:
        return [self, function]

    assert Pipeline("p", steps=[odd(self=1, function=2)]).local_run().result == [1, 2]


def test_a_cycle_has_a_place() -> None:
    """The error about a cycle contains a line of the user's code."""
    call = one(1)
    call.after(call)
    with pytest.raises(CycleError) as caught:
        Pipeline("p", steps=[call])
    assert caught.value.place is not None
    assert caught.value.place.file == __file__
