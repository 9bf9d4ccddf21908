"""Random graphs with nested maps give the same results as a simple evaluation."""

import time
import zlib
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lokki_tf.errors import StepFailed
from lokki_tf.local import run
from lokki_tf.model import FlowParameter, Group, Item, Literal, Map, Output, Parameter


def mix(*args, **kwargs):
    return zlib.crc32(repr((args, kwargs)).encode())


def mix_slowly(*args):
    time.sleep(mix(*args) % 3 * 0.0005)
    return mix(*args)


def spread(*args):
    yield from range(mix(*args) % 4)


def fragile(*args):
    value = mix(*args)
    if value % 4 == 0:
        raise ValueError(value)
    return value


def value_of(binding, outputs, parameters, item):
    match binding:
        case Literal():
            return binding.value
        case Output():
            return outputs[binding.node]
        case Parameter():
            return parameters[binding.name]
        case Item():
            return item
        case Group():
            return tuple(value_of(one, outputs, parameters, item) for one in binding.members)


def evaluated(graph, parameters, item=None):
    """Return the results of all nodes, by name."""
    outputs = {}
    for one in graph.nodes:

        def value(binding):
            return value_of(binding, outputs, parameters, item)

        if isinstance(one, Map):
            arguments = {name: value(binding) for name, binding in one.arguments}
            outputs[one.name] = mapped(one, list(value(one.items)), arguments)
        else:
            args = [value(binding) for binding in one.args]
            result = one.step.function(*args, **{name: value(arg) for name, arg in one.kwargs})
            outputs[one.name] = list(result) if one.step.function is spread else result
    return outputs


class TooMany(Exception):
    pass


def mapped(one, items, arguments):
    results, failed = [], 0
    for item in items:
        try:
            results.append([*evaluated(one.body, arguments, item).values()][-1])
        except (ValueError, TooMany):
            failed += 1
    if failed > (one.options.tolerated_failure_count or 0):
        raise TooMany
    return results


@st.composite
def graphs(draw, build, functions, name="n", parameters=("p",), depth=0):
    """Draw the nodes of a graph; a map's body has a last node that uses all other ends."""
    nodes, lists = [], [Literal(value) for value in ([], [1, 2], (3,), range(3), {4: 5, 6: 7})]
    values = [Literal(0), *map(Parameter, parameters), *([Item()] * (depth > 0))]

    def some(most):
        chosen = draw(st.lists(st.sampled_from(values), max_size=most))
        if draw(st.booleans()):
            chosen.append(
                Group("tuple", tuple(draw(st.lists(st.sampled_from(values), max_size=2))))
            )
        return chosen

    for index in range(draw(st.integers(1, 5 if depth == 0 else 3))):
        own = f"{name}_{index}"
        after = draw(st.lists(st.sampled_from([one.name for one in nodes] or [""]), max_size=1))
        after = [other for other in after if other]
        if depth < 3 and draw(st.integers(0, 2)) == 0:
            arguments = dict(zip("ab", some(1), strict=False))
            body = draw(graphs(build, functions, own, tuple(arguments), depth + 1))
            options = {
                "concurrency_limit": draw(st.sampled_from([None, 1, 2])),
                "batch_size": draw(st.sampled_from([1, 1, 2, 5])),
                "tolerated_failure_count": draw(st.sampled_from([None, 1, 99])),
            }
            items = draw(st.sampled_from(lists))
            nodes.append(build.map(own, items, *body, arguments=arguments, after=after, **options))
        else:
            function = draw(st.sampled_from(functions if depth else [mix, spread]))
            nodes.append(build.node(own, function, *some(2), after=after))
        values.append(Output(own))
        if isinstance(nodes[-1], Map) or nodes[-1].step.function is spread:
            lists.append(Output(own))
    if depth:
        needed = {other for one in nodes for other in one.predecessors}
        ends = [Output(one.name) for one in nodes if one.name not in needed]
        nodes.append(build.node(f"{name}_end", mix, *ends))
    return nodes


@pytest.fixture(scope="module")
def pools():
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, get_context("fork")) as processes:
        yield {"threads": threads, "processes": processes}


OPTIONS = [
    {},
    {"max_workers": 2},
    {"executor": "sequential"},
    {"strict": True},
    {"executor": "threads"},
    {"executor": "processes"},
    {"on_event": lambda event: None},
]


def options_for(options, pools):
    return {
        name: pools.get(value, value) if name == "executor" else value
        for name, value in options.items()
    }


SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
IDS = ["threads", "two threads", "sequential", "strict", "own threads", "own processes", "events"]


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
@SETTINGS
@given(data=st.data(), value=st.integers(0, 9))
def test_every_executor_agrees_with_plain_evaluation(build, pools, options, data, value):
    """With nested maps, limits and batches, outputs equal those of simple loops."""
    nodes = data.draw(graphs(build, [mix, mix_slowly, spread]))
    pipe = build.pipeline(*nodes, parameters=(FlowParameter("p", int, 5),))
    outcome = run(pipe, {"p": value}, **options_for(options, pools))
    assert outcome.outputs == evaluated(pipe.graph, {"p": value})


@pytest.mark.parametrize("options", OPTIONS, ids=IDS)
@SETTINGS
@given(data=st.data())
def test_every_executor_tolerates_the_same(build, pools, options, data):
    """With failing items, every executor leaves out the same ones, or fails the run."""
    nodes = data.draw(graphs(build, [mix, mix_slowly, spread, fragile, fragile]))
    pipe = build.pipeline(*nodes, parameters=(FlowParameter("p", int, 5),))
    try:
        expected = evaluated(pipe.graph, {"p": 5})
    except TooMany:
        with pytest.raises(StepFailed) as caught:
            run(pipe, **options_for(options, pools))
        assert isinstance(caught.value.__cause__, ValueError)
        assert caught.value.items
    else:
        assert run(pipe, **options_for(options, pools)).outputs == expected
