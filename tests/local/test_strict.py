"""Strict runs: values travel as in the cloud."""

import threading

import pytest

from lokki_tf.errors import SerializationError
from lokki_tf.local import run

EXECUTORS = ["thread", "sequential", "process"]


def same(value):
    return value


def append(value):
    value.append("mine")
    return value


def lock():
    return threading.Lock()


class NoReturn:
    """Can be written, cannot be read."""

    def __reduce__(self):
        return int, ("no number",)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "value", [None, 1, "text", [1, {"a": None}], (1, 2), {1: "one"}, {1, 2}, b"bytes", 2**80]
)
def test_values_arrive_as_they_were(build, executor, value):
    """What can travel arrives with its value and its type."""
    pipeline = build.pipeline(build.node("a", same, value), build.node("b", same, build.out("a")))
    outcome = run(pipeline, strict=True, executor=executor)
    assert outcome.outputs == {"a": value, "b": value}
    assert type(outcome.result) is type(value)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_two_steps_share_an_object(build, executor):
    """A consumer that changes what it got changes nothing for others, nor the literal."""
    literal = ["literal"]
    pipeline = build.pipeline(
        build.node("a", append, literal),
        build.node("b", append, build.out("a")),
        build.node("c", append, build.out("a"), after=["b"]),
        build.node("d", append, literal),
    )
    outcome = run(pipeline, strict=True, executor=executor)
    assert outcome.outputs == {
        "a": ["literal", "mine"],
        "b": ["literal", "mine", "mine"],
        "c": ["literal", "mine", "mine"],
        "d": ["literal", "mine"],
    }
    assert literal == ["literal"]


def test_without_strict_steps_share_objects(build):
    """By default nothing is copied."""
    value = object()
    pipeline = build.pipeline(build.node("a", same, value), build.node("b", same, build.out("a")))
    assert run(pipeline).result is value


@pytest.mark.parametrize("executor", ["thread", "sequential"])
@pytest.mark.parametrize("function", [lock, NoReturn])
def test_a_result_that_cannot_travel_names_the_step(build, executor, function):
    """The error names the step and says what to do; the run so far hangs on it."""
    pipeline = build.pipeline(
        build.node("before", same, 1),
        build.node("a", function, after=["before"]),
        build.node("b", same, build.out("a")),
    )
    with pytest.raises(SerializationError, match="the result of step 'a' cannot travel") as caught:
        run(pipeline, strict=True, executor=executor)
    assert caught.value.place == build.place
    assert "plain data" in caught.value.remedy
    assert caught.value.__cause__ is not None
    assert caught.value.run.status == {"before": "done", "a": "failed", "b": "not run"}


def test_a_literal_that_cannot_travel_is_refused_before_anything_runs(build):
    """The error names the argument, and no step has begun."""
    ran = []
    group = build.group("list", (build.out("a"), build.node("x", same, lock()).args[0]))
    pipeline = build.pipeline(build.node("a", ran.append, 1), build.node("b", same, value=group))
    with pytest.raises(SerializationError, match="argument 'value' of step 'b'"):
        run(pipeline, strict=True)
    assert ran == []
