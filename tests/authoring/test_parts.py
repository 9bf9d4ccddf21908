"""Parts of results: how they are written, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

import lokki_tf
from lokki_tf import DAG, Pipeline, flow, part, step, task
from lokki_tf.authoring.builder import graph_of
from lokki_tf.authoring.specs import CallSpec, MapSpec, PartSpec
from lokki_tf.errors import BindingError, Place, PlaceholderError
from lokki_tf.model import Attribute, Group, Item, Map, Node, Output, Parameter, Part


@dataclass
class Fit:
    """A result with fields, one of which is named like a method of chains."""

    score: float
    next: str


class Ends(NamedTuple):
    """The first and the last row."""

    first: int
    last: int


@step
def load(day: str = "mon") -> dict[str, Any]:
    return {"rows": [1, 2], "day": day}


@step
def split(rows: Any) -> tuple[int, str]:
    return len(rows), "a"


@step
def ends(rows: Any) -> Ends:
    return Ends(1, 2)


@step
def fit(rows: Any) -> Fit:
    return Fit(0.5, "later")


@step
def use(*values: Any) -> Any:
    return values


@step
def score(value: Any, more: Any = None) -> Any:
    return [value, more]


def bound(*values: Any) -> tuple[Any, ...]:
    """The bindings of values as arguments of a step."""
    node = Pipeline("parts", steps=[use(*values)]).graph.by_name["use"]
    assert isinstance(node, Node)
    return node.args


def test_items_and_attributes_are_parts_of_the_call() -> None:
    """Keys, indices and attributes, at any depth, become one binding each, without a node."""
    whole = load()
    day, row, again = bound(whole["day"], whole["rows"][-1], part(fit(whole), "next"))
    assert (day.of, day.path) == (Output("load"), ("day",))
    assert row.path == ("rows", -1)
    assert again.path == (Attribute("next"),)
    assert row.what == "part ['rows'][-1] of the result of step 'load'"
    assert again.what == "part .next of the result of step 'fit'"
    (group,) = bound([whole["day"], {"k": fit(whole).score}])
    assert isinstance(group, Group)
    assert isinstance(group.members[0], Part)


def test_a_fixed_tuple_can_be_unpacked() -> None:
    """A result whose annotation fixes its length is unpacked into parts, also with a star."""
    number, name = split(load())
    first, last = ends(load())
    (rows, rest) = bound(number, name)
    assert (rows.path, rest.path) == ((0,), (1,))
    assert [one.path for one in bound(*ends(load()))] == [(0,), (1,)]
    assert [one.path for one in bound(first, last)] == [(0,), (1,)]
    with pytest.raises(ValueError, match="too many values to unpack"):
        (_,) = split(load())


@pytest.mark.parametrize("use_it", [list, tuple, len, iter, lambda c: use(*c), lambda c: [*c]])
def test_a_result_of_unknown_length_cannot_be_iterated(use_it: Any) -> None:
    """Iterating without such an annotation is an error, with the line and the remedies."""
    with pytest.raises(PlaceholderError, match="number of values is unknown") as caught:
        use_it(load())
    assert "-> tuple[int, str]" in str(caught.value)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


def test_the_truth_of_a_part_is_an_error() -> None:
    """A part has no truth, and no value to compute with, while the pipeline is written."""
    for compute in (bool, lambda one: one + 1, lambda one: one > 1, lambda one: one(2)):
        with pytest.raises(PlaceholderError, match=r"part \['day'\] of the result of step 'load'"):
            compute(load()["day"])


def test_the_truth_of_a_fixed_tuple_is_an_error() -> None:
    """A tuple whose length is known has no truth either: it may be skipped."""
    with pytest.raises(PlaceholderError, match="do this in a step"):
        bool(split(1))


def test_a_method_of_chains_is_no_field() -> None:
    """A field named like a method of chains is refused as an argument, with the remedy."""
    for value in (fit(1).next, [fit(1).next], fit(1).map):
        with pytest.raises(BindingError, match=r"is a method of .* 'fit'") as caught:
            use(value)
        assert 'part(…, "' in str(caught.value)
        assert caught.value.place is not None
        assert caught.value.place.file == __file__


def test_a_private_field_needs_part() -> None:
    """Private names raise an AttributeError with the remedy, and part() reads them."""
    with pytest.raises(AttributeError, match=r'part\(…, "_x"\)'):
        _ = fit(1)._x
    (private,) = bound(part(score(1), "_x"))
    assert private.path == (Attribute("_x"),)


@pytest.mark.parametrize("key", [None, 1.5, True, slice(1), (1,), b"x", 2**60, "\ud800"])
def test_keys_are_names_and_numbers(key: Any) -> None:
    """A key that JSON does not preserve, and a slice, are refused with the user's line."""
    with pytest.raises(BindingError, match="selected by a name or a number") as caught:
        load()[key]
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


def test_a_result_as_a_key_is_refused() -> None:
    """A part that depends on another result has to be selected in a step."""
    with pytest.raises(PlaceholderError, match="exists only when the pipeline runs"):
        load()[split(1)]


def test_chains_continue_from_parts() -> None:
    """``.next``, ``.map`` and lokki's calls by name work on parts and beside them."""
    graph = Pipeline("chains", steps=[load()["rows"].map(score).agg(use)]).graph
    mapped = graph.by_name["score_map"]
    assert isinstance(mapped, Map)
    assert isinstance(mapped.items, Part)
    assert mapped.items.path == ("rows",)
    node = Pipeline("next", steps=[load()["day"].next(score, more=1)]).graph.by_name["score"]
    assert isinstance(node, Node)
    assert isinstance(dict(node.kwargs)["value"], Part)
    assert Pipeline("lokki", steps=[fit(1).score(more=2)]).local_run().result == [
        Fit(0.5, "later"),
        2,
    ]
    (field,) = bound(fit(1).score)
    assert field.path == (Attribute("score"),)


def test_a_step_without_parameters_waits_for_the_whole() -> None:
    """A step that takes nothing comes after the call whose part leads to it."""

    @step
    def done() -> int:
        return 1

    assert Pipeline("waits", steps=[load()["rows"].next(done)]).graph.by_name["done"].after == (
        "load",
    )


def test_parts_of_maps_items_and_parameters() -> None:
    """A map's result, a map's item and a flow's parameter have parts as well."""

    @flow
    def written(given: dict) -> Any:  # type: ignore[type-arg]
        rows = load(given["day"])
        return rows["rows"].map(score, more=rows["day"])[0].next(use)

    graph = written.graph
    assert [one.path for one in graph.by_name["use"].bindings if isinstance(one, Part)] == [(0,)]
    inner = graph.by_name["score_map"]
    assert isinstance(inner, Map)
    assert dict(inner.arguments) == {"load": Output("load")}
    more = dict(inner.body.by_name["score"].kwargs)["more"]
    assert (more.of, more.path) == (Parameter("load"), ("day",))
    (day,) = graph.by_name["load"].bindings
    assert isinstance(day, Part)
    assert day.of == Parameter("given")

    place = Place("pipeline.py", 7)
    one = MapSpec(CallSpec(load.step, place), place)
    one.end = CallSpec(score.step, place, (PartSpec(one.item, ("k",), place),), body=one)
    (body,) = (node for node in graph_of([one]).nodes if isinstance(node, Map))
    (item,) = body.body.nodes[0].bindings
    assert isinstance(item, Part)
    assert (item.of, item.path) == (Item(), ("k",))


def test_maps_over_parts_need_a_step_that_makes_the_list() -> None:
    """A map over a part of a parameter or of another map is an error with the remedy."""

    @flow
    def written(given: list) -> Any:  # type: ignore[type-arg]
        return given[0].map(score)

    for wrong in (lambda: load()["rows"].map(score)[0].map(score), lambda: written.graph):
        with pytest.raises(BindingError, match="put a step between the two"):
            wrong()


def test_a_part_is_no_end_of_a_pipeline() -> None:
    """Outputs are results of calls, so a part among the ends is an error."""
    with pytest.raises(BindingError, match=r"got part \['day'\]") as caught:
        Pipeline("ends", steps=[load()["day"]])
    assert "end with the call itself" in str(caught.value)


def test_part_reads_real_values() -> None:
    """Inside a step, ``part`` returns the attribute of the value."""
    assert part(Fit(1.5, "x"), "next") == "x"


def test_arrows_from_parts_of_tasks() -> None:
    """An arrow from a part of a task passes that part; several count as several arguments."""

    @task()
    def divide() -> tuple[int, dict[str, str]]:
        return 1, {"a": "x"}

    @task()
    def model() -> Fit:
        return Fit(0.5, "later")

    @task()
    def merged(number: int, letter: str, score: float, whole: Any) -> Any:
        return number, letter, score, whole

    number, letters = divide
    [number, letters["a"], part(model, "score"), model] >> merged
    dag = DAG("parts")
    assert dag.run()["merged"] == (1, "x", 0.5, Fit(0.5, "later"))
    assert dag.graph.by_name["merged"].predecessors == ("divide", "model")
    with pytest.raises(PlaceholderError, match="number of values is unknown"):
        list(model)
    with pytest.raises(BindingError, match=">> requires tasks"):
        model >> number


def test_misfits_of_parts_are_named_as_written() -> None:
    """Arrows from parts that a task cannot receive are reported with the part."""

    @task()
    def divide() -> tuple[int, int]:
        return 1, 2

    @task()
    def single(value: int) -> int:
        return value

    [divide[0], divide[1]] >> single
    with pytest.raises(BindingError, match=r"divide\[0\], divide\[1\]"):
        _ = DAG("wrong").definition


def test_the_remedy_for_iterating_over_a_parameter() -> None:
    """A parameter has no ``.map``: the remedy is a step that returns it."""
    for value in (lokki_tf.Parameter("rows", list), lokki_tf.Parameter("rows", dict)["a"]):
        with pytest.raises(PlaceholderError, match="pass it to a step that returns the list"):
            list(value)
