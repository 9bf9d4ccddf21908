"""Events of an example run, and a logger that is restored after each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lokki_tf.errors import Place
from lokki_tf.local import Event
from lokki_tf.model import (
    Graph,
    Item,
    Literal,
    Map,
    MapOptions,
    Node,
    Output,
    RetryConfig,
    Step,
    StepOptions,
)

START = 1_705_314_600.0  # 2024-01-15T10:30:00Z
PLACE = Place("pipeline.py", 7)


def node(name: str, *args: Any) -> Node:
    """Make a node with the given arguments."""
    step = Step(name, lambda *given: given, StepOptions(), PLACE)
    return Node(name, step, args, (), (), RetryConfig(), PLACE)


def mapped(name: str, *body: Node | Map, items: Any = ()) -> Map:
    """Make a map over some items."""
    return Map(name, Literal(list(items)), Graph(body), (), MapOptions(), (), PLACE)


GRAPH = Graph(
    (
        node("load"),
        node("extra"),
        node("score_2"),
        mapped("resize", node("cut", Item()), node("paste", Output("cut"))),
    )
)


def event(kind: Any, node: str | None = None, at: float = 0.0, **more: Any) -> Event:
    """Make an event ``at`` seconds after the run's start."""
    return Event(kind, node, time=START + at, **{"step": node, "pipeline": "daily", **more})


def item(number: int, at: float) -> list[Event]:
    """Return the events of an item of the map that ends: both steps of its body."""
    more: dict[str, Any] = {"at": at, "duration": 0.1, "item": number}
    return [event("step_finished", "cut", **more), event("step_finished", "paste", **more)]


def run_events() -> list[Event]:
    """Return the events of a run in which every kind of event occurs."""
    error = ValueError("invalid input\nsecond line")
    score: dict[str, Any] = {"step": "score"}
    resize: dict[str, Any] = {"step": None, "total": 100}
    return [
        event("run_started"),
        event("step_started", "load", 0.1),
        event("step_finished", "load", 2.445, duration=2.345),
        event("step_skipped", "extra", 2.5),
        event("step_started", "score_2", 2.5, **score),
        event("step_retried", "score_2", 3.0, duration=0.5, error=OSError("gone"), **score),
        event("step_started", "score_2", 4.0, attempt=2, **score),
        event("map_started", "resize", 4.0, **resize),
        *(one for number in range(20) for one in item(number, 9.0)),
        *(one for number in range(20, 30) for one in item(number, 14.0)),
        *(one for number in range(30, 99) for one in item(number, 14.5)),
        event("step_failed", "cut", 14.75, item=99, duration=0.1, error=OSError("torn")),
        event("map_finished", "resize", 15.0, duration=11.0, **resize),
        event("step_failed", "score_2", 15.5, duration=1.234, attempt=2, error=error, **score),
        event("map_finished", "resize", 15.75, duration=0.5, error=OSError("torn"), **resize),
        event("run_finished", None, 16.0, duration=16.0, error=error),
        event("run_finished", None, 16.0, duration=16.0),
    ]


@pytest.fixture
def events() -> SimpleNamespace:
    """Return the events, and functions to make more."""
    return SimpleNamespace(
        all=run_events(), graph=GRAPH, make=event, item=item, node=node, mapped=mapped, start=START
    )


@pytest.fixture(autouse=True)
def logger() -> Iterator[logging.Logger]:
    """Return the logger ``lokki_tf``; restore it afterwards."""
    logger = logging.getLogger("lokki_tf")
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield logger
    logger.handlers[:], level, logger.propagate = before
    logger.setLevel(level)
