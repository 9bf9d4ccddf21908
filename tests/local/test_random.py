"""Random graphs give the same results as a simple evaluation."""

import random
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lokki_tf.local import run
from lokki_tf.model import Group, Literal, Output, RetryConfig


def mix(*args, **kwargs):
    return hash((args, tuple(kwargs.items()))) % 1_000_003


def mix_slowly(*args, **kwargs):
    time.sleep(random.random() * 0.002)
    return mix(*args, **kwargs)


@st.composite
def shapes(draw, most=14):
    """Draw for each node its arguments: numbers, earlier nodes, or tuples of those."""
    shape = []
    for index in range(draw(st.integers(0, most))):
        simple = st.integers(0, 3)
        if index:
            simple |= st.integers(0, index - 1).map(lambda node: f"n{node}")
        argument = simple | st.lists(simple, max_size=3).map(tuple)
        after = draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []
        shape.append(
            (
                draw(st.lists(argument, max_size=3)),
                draw(st.dictionaries(st.sampled_from("xyz"), argument, max_size=2)),
                [f"n{node}" for node in after],
            )
        )
    return shape


def bound(argument):
    if isinstance(argument, tuple):
        return Group("tuple", tuple(bound(member) for member in argument))
    return Output(argument) if isinstance(argument, str) else Literal(argument)


def value_of(argument, outputs):
    if isinstance(argument, tuple):
        return tuple(value_of(member, outputs) for member in argument)
    return outputs[argument] if isinstance(argument, str) else argument


def evaluated(shape):
    outputs = {}
    for index, (args, kwargs, _) in enumerate(shape):
        outputs[f"n{index}"] = mix(
            *(value_of(one, outputs) for one in args),
            **{name: value_of(one, outputs) for name, one in kwargs.items()},
        )
    return outputs


def pipeline_of(build, shape, function):
    return build.pipeline(
        *(
            build.node(
                f"n{index}",
                function,
                *(bound(one) for one in args),
                after=after,
                **{name: bound(one) for name, one in kwargs.items()},
            )
            for index, (args, kwargs, after) in enumerate(shape)
        )
    )


@pytest.fixture(scope="module")
def pools():
    with ThreadPoolExecutor(3) as threads, ProcessPoolExecutor(2, get_context("fork")) as processes:
        yield {"threads": threads, "processes": processes}


@pytest.mark.parametrize("function", [mix, mix_slowly])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_workers": 2},
        {"executor": "sequential"},
        {"strict": True},
        {"executor": "threads"},
        {"executor": "processes"},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "default",
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=shapes())
def test_every_executor_agrees_with_plain_evaluation(build, pools, options, function, shape):
    """The outputs equal those of calling the functions one after another, and order is kept."""
    options = dict(options)
    if options.get("executor") in pools:
        options["executor"] = pools[options["executor"]]
    pipeline = pipeline_of(build, shape, function)
    outcome = run(pipeline, **options)
    assert outcome.outputs == evaluated(shape)
    for node in pipeline.graph.nodes:
        for name in node.predecessors:
            if "executor" not in options or options["executor"] == "sequential":
                assert outcome.timings[name][1] <= outcome.timings[node.name][0]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=shapes())
def test_a_pool_of_processes_agrees(build, shape):
    """So do those of executor="process"."""
    assert run(pipeline_of(build, shape, mix), executor="process").outputs == evaluated(shape)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(shape=shapes(), seed=st.integers(), workers=st.sampled_from([2, 3, None]))
def test_retries_change_no_result(build, shape, seed, workers):
    """Steps that fail at random and are retried give the same outputs in the end."""
    chance = random.Random(seed)

    def flaky(*args, **kwargs):
        if chance.random() < 0.3:
            raise OSError
        return mix(*args, **kwargs)

    retry = RetryConfig(retries=50, delay=0.001, backoff=1, jitter=True)
    pipeline = build.pipeline(
        *(
            build.node(
                f"n{index}",
                flaky,
                *(bound(one) for one in args),
                after=after,
                retry=retry,
                **{name: bound(one) for name, one in kwargs.items()},
            )
            for index, (args, kwargs, after) in enumerate(shape)
        )
    )
    assert run(pipeline, max_workers=workers).outputs == evaluated(shape)
