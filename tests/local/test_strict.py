"""Strict runs: values are serialized as in AWS."""

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
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return int, ("no number",)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "value", [None, 1, "text", [1, {"a": None}], (1, 2), {1: "one"}, {1, 2}, b"bytes", 2**80]
)
def test_values_are_unchanged(build, executor, value):
    """Values keep their type and are equal after serialization."""
    pipeline = build.pipeline(build.node("a", same, value), build.node("b", same, build.out("a")))
    outcome = run(pipeline, strict=True, executor=executor)
    assert outcome.outputs == {"a": value, "b": value}
    assert type(outcome.result) is type(value)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_two_steps_share_an_object(build, executor):
    """A consumer that modifies its value affects no other, nor the literal."""
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
    """By default what pickle refuses is passed on as it is; it is not serialized."""
    value = threading.Lock()
    pipeline = build.pipeline(build.node("a", same, value), build.node("b", same, build.out("a")))
    assert run(pipeline).result is value


@pytest.mark.parametrize("executor", ["thread", "sequential"])
@pytest.mark.parametrize("function", [lock, NoReturn])
def test_the_error_of_a_result_contains_the_step(build, executor, function):
    """The error contains the step and a remedy, and has the results so far."""
    pipeline = build.pipeline(
        build.node("before", same, 1),
        build.node("a", function, after=["before"]),
        build.node("b", same, build.out("a")),
    )
    with pytest.raises(
        SerializationError, match="result of step 'a' cannot be serialized"
    ) as caught:
        run(pipeline, strict=True, executor=executor)
    assert caught.value.place == build.place
    assert "plain data" in caught.value.remedy
    assert caught.value.__cause__ is not None
    assert caught.value.run.status == {"before": "done", "a": "failed", "b": "not run"}


def test_the_error_of_a_literal_comes_before_the_run(build):
    """The error contains the argument, and no step has begun."""
    ran = []
    group = build.group("list", (build.out("a"), build.node("x", same, lock()).args[0]))
    pipeline = build.pipeline(build.node("a", ran.append, 1), build.node("b", same, value=group))
    with pytest.raises(SerializationError, match="argument 'value' of step 'b'"):
        run(pipeline, strict=True)
    assert ran == []
