"""Serialization of items and their results, each by itself."""

import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from lokki_tf.errors import SerializationError, StepFailed
from lokki_tf.local import run


def pair(first, second):
    return (first, second)


def same(value):
    return value


def each(build, items, function, **named):
    return build.map("each", items, build.node("a", function, build.item), **named)


class Loose:
    """Can be serialized, but yields objects that cannot."""

    def __iter__(self):
        return iter([1, threading.Lock()])


@pytest.mark.parametrize("executor", ["thread", "sequential", "process"])
def test_strict_items_are_serialized_separately(build, executor):
    """In a strict run, items that are the same object become separate ones, and so do results."""
    shared = ["x"]

    def append(value):
        value.append("mine")
        return value

    pipeline = build.pipeline(
        build.node("twice", same, [shared, shared]),
        build.map(
            "each",
            build.out("twice"),
            build.node("append", append, build.item),
            build.node("again", append, build.out("append")),
            build.node("both", pair, build.out("append"), build.out("again")),
        ),
        build.node("change", lambda pairs: [append(one[0]) for one in pairs], build.out("each")),
        build.node("see", same, build.out("each"), after=["change"]),
    )
    outcome = run(pipeline, strict=True, executor=executor)
    expected = [(["x", "mine"], ["x", "mine", "mine"])] * 2
    assert outcome.outputs["each"] == outcome.outputs["see"] == expected
    assert outcome.outputs["change"] == [["x", "mine", "mine"]] * 2
    assert outcome.outputs["each"][0][0] is not outcome.outputs["each"][1][0]
    assert shared == ["x"]


def test_the_item_that_cannot_be_serialized_is_reported(build):
    """The error contains the map and the item, and the item's steps do not run."""
    ran = []

    body = build.node("a", ran.append, build.item)
    pipeline = build.pipeline(build.node("load", Loose), build.map("each", build.out("load"), body))
    with pytest.raises(
        SerializationError, match="item 1 of map 'each' cannot be serialized"
    ) as caught:
        run(pipeline, strict=True)
    assert ran == []
    assert caught.value.run.status == {"load": "done", "each": "failed"}


def lock(_):
    return threading.Lock()


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(("executor", "strict"), [("thread", True), ("process", False)])
def test_a_result_that_cannot_be_serialized_fails_its_item(build, executor, strict, batch_size):
    """The failure may be tolerated; if not, the error contains the item and the value."""
    given = {"function": lock, "batch_size": batch_size}
    with pytest.raises(
        SerializationError, match=r"map 'each' failed at .*the result of step"
    ) as got:
        run(build.pipeline(each(build, range(3), **given)), executor=executor, strict=strict)
    assert got.value.items
    tolerant = build.pipeline(each(build, range(8), tolerated_failure_percentage=100, **given))
    outcome = run(tolerant, executor=executor, strict=strict)
    assert outcome.result == []
    assert len(outcome.failed_items["each"]) == 8


@pytest.mark.parametrize("batch_size", [1, 4])
def test_an_item_that_cannot_be_sent_to_a_process_fails_alone(build, batch_size):
    """The other items of its batch run."""
    items = [1, threading.Lock(), 3, 4]
    given = {"batch_size": batch_size, "tolerated_failure_count": 1, "function": str}
    outcome = run(build.pipeline(each(build, items, **given)), executor="process", max_workers=1)
    assert outcome.result == ["1", "3", "4"]
    assert list(outcome.failed_items["each"]) == [1]


def die(_):
    import os

    os._exit(3)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_worker_that_dies_is_not_tolerated(build, batch_size):
    """A broken pool ends the run, even if the map tolerates failures."""
    given = {"tolerated_failure_percentage": 100, "function": die, "batch_size": batch_size}
    with pytest.raises(StepFailed, match="BrokenProcessPool") as caught:
        run(build.pipeline(each(build, range(9), **given)), executor="process", max_workers=1)
    assert "os._exit()" in str(caught.value)
    with (
        ProcessPoolExecutor(1, get_context("fork")) as pool,
        pytest.raises(StepFailed, match="BrokenProcessPool"),
    ):
        run(build.pipeline(each(build, range(9), **given)), executor=pool)
