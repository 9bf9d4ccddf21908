"""Chains under @flow: the graphs that they build, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from lokki_tf import Pipeline, RetryConfig, chain, flow, step
from lokki_tf.authoring.placeholders import spec_of
from lokki_tf.errors import BindingError, OptionError, PlaceholderError
from lokki_tf.model import REQUIRED, Item, Map, Output, Parameter


@step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@step
def double(item: int) -> int:
    return item * 2


@step
def add(item: int, more: Any = 1) -> Any:
    return item + more


@step
def split(item: int) -> list[int]:
    return list(range(item))


@step
def total(items: list[int], start: int = 0) -> int:
    return sum(items, start)


@step
def everything(item: Any, **parameters: Any) -> Any:
    return (item, parameters)


def the_map(pipeline: Pipeline) -> Map:
    (found,) = (node for node in pipeline.graph.nodes if isinstance(node, Map))
    return found


def test_a_chain_builds_a_map_with_a_body() -> None:
    """The body consists of map and next; its first step receives the item, agg the results."""

    @flow
    def chained(more: int = 5):
        return numbers().map(add, more=more).next(double).agg(total, start=more)

    found = the_map(chained)
    assert found.name == "add_map"
    assert found.items == Output("numbers")
    assert found.arguments == (("more", Parameter("more")),)
    first, second = found.body.nodes
    assert dict(first.kwargs) == {"item": Item(), "more": Parameter("more")}
    assert dict(second.kwargs) == {"item": Output("add")}
    assert dict(chained.graph.nodes[-1].kwargs)["items"] == Output("add_map")


def test_chains_run_here() -> None:
    """Maps, nested maps, and steps before, inside and after them return results in order."""

    @flow
    def chained(count: int = 4):
        pairs = numbers(count).next(reversed_).map(split).map(double).agg(total).agg(total)
        return pairs.next(add, more=100)

    expected = 100 + sum(sum(2 * n for n in range(item)) for item in range(4))
    assert chained.local_run().result == expected


@step
def reversed_(items: list[int]) -> list[int]:
    return items[::-1]


def test_a_list_of_steps_runs_one_after_another() -> None:
    """.map([a, b]) is .map(a).next(b)."""

    @flow
    def listed():
        return numbers().map([double, add])

    assert listed.local_run().result == [1, 3, 5]


def test_results_of_outside_reach_a_body() -> None:
    """A body can use the result of a step outside of the map."""
    base = numbers(2).next(total)
    chain = numbers().map(add, more=base).agg(total)
    pipeline = Pipeline("outside", steps=[chain])
    assert pipeline.local_run().result == 0 + 1 + 2 + 3 * 1


def test_parameters_have_types_and_defaults() -> None:
    """Types come from annotations or else from defaults; without a default, one is required."""

    @flow
    def typed(a: int, b=2.5, c: list[int] | None = None, *, d: bool = False, e="x", f: Any = None):
        return everything(a, b=b, c=c, d=d, e=e, f=f)

    found = {one.name: (one.kind, one.default) for one in typed.definition.parameters}
    assert found == {
        "a": (int, REQUIRED),
        "b": (float, 2.5),
        "c": (list, None),
        "d": (bool, False),
        "e": (str, "x"),
        "f": (Any, None),
    }
    assert typed.local_run({"a": 1, "b": 3}).result[1]["b"] == 3


def test_a_step_with_keywords_receives_all_parameters() -> None:
    """A step with **kwargs receives the flow's parameters that are not passed otherwise."""

    @flow
    def all_of_them(limit: int = 1, day: str = "today"):
        return numbers().next(everything)

    assert all_of_them.local_run({"day": "x"}).result == ([0, 1, 2], {"limit": 1, "day": "x"})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"limit": "9"}, "limit must be int, got '9'"),
        ({"limits": 9}, "no parameter 'limits'"),
        ({}, "day"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(given: dict[str, Any], says: str) -> None:
    """Mistyped, unknown and missing parameters are errors that show the signature."""

    @flow
    def strict_one(day: str, limit: int = 3):
        return everything(day, limit=limit)

    with pytest.raises(BindingError, match=says):
        strict_one.local_run(given)
    if given:
        with pytest.raises(BindingError, match="signature is strict"):
            strict_one(**given)


def test_parameters_refuse_to_be_computed_with() -> None:
    """A parameter is a placeholder while the flow is built."""

    @flow
    def computes(limit: int = 3):
        return numbers(limit + 1)

    with pytest.raises(PlaceholderError, match=r"'limit'.*\n.*\n.*do this in a step"):
        computes.local_run()


@pytest.mark.parametrize(
    "asked",
    [
        lambda limit: limit == 3,
        lambda limit: limit != 3,
        lambda limit: limit in (1, 2),
        lambda limit: "%s" % limit,  # noqa: UP031  # the old way is what is tested
        lambda limit: str(numbers(limit)),
        lambda limit: numbers(limit) == numbers(limit),
    ],
    ids=["equal", "unequal", "among", "text", "text of a result", "equal results"],
)
def test_no_branch_and_no_text_is_made_of_what_is_not_there_yet(asked: Any) -> None:
    """Comparing or formatting a placeholder is an error: it would build a wrong pipeline."""

    @flow
    def computes(limit: int = 3):
        return numbers(1 if asked(limit) else 2)

    with pytest.raises(PlaceholderError, match="exists only when the pipeline runs"):
        computes.local_run()


def test_retries_stand_at_a_call_or_at_a_link() -> None:
    """retry= inside a flow configures the node, not the step."""

    @flow
    def retried():
        return numbers(retry={"retries": 2}).map(double, retry=RetryConfig(retries=1)).agg(total)

    retries = {node.name: sum(one.retries for one in node.retry) for node in retried.graph.walk()}
    assert retries == {"numbers": 2, "double": 1, "total": 0}
    assert double.step.options.retry == ()


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "parallel"}, {"concurrency_limit": 0}, {"batch_size": 0}, {"batch_size": 2.5},
        {"tolerated_failure_percentage": 101}, {"tolerated_failure_percentage": 12.5},
        {"tolerated_failure_count": -1},
        {"batch_size": 2, "tolerated_failure_count": 1}, {"mode": "inline", "batch_size": 2},
        {"mode": "inline", "tolerated_failure_count": 1},
    ],
    ids=str,
)  # fmt: skip
def test_options_of_maps_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    """A map's options are checked where it is written."""
    with pytest.raises(OptionError):
        numbers().map(double, **options)


def test_links_that_make_no_sense_are_refused() -> None:
    """Errors: agg without a map, a link that is not a step, a missing argument, a lost result."""
    with pytest.raises(BindingError, match="none is open"):
        numbers().agg(total)
    with pytest.raises(BindingError, match="requires steps"):
        numbers().next(len)  # type: ignore[arg-type]  # the slip is the point
    with pytest.raises(BindingError, match="cannot be called with these arguments"):
        numbers().map(double, other=1)
    with pytest.raises(BindingError, match="inside a map with batch_size"):
        numbers().map(split, batch_size=5).map(double)

    leaked: list[Any] = []

    @flow
    def leaks():
        chain = numbers().map(double)
        leaked.append(spec_of(chain).tail)
        return chain.agg(total).next(add, more=leaked[-1])

    with pytest.raises(BindingError, match="from inside a map"):
        leaks.local_run()


def test_a_default_that_contradicts_its_annotation_is_refused() -> None:
    """n: int = "a" is an error when the flow is built."""

    @flow
    def contradicts(n: int = "a"):  # type: ignore[assignment]  # the slip is the point
        return numbers(n)

    with pytest.raises(BindingError, match="'a' is no int"):
        contradicts.local_run()


@pytest.mark.parametrize("result", [5, "numbers", {"a": 1}, numbers], ids=repr)
def test_a_flow_that_returns_no_chain_is_refused(result: Any) -> None:
    """A flow must return a chain, or several; the error has the flow's source location."""

    @flow
    def returns():
        return result

    with pytest.raises(BindingError, match="flow 'returns' returns something that is not a chain"):
        returns.local_run()


@pytest.mark.parametrize("value", [[1], 5, "x"], ids=repr)
def test_parameters_are_given_by_name(value: Any) -> None:
    """local_run requires a dict; other arguments are errors with an example."""

    @flow
    def named(count: int = 1):
        return numbers(count)

    with pytest.raises(BindingError, match="dict by name"):
        named.local_run(value)


def test_a_flow_is_a_function() -> None:
    """@flow on a class is an error that says what to decorate."""
    with pytest.raises(BindingError, match="must decorate a function"):
        flow(int)


def test_a_flow_without_a_result_is_refused() -> None:
    """A flow that does not return its chain is an error."""

    @flow
    def forgets():
        numbers().map(double)

    with pytest.raises(BindingError, match="returns nothing"):
        forgets.local_run()


def test_a_replaced_step_is_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow uses the step that its name refers to now, as when a notebook cell runs again."""

    @flow
    def sees():
        return numbers().next(total)

    assert sees.local_run().result == 3

    @step(name="total")
    def another(items: list[int]) -> int:
        return -1

    monkeypatch.setitem(globals(), "total", another)
    assert sees.local_run().result == -1


def test_chain_changes_nothing() -> None:
    """``chain(call)`` builds the graph, the state machine and the result of the call itself."""

    @flow(name="chained")
    def short(more: int = 5):
        return numbers().map(add, more=more).next(double).agg(total, start=more)

    @flow(name="chained")
    def typed(more: int = 5):
        return chain(numbers()).map(add, more=more).next(double).agg(total, start=more)

    assert [node.name for node in typed.graph.nodes] == [node.name for node in short.graph.nodes]
    assert typed.generate_step_functions() == short.generate_step_functions()
    assert typed.local_run({"more": 2}).result == short.local_run({"more": 2}).result == 20


def test_chain_of_a_chain_keeps_its_maps() -> None:
    """A chain with an open map can be continued as before, and calls can be ordered."""

    @flow
    def chained():
        return chain(chain(numbers()).map(split)).agg(total_of_lists)

    assert chained.local_run().result == 3
    first, second = numbers(), chain(split(3)).after(numbers(2))
    assert Pipeline("p", steps=[first, second]).graph.by_name["split"].after


@step
def total_of_lists(items: list[list[int]]) -> int:
    return sum(map(len, items))


@pytest.mark.parametrize("wrong", [3, [1], numbers])
def test_chain_requires_a_call(wrong: Any) -> None:
    """Anything else than a call is an error with a remedy."""
    with pytest.raises(BindingError, match=r"chain\(\) requires a call of a step, got"):
        chain(wrong)


def test_links_take_further_arguments_by_position() -> None:
    """Arguments after the step are the step's further arguments."""

    @flow
    def chained(more: int = 5):
        return numbers().map(add, more, concurrency_limit=2).next(add, 1).agg(total, more)

    assert chained.local_run().result == sum(n + 6 for n in range(3)) + 5
