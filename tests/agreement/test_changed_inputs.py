"""A step that changes what it takes changes it for itself alone, here as in AWS."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import DAG, Flow, MicroFunctions, Pipeline, RetryConfig, ReturnUpdates, flow, step
from lokki_tf import task as make_task
from lokki_tf.local.copies import CHECKED, LARGEST

if TYPE_CHECKING:
    from deployment import Deployment


@dataclass
class Row:
    numbers: list[int] = field(default_factory=list)


KINDS: dict[str, Any] = {
    "list": [3, 1, 2],
    "nested": [[3], {"a": [1]}],
    "tuple": ([3, 1],),
    "dict": {"b": 1, "a": [2]},
    "set": {3, 1},
    "bytes": bytearray(b"cab"),
    "instance": Row([3, 1]),
    "instances": {"rows": [Row([1]), Row([2])]},
}


@step
def made(kind: str) -> Any:
    import copy

    return copy.deepcopy(KINDS[kind])


def change(value: Any) -> None:
    """Change a value and all that it holds."""
    if isinstance(value, Row):
        change(value.numbers)
    elif isinstance(value, dict):
        for one in list(value.values()):
            change(one)
        value["changed"] = True
    elif isinstance(value, set):
        value.add(99)
    elif isinstance(value, bytearray):
        value.extend(b"!")
    elif isinstance(value, list | tuple):
        for one in value:
            change(one)
        if isinstance(value, list):
            value.append(99)


@step
def changes(value: Any, other: Any = None) -> Any:
    before = repr(value), repr(other)
    change(value)
    return [*before, repr(other)]


@step
def sees(value: Any) -> str:
    return repr(value)


@step
def joined(*values: Any) -> list[Any]:
    return list(values)


def styles(kind: str) -> dict[str, Any]:
    value = made(kind)
    first, second = changes(value), changes(value, value)
    later = sees(value).after(first, second)

    @flow
    def mapped(extra: Any = None):
        rows = joined(made(kind), made(kind))
        closed = rows.map(changes, other=made(kind)).agg(joined)
        return closed, sees(rows).after(closed), changes(extra), changes(extra, [extra])

    source = make_task(name="source")(made.step.function)
    left = make_task(name="left")(changes.step.function)
    right = make_task(name="right")(sees.step.function)
    kinds = make_task(name="kinds")(lambda: kind)
    kinds >> source >> left
    [source, left] >> make_task(name="end")(joined.step.function)
    del right
    return {
        "calls": (Pipeline("changed", steps=[first, second, later]), None),
        "literals": (Pipeline("literal", steps=[changes(KINDS[kind]), changes(KINDS[kind])]), None),
        "flow": (mapped, {"extra": [1, [2]]}),
        "arrows": (DAG("arrows", tasks=[source]), None),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_has_its_own_copy(kind: str) -> None:
    """Threads, one after another and strict runs give the same, and a second run again."""
    before = repr(KINDS)
    for style, (pipeline, given) in styles(kind).items():
        strict = pipeline.local_run(given, strict=True).outputs
        for options in ({}, {"executor": "sequential"}, {"max_workers": 4}, {}):
            here = pipeline.local_run(given, **options).outputs
            assert repr(here) == repr(strict), (style, options)
    assert repr(KINDS) == before


def test_the_state_machine_gives_the_same(deployment: Deployment) -> None:
    """What was 1 here and 3 there is the same in an execution."""
    for pipeline, given in list(styles("nested").values())[:3]:
        here = pipeline.local_run(given).outputs
        there = deployment.run(pipeline, given)
        assert {name: repr(here[name]) for name in there} == {n: repr(v) for n, v in there.items()}


def test_an_attempt_begins_with_what_the_first_one_had() -> None:
    """A step that fails after it has changed its input takes the unchanged one again."""
    seen = []

    @step(retry=RetryConfig(retries=2, delay=0))
    def flaky(rows: list[int]) -> list[int]:
        seen.append(list(rows))
        rows.append(9)
        if len(seen) < 3:
            raise ValueError
        return rows

    ran = Pipeline("flaky", steps=[flaky(made("list"))]).local_run()
    assert seen == [[3, 1, 2]] * 3
    assert ran.outputs == {"made": [3, 1, 2], "flaky": [3, 1, 2, 9]}


def test_a_builder_keeps_results() -> None:
    """The results of a built flow are what each task returned."""

    def rows() -> list[int]:
        return [3, 1]

    def ordered(rows: list[int]) -> list[int]:
        rows.sort()
        return rows

    built = Flow("built").add(make_task()(rows)).add(make_task()(ordered))
    assert built.run() == {"rows": [3, 1], "ordered": [1, 3]}


def test_routes_keep_the_input_and_states() -> None:
    """A routed step that changes its state changes neither the run's input nor earlier results."""
    pipe = MicroFunctions("start")
    tries = []

    @pipe.fn(retry=RetryConfig(retries=1, delay=0))
    def start(*, rows: list[int]) -> Any:
        rows.append(len(rows))
        tries.append(1)
        if len(tries) % 2:
            raise ValueError
        return ReturnUpdates("end")

    @pipe.fn(terminates=True)
    def end(*, rows: list[int], _original_input: dict[str, Any]) -> Any:
        rows.append(7)
        return {"rows": rows, "input": _original_input}

    given = {"rows": [5]}
    for strict in (False, True):
        ran = pipe.local_run(given, strict=strict)
        assert ran.outputs["start"] == {"rows": [5, 1]}
        assert ran.result == {"rows": [5, 1, 7], "input": {"rows": [5]}}
    assert given == {"rows": [5]}


def test_a_large_value_that_is_changed_is_a_warning() -> None:
    """A value too large to be copied is shared; a change is reported with the step's place."""

    def large() -> list[Any]:
        return [["x" * LARGEST], [1]]

    def appends(rows: list[Any]) -> int:
        rows[1].append(2)
        return len(rows)

    def reads(rows: list[Any]) -> int:
        return len(rows)

    value = step(large)()
    with pytest.warns(RuntimeWarning, match=r"the result of step 'large' was changed .*'appends'"):
        Pipeline("large", steps=[step(appends)(value)]).local_run()
    with warnings.catch_warnings(action="error"):
        Pipeline("quiet", steps=[step(reads)(value)]).local_run()

    @flow
    def quiet():
        return step(numbers)().map(step(reads_item), rows=step(large)())

    @flow
    def changing():
        return step(numbers)().map(step(appends_item), rows=step(large)())

    with warnings.catch_warnings(action="error"):
        quiet.local_run()
    with pytest.warns(RuntimeWarning, match="argument 'large' of map"):
        changing.local_run()


def reads_item(item: int, rows: list[Any]) -> int:
    return len(rows)


def appends_item(item: int, rows: list[Any]) -> int:
    rows[1].append(item)
    return len(rows)


def numbers() -> list[int]:
    return [1, 2]


def test_what_cannot_be_copied_is_shared() -> None:
    """Values that pickle refuses are passed on as they are; beyond a size nothing is compared."""

    def opened() -> Any:
        return iter(()).__iter__, lambda: 1

    def called(value: Any) -> int:
        result: int = value[1]()
        return result

    assert Pipeline("shared", steps=[step(called)(step(opened)())]).local_run().result == 1
    assert CHECKED > LARGEST
