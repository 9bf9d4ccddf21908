"""The S3 client is made at a function's start if every call needs it, else when it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from numbers import Number
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict

import pytest

from lokki_tf import Parameter, Pipeline, step
from lokki_tf.packaging import Package, package_steps


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    x: int
    y: int


class Row(TypedDict):
    x: int


class Sized(Protocol):
    x: int


@step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@step
def plus_one(item: int) -> int:
    return item + 1


@step
def total(values: Iterable[int]) -> int:
    return sum(values)


@step
def shown(value: Any) -> str:
    return str(value)


@step
def given(value: int) -> int:
    return value


def connecting(pipeline: Pipeline) -> set[str]:
    """Return the names of the steps whose functions make the client at their start."""
    packages = package_steps(pipeline.definition)
    found = {step.name for step, one in packages.items() if "lokki_runtime/early.py" in one.files}
    handlers = {
        step.name for step, one in packages.items() if b"early" in one.files["lambda_function.py"]
    }
    assert found == handlers
    return found


def made(hint: Any) -> Any:
    def making() -> Any:
        return None

    making.__annotations__["return"] = hint
    return step(making)


@pytest.mark.parametrize(
    "hint",
    [Point, Pair, bytes, date, complex],
    ids=str,
)
def test_a_class_that_json_does_not_preserve_is_an_object(hint: Any) -> None:
    """The step that returns one writes an object, and the next reads it."""
    assert connecting(Pipeline("p", steps=[shown(made(hint)())])) == {"making", "shown"}


@pytest.mark.parametrize(
    "hint",
    [
        *(
            int,
            str,
            list,
            dict,
            tuple,
            set,
            frozenset,
            None,
            Any,
            object,
            Row,
            Sized,
            Number,
            Sequence,
            Iterator[int],
        ),
        *(list[Point], Point | None, "unknown"),
    ],
    ids=str,
)
def test_what_may_be_small_json_is_none(hint: Any) -> None:
    """Such values are in the state if they are small, and then nothing loads boto3."""
    assert connecting(Pipeline("p", steps=[shown(made(hint)())])) == set()


def test_items_and_results_of_distributed_maps_are_objects() -> None:
    """The step that makes the items writes a file, and the one that takes the results reads one."""
    chain = numbers().map(plus_one).agg(total)
    assert connecting(Pipeline("p", steps=[chain])) == {"numbers", "total"}
    inline = numbers().map(plus_one, mode="inline").agg(total)
    assert connecting(Pipeline("p", steps=[inline])) == set()


def test_parameters_and_small_literals_are_none() -> None:
    """They are in the execution's input, or in the state machine."""
    steps = [given(Parameter("n", int)), shown([3])]
    assert connecting(Pipeline("p", steps=steps)) == set()


def test_a_conditional_step_may_write_nothing() -> None:
    """A step with ``when=`` does not count as one that always writes, but it always reads."""

    @step(when=lambda: False)
    def seldom() -> Point:
        return Point(1)

    @step(when=lambda point: point.x > 3)
    def taking(point: Point) -> int:
        return point.x

    point = made(Point)()
    assert connecting(Pipeline("p", steps=[shown(seldom()), taking(point)])) == {"making", "taking"}


PROGRAM = """
import sys, time
before = time.process_time()
import lambda_function
started, is_loaded = time.process_time() - before, "boto3" in sys.modules
import json
print(json.dumps([is_loaded, started]))
"""


def test_only_such_functions_load_boto3_at_their_start(tmp_path: Path) -> None:
    """The handlers are imported as Lambda does it, without credentials and network."""
    packages = package_steps(Pipeline("p", steps=[numbers().map(plus_one).agg(total)]).definition)
    loaded = {step.name: start_of(one, tmp_path / step.name) for step, one in packages.items()}
    assert loaded == {"numbers": True, "plus_one": False, "total": True}


def start_of(package: Package, folder: Path) -> bool:
    """Import a handler in a process of its own; return whether that loads boto3."""
    for name, data in package.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    command = [sys.executable, "-c", PROGRAM]
    environment = {"PYTHONPATH": str(folder), "AWS_DEFAULT_REGION": "eu-central-1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    is_loaded: bool = json.loads(ran.stdout)[0]
    return is_loaded
