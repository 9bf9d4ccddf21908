"""Iterators that feed maps, and results that are read one by one: the same here and there."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from library import Box, echo, listing

from lokki_tf import DAG, Failure, Flow, Pipeline, RetryConfig, S3Json, flow, step, task
from lokki_tf.errors import StepFailed

if TYPE_CHECKING:
    from deployment import Deployment


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
async def asynchronous(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@step
def odd(item: int) -> Any:
    return [(item,), {item: Box(item)}, {item, -1}, b"x" * item][item % 4]


@step
def plus_one(item: int) -> int:
    return item + 1


@step
def large(item: int) -> str:
    return str(item) * 300_000


@step
def twice(values: Iterable[Any]) -> Any:
    return [[type(one).__name__ for one in values], list(values)]


@step
def once(values: Iterator[Any]) -> Any:
    return [next(values, "none"), list(values), list(values)]


@step
def lengths(values: Iterator[str]) -> list[int]:
    return [len(one) for one in values]


@step
def both(first: Iterable[int], *more: Iterator[int], last: Iterator[int]) -> list[int]:
    return [sum(first), *map(sum, more), sum(last)]


def agree(pipeline: Pipeline, deployment: Deployment, given: Any = None) -> Any:
    results = [pipeline.local_run(given, **way).outputs for way in ({}, {"strict": True})]
    there = deployment.run(pipeline, given)
    for name, value in there.items():
        assert [one[name] for one in results] == [value, value]
    return there


@pytest.mark.parametrize(
    "options",
    [{}, {"batch_size": 4}, {"mode": "inline"}, {"execution_type": "express", "batch_size": 3}],
    ids=str,
)
def test_results_of_all_types_are_read_in_order(options: Any, deployment: Deployment) -> None:
    """Results of any type, in batches, inline, and of express executions."""
    chains = [asynchronous(11).map(odd, **options).agg(one) for one in (twice, once)]
    pipeline = Pipeline("streamed", steps=chains)
    found = agree(pipeline, deployment)
    assert found["once"][0] == (0,)
    assert len(found["once"][1]) == 10


def test_large_results_are_read_ahead(deployment: Deployment) -> None:
    """Results that are objects of their own arrive in order."""
    pipeline = Pipeline("objects", steps=[numbers(40).map(large).agg(lengths)])
    expected = [len(str(n)) * 300_000 for n in range(40)]
    assert agree(pipeline, deployment) == {"lengths": expected}


def test_empty_maps_have_no_results(deployment: Deployment) -> None:
    """An iterator without items gives a map without results."""
    chains = [numbers(0).map(plus_one, mode=mode).agg(once) for mode in ("inline", "distributed")]
    assert agree(Pipeline("empty", steps=chains[:1]), deployment) == {"once": ["none", [], []]}
    assert agree(Pipeline("empty", steps=chains[1:]), deployment) == {"once": ["none", [], []]}


def test_arguments_of_all_kinds_are_streams(deployment: Deployment) -> None:
    """By position, in ``*args`` and by name, of several maps, also behind a wait."""
    maps = [numbers(n).map(plus_one) for n in (3, 4, 5)]
    waited = numbers(6).map(plus_one).wait(seconds=1)
    pipeline = Pipeline("kinds", steps=[both(maps[0], maps[1], maps[2], last=waited)])
    assert agree(pipeline, deployment) == {"both": [6, 10, 15, 21]}


def test_one_map_has_streaming_and_other_takers(deployment: Deployment) -> None:
    """Others receive the list, or a part of it."""
    mapped = numbers(5).map(plus_one)
    pipeline = Pipeline("takers", steps=[twice(mapped), once(mapped), listing(mapped, mapped[-1])])
    assert agree(pipeline, deployment)["listing"] == [[1, 2, 3, 4, 5], 5]


def test_iterators_with_several_takers_are_lists(deployment: Deployment) -> None:
    """Two maps, and a step that takes all, receive the same items of an iterator or a generator."""

    @step
    def iterated() -> Iterator[int]:
        return iter(range(4))

    for source in (iterated(), numbers(4)):
        steps = [source.map(plus_one).agg(once), source.map(odd).agg(twice), listing(source)]
        found = agree(Pipeline("several", steps=steps), deployment)
        assert found["listing"] == [[0, 1, 2, 3]]
        steps = [source.map(plus_one).agg(once), source.map(odd).agg(twice)]
        assert agree(Pipeline("two-maps", steps=steps), deployment)["once"] == [1, [2, 3, 4], []]


def test_inner_maps_stream(deployment: Deployment) -> None:
    """In a map's body, a generator feeds an inner map, whose results are read one by one."""

    @flow
    def nested() -> Any:
        return numbers(4).map(numbers).map(plus_one).agg(once).agg(twice)

    expected = [[(n and 1) or "none", list(range(2, n + 1)), []] for n in range(4)]
    assert agree(nested, deployment) == {"twice": [["list"] * 4, expected]}


def test_failures_are_results(deployment: Deployment) -> None:
    """A caught error of an item is a ``Failure`` in its place; a tolerated one is left out."""

    @step(catch=ValueError)
    def caught(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    @step
    def refused(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        return item

    @step
    def shown(values: Iterator[Any]) -> list[str]:
        return [one.error if isinstance(one, Failure) else str(one) for one in values]

    for batch in (1, 2):
        pipeline = Pipeline("caught", steps=[numbers(3).map(caught, batch_size=batch).agg(shown)])
        assert agree(pipeline, deployment) == {"shown": ["0", "ValueError", "2"]}
    chain = numbers(3).map(refused, tolerated_failure_count=1).agg(shown)
    assert agree(Pipeline("left-out", steps=[chain]), deployment) == {"shown": ["0", "2"]}


def test_conditions_have_their_own_pass(deployment: Deployment) -> None:
    """What a condition reads is there for the step; one that is false skips it."""

    @step(when=lambda values: next(values) == 1)
    def met(values: Iterator[int]) -> int:
        return sum(values)

    @step(when=lambda values: sum(values) > 100)
    def unmet(values: Iterable[int]) -> int:
        return sum(values)

    mapped = numbers(3).map(plus_one)
    pipeline = Pipeline("asked", steps=[met(mapped), listing(unmet(mapped))])
    assert agree(pipeline, deployment) == {"met": 6, "listing": [None]}


def test_errors_of_generators_are_those_of_their_steps(deployment: Deployment) -> None:
    """A generator that raises is retried from its beginning, and fails its own step."""

    @step(retry=RetryConfig(retries=2, delay=0, exceptions=(LookupError,)))
    def broken() -> Iterator[int]:
        yield 1
        raise KeyError("lost")

    pipeline = Pipeline("broken", steps=[broken().map(plus_one).agg(once)])
    with pytest.raises(StepFailed, match="KeyError"):
        pipeline.local_run()
    execution = deployment.execute(pipeline)
    assert execution.error == "LookupError"
    assert "KeyError" in str(execution.cause)


def test_too_many_items_of_an_inline_map_are_refused(deployment: Deployment) -> None:
    """Of an endless generator, only as many items are taken as are needed to refuse it."""

    @step
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    pipeline = Pipeline("endless", steps=[endless().map(plus_one, mode="inline").agg(once)])
    execution = deployment.execute(pipeline)
    assert execution.error == "ValueError"
    assert "more than" in str(execution.cause)


def test_an_array_in_several_parts_is_read(deployment: Deployment) -> None:
    """Items of more than 5 MiB together are uploaded while the generator makes others."""

    @step
    def texts(count: int) -> Iterator[str]:
        for number in range(count):
            yield chr(97 + number % 26) * 60_000

    @step
    def length(item: str) -> int:
        return len(item)

    @step
    def added(values: Iterator[int]) -> int:
        return sum(values)

    pipeline = Pipeline("parts", steps=[texts(200).map(length, batch_size=2).agg(added)])
    assert agree(pipeline, deployment) == {"added": 12_000_000}


@step
def memory_of_texts(count: int) -> Iterator[str]:
    before = resident()
    for number in range(count):
        yield f"{number:08}" * 125_000
    print("TEXTS", most() - before)


@step
def memory_of_lengths(values: Iterator[str]) -> list[int]:
    before = resident()
    return [sum(map(len, values)), most() - before]


@step
def memory_of_numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def memory_of_total(values: Iterable[int]) -> list[int]:
    before = resident()
    return [sum(values), sum(values), most() - before]


def resident() -> int:
    """Return the bytes that this process has."""
    import resource
    from pathlib import Path

    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def most() -> int:
    """Return the most bytes that this process has had."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_functions_need_little_memory(deployment: Deployment) -> None:
    """100 items of 1 MB, and 20,000 numbers, are more than what functions have at any time."""
    chain = memory_of_texts(100).map(echo, batch_size=10).agg(memory_of_lengths)
    size, needed = deployment.run(Pipeline("megabytes", steps=[chain]))["memory_of_lengths"]
    assert size == 100_000_000
    assert needed < 48 * 2**20
    chain = memory_of_numbers(20_000).map(plus_one, batch_size=500).agg(memory_of_total)
    found = deployment.run(Pipeline("numbers", steps=[chain]))["memory_of_total"]
    assert found[:2] == [200_010_000, 200_010_000]
    assert found[2] < 24 * 2**20


def test_jobs_stream(deployment: Deployment) -> None:
    """A job of Batch writes items one by one, and reads results one by one."""
    made = step(name="made", job_type="batch")(numbers.step.function)
    taken = step(name="taken", job_type="batch")(once.step.function)
    worked = step(name="worked", job_type="batch")(plus_one.step.function)
    pipeline = Pipeline("jobs", steps=[made(3).map(worked).agg(taken)])
    assert agree(pipeline, deployment) == {"taken": [1, [2, 3], []]}


def test_cleanup_steps_stream(deployment: Deployment) -> None:
    """A cleanup step reads results one by one; of a map that did not end, it receives ``None``."""

    @step
    def cleaned(values: Iterable[int] | None) -> None:
        print("SUM", None if values is None else sum(values))

    mapped = numbers(3).map(plus_one)
    pipeline = Pipeline("cleaned", steps=[mapped], cleanup=cleaned(mapped))
    pipeline.local_run()
    assert deployment.execute(pipeline).status == "SUCCEEDED"


def test_datasets_stream(deployment: Deployment) -> None:
    """Results of a map over a dataset in S3 are read one by one."""
    s3 = deployment.aws.client("s3")
    s3.create_bucket(Bucket="streamed-dataset")
    s3.put_object(Bucket="streamed-dataset", Key="rows.json", Body=b"[1, 2, 3]")
    chain = S3Json("streamed-dataset", "rows.json").map(plus_one).agg(once)
    pipeline = Pipeline("rows", steps=[chain])
    assert deployment.run(pipeline) == {"once": [2, [3, 4], []]}


def test_tasks_and_builders_stream(deployment: Deployment) -> None:
    """The other styles take chains with maps, and receive their results in the same way."""
    dag = DAG("arrows", tasks=[counted_flow >> task(name="total")(lengths_of)])
    assert agree(dag, deployment) == {"total": 10}
    built = Flow("built").add(counted_flow).add(task(name="total")(of_builder))
    assert agree(built, deployment) == {"total": 10}


def lengths_of(values: Iterator[int]) -> int:
    return sum(values)


def of_builder(counted_flow: Iterator[int]) -> int:
    return sum(counted_flow)


@flow
def counted_flow() -> Any:
    return numbers(4).map(plus_one)
