"""Graphs from specs that are made by hand, and the specs of placeholders."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lokki_tf import RetryConfig, step
from lokki_tf.authoring.binding import bound_call
from lokki_tf.authoring.builder import graph_of
from lokki_tf.authoring.calls import FlowArgument
from lokki_tf.authoring.placeholders import Placeholder, spec_of
from lokki_tf.authoring.specs import CallSpec, ChainSpec, MapSpec, ParameterSpec, close_all
from lokki_tf.errors import BindingError, CycleError, Place, PlaceholderError
from lokki_tf.model import Condition, Group, Item, Literal, Map, MapOptions, Node, Output, Parameter
from lokki_tf.model.signatures import signature_of

HERE = Place("pipeline.py", 7)


@step
def load(day: str = "mon") -> list[int]:
    return [len(day)]


@step
def process(value: int, factor: int = 2) -> int:
    return value * factor


@step
def total(values: list[int]) -> int:
    return sum(values)


def call(function: Any, *args: Any, **fields: Any) -> CallSpec:
    return CallSpec(function.step, HERE, args, **fields)


def test_a_call_becomes_a_node_with_all_its_fields() -> None:
    """A node has the call's step, arguments, retries, condition, predecessors and location."""
    first, retry, condition = call(load), RetryConfig(retries=2), Condition((0,))
    second = call(
        process,
        Literal(1),
        kwargs={"factor": first},
        retry=retry,
        condition=condition,
        after=[first],
    )
    node = graph_of([second]).nodes[-1]
    assert isinstance(node, Node)
    assert (node.step, node.retry, node.when, node.place) == (process.step, retry, condition, HERE)
    assert isinstance(node.args[0], Literal)
    assert node.kwargs == (("factor", Output("load")),)
    assert node.after == ("load",)


def test_nodes_are_in_the_order_of_the_specs() -> None:
    """Independent nodes are in the order of their specs' ``order``, whatever the ends' order."""
    late, early = call(load, order=1_000_001), call(total, Literal([]), order=1_000_000)
    assert [node.name for node in graph_of([late, early]).nodes] == ["total", "load"]


def test_a_group_contains_bindings_instead_of_specs() -> None:
    """Specs inside a group are replaced by bindings to their nodes."""
    inner: Any = (call(load), Literal(3))
    node = graph_of([call(total, Group("list", inner))]).nodes[-1]
    assert isinstance(node, Node)
    group = node.args[0]
    assert isinstance(group, Group)
    assert group.members[0] == Output("load")


def test_a_map_becomes_a_node_whose_body_is_a_graph() -> None:
    """Calls whose ``body`` is a map are nodes of its graph; what they use outside is captured."""
    other = call(load)
    one = MapSpec(call(load), HERE, MapOptions(concurrency_limit=3))
    one.end = call(process, one.item, kwargs={"factor": other}, body=one)
    graph = graph_of([call(total, one)])
    assert [node.name for node in graph.nodes] == ["load", "load_2", "process_map", "total"]
    made = graph.nodes[2]
    assert isinstance(made, Map)
    assert (made.items, made.options, made.place) == (Output("load_2"), one.options, HERE)
    assert made.arguments == (("load", Output("load")),)
    [node] = made.body.nodes
    assert isinstance(node, Node)
    assert (node.args, node.kwargs) == ((Item(),), (("factor", Parameter("load")),))


def test_a_result_used_outside_of_its_map_is_refused() -> None:
    """A call cannot use the result of a call in the body of a map that it is not in."""
    one = MapSpec(call(load), HERE)
    one.end = call(process, one.item, body=one)
    with pytest.raises(BindingError, match="used outside of it"):
        graph_of([call(total, one.end), call(total, one)])


def test_calls_that_depend_on_each_other_are_refused() -> None:
    """A cycle of ``after`` is an error with the location of one of its calls."""
    first = call(load)
    second = call(total, Literal([]), after=[first])
    first.after.append(second)
    with pytest.raises(CycleError) as error:
        graph_of([second])
    assert error.value.place == HERE


def test_a_chain_is_closed_once() -> None:
    """Closing a chain sets the end of each open map; another end of a closed map is refused."""
    outer = MapSpec(call(load), HERE)
    first = call(process, outer.item, body=outer)
    inner = MapSpec(first, HERE, body=outer)
    last = call(process, inner.item, body=inner)
    assert close_all(ChainSpec((outer, inner), last), HERE) is outer
    assert (outer.end, inner.end) == (inner, last)
    with pytest.raises(BindingError, match="continued twice"):
        close_all(ChainSpec((outer,), first), HERE)


def test_arguments_are_bound_without_a_decorator() -> None:
    """Binding requires the step and its signature; positional arguments bind by name."""
    source = call(load)
    made = bound_call(process.step, signature_of(process.step.function), (source,), {}, HERE)
    assert (made.args, made.kwargs, made.place) == ((), {"value": source}, HERE)
    with pytest.raises(BindingError, match="cannot be called"):
        bound_call(load.step, signature_of(load.step.function), (1, 2), {}, HERE)


def test_a_placeholder_has_only_the_methods_of_chains() -> None:
    """The public attributes of a call's placeholder are left to the result that it represents."""
    placeholder: Any = load()
    public = {name for name in dir(placeholder) if not name.startswith("_")}
    assert public == {"after", "agg", "map", "next", "wait"}
    assert not hasattr(placeholder, "__dict__")


def test_a_placeholder_represents_its_spec() -> None:
    """``spec_of`` returns the spec of each kind of placeholder, and of a copy."""
    placeholder: Any = load()
    assert spec_of(placeholder).step is load.step
    assert spec_of(copy.copy(placeholder)) is spec_of(placeholder)
    chain = spec_of(placeholder.map(process))
    assert [one.source for one in chain.maps] == [spec_of(placeholder)]
    parameter = ParameterSpec("day", HERE)
    argument: Placeholder[ParameterSpec] = FlowArgument(parameter)
    assert spec_of(argument) is parameter
    with pytest.raises(PlaceholderError, match="the flow parameter 'day' exists only"):
        str(argument)
