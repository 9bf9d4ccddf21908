"""Pipelines for these tests, built by hand from the model."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from lokki_tf.errors import Place
from lokki_tf.model import (
    Definition,
    Graph,
    Group,
    Item,
    Literal,
    Map,
    MapOptions,
    Node,
    Output,
    Parameter,
    RetryConfig,
    Step,
    StepOptions,
)

PLACE = Place("pipeline.py", 7, "steps")


def binding(value):
    kinds = Literal | Output | Group | Item | Parameter
    return value if isinstance(value, kinds) else Literal(value)


def node(name, function, *args, after=(), retry=None, step=None, **kwargs):
    """Make a node; an argument that is not a binding becomes a literal."""
    return Node(
        name=name,
        step=Step(step or name, function, StepOptions(), PLACE),
        args=tuple(binding(value) for value in args),
        kwargs=tuple((key, binding(value)) for key, value in kwargs.items()),
        after=tuple(after),
        retry=(retry,) if isinstance(retry, RetryConfig) else tuple(retry or ()),
        place=PLACE,
    )


def map_(name, items, *body, arguments=None, after=(), **options):
    """Make a map; an argument that is not a binding becomes a literal."""
    return Map(
        name=name,
        items=binding(items),
        body=Graph(body),
        arguments=tuple((key, binding(value)) for key, value in (arguments or {}).items()),
        options=MapOptions(**options),
        after=tuple(after),
        place=PLACE,
    )


def pipeline(*nodes, parameters=()):
    return Definition("nightly", Graph(nodes), parameters=parameters)


@pytest.fixture(scope="session")
def build():
    return SimpleNamespace(
        node=node,
        map=map_,
        pipeline=pipeline,
        out=Output,
        group=Group,
        item=Item(),
        parameter=Parameter,
        place=PLACE,
    )


WAYS = {
    "threads": {},
    "two threads": {"max_workers": 2},
    "sequential": {"executor": "sequential"},
    "processes": {"executor": "process"},
    "own executor": {"executor": None},
    "strict": {"strict": True},
    "with events": {"on_event": lambda event: None},
}


@pytest.fixture(params=WAYS)
def way(request):
    """Each way to run a pipeline, as options of run()."""
    if request.param != "own executor":
        yield WAYS[request.param]
        return
    with ThreadPoolExecutor(4) as pool:
        yield {"executor": pool}


class Stalled(Executor):
    """Runs the first call and queues the others forever."""

    def __init__(self):
        self.queued = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        if not self.queued:
            future.set_result(fn(*args, **kwargs))
        self.queued.append(future)
        return future


@pytest.fixture
def stalled():
    """An executor in which all calls but the first wait."""
    return Stalled()
