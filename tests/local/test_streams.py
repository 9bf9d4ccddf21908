"""A generator's items reach a map one by one, and results a step: the same in every kind of run."""

from __future__ import annotations

import os
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Generator, Iterable, Iterator
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, RetryConfig, StateManager, flow, run_context, step
from lokki_tf.errors import SerializationError, StepFailed
from lokki_tf.local.events import Event
from lokki_tf.local.feeds import MOST_AHEAD
from lokki_tf.local.spool import MOST_OBJECTS, Spooled
from lokki_tf.reporting.words import format_event

if TYPE_CHECKING:
    from pathlib import Path

WAYS: dict[str, dict[str, Any]] = {
    "threads": {},
    "sequential": {"executor": "sequential"},
    "processes": {"executor": "process", "max_workers": 2},
    "strict": {"strict": True},
}
ONE = {**WAYS, "one process": {"executor": "process", "max_workers": 1}}
FORKS = get_context("fork" if sys.platform == "linux" else None)


class Counter:
    """A number that processes of a run share."""

    def __init__(self) -> None:
        self._value = FORKS.Value("i", 0)

    def add(self) -> int:
        """Add one; return the sum."""
        with self._value:
            self._value.value += 1
            return self.value

    @property
    def value(self) -> int:
        """The number."""
        return int(self._value.value)


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def as_iterator(count: int) -> Iterator[int]:
    return iter(range(count))


@step
async def asynchronous(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@step
def plus_one(item: int) -> int:
    return item + 1


@step
def twice(values: Iterable[int]) -> list[Any]:
    return [sum(values), list(values)[:2], next(iter(values), None)]


@step
def once(values: Iterator[int]) -> list[Any]:
    return [next(values), sum(values), list(values)]


@step
def of_list(values: list[int]) -> int:
    return sum(values)


@step
def generated(values: Generator[int, None, None]) -> int:
    return sum(values)


@step
def told(values: Iterable[int]) -> list[str]:
    found = []
    for use in (len, bool, lambda one: one[0]):
        try:
            use(values)
        except TypeError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "source", [numbers, as_iterator, asynchronous], ids=lambda one: one.step.name
)
@pytest.mark.parametrize("options", [{}, {"batch_size": 3}, {"mode": "inline"}], ids=str)
def test_iterators_of_all_kinds_feed_maps(source: Any, options: Any, way: Any) -> None:
    """A map runs for each item of an iterator of any kind, and of any reader of the results."""
    chain = source(10).map(plus_one, **options)
    steps = [chain.agg(one) for one in (twice, once, generated)]
    run = Pipeline("fed", steps=steps).local_run(**way)
    assert run.result == {"twice": [55, [1, 2], 1], "once": [1, 54, []], "generated": 55}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_iterable_has_neither_length_nor_indices(way: Any) -> None:
    """``len()``, the truth value and indices are errors with a remedy."""
    run = Pipeline("told", steps=[numbers(3).map(plus_one).agg(told)]).local_run(**way)
    assert len(run.result) == 3
    assert all("annotate" in one for one in run.result)


@pytest.mark.parametrize("way", ONE.values(), ids=ONE)
def test_the_generator_waits_for_the_workers(way: Any) -> None:
    """No more items exist than those that run, and a bounded number ahead."""
    made, ended = Counter(), Counter()

    @step
    def making(count: int) -> Iterator[int]:
        for number in range(count):
            made.add()
            yield number

    @step
    def ending(item: int) -> int:
        ahead = made.value - ended.add()
        assert ahead <= MOST_AHEAD + 4 + 1
        return item

    chain = making(1_000).map(ending, concurrency_limit=4)
    assert Pipeline("p", steps=[chain.agg(generated)]).local_run(**way).result == 499_500
    assert made.value == ended.value == 1_000


@pytest.mark.parametrize("way", ONE.values(), ids=ONE)
def test_a_failed_generator_begins_anew(way: Any) -> None:
    """A retry begins with the first item, and nothing of the failed attempt remains."""
    attempts = Counter()

    @step(retry=RetryConfig(retries=2, delay=0, exceptions=(OSError,)))
    def flaky() -> Iterator[int]:
        attempt = attempts.add()
        for number in range(300):
            if number == 200 and attempt < 3:
                raise OSError("lost")
            yield number + 1000 * attempt

    run = Pipeline("p", steps=[flaky().map(plus_one).agg(twice)]).local_run(**way)
    assert run.result == [300 * 3001 + 44_850, [3001, 3002], 3001]
    assert run.attempts["flaky"] == 3


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_generator_that_raises_fails_its_own_step(way: Any) -> None:
    """The run fails with the error of the step with the generator, and no later step runs."""

    @step
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("broken")

    pipeline = Pipeline("p", steps=[broken().map(plus_one).agg(twice)])
    with pytest.raises(StepFailed, match="step 'broken' failed: LookupError: broken") as caught:
        pipeline.local_run(**way)
    assert caught.value.run.status["broken"] == "failed"
    assert caught.value.run.status["twice"] == "not run"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_failed_item_closes_the_generator(way: Any) -> None:
    """The generator does not run to its end for a map that has failed."""
    made, closed = Counter(), Counter()

    @step
    def endless() -> Iterator[int]:
        try:
            while True:
                yield made.add()
        finally:
            closed.add()

    @step
    def refusing(item: int) -> int:
        if item == 100:
            raise ValueError(item)
        return item

    with pytest.raises(StepFailed, match="item 99: step 'refusing' failed"):
        Pipeline("p", steps=[endless().map(refusing).agg(twice)]).local_run(**way)
    assert closed.value == 1
    assert made.value <= 100 + MOST_AHEAD


@pytest.mark.parametrize("way", [ONE["processes"], ONE["one process"]], ids=str)
def test_a_generator_in_a_process_is_a_step(way: Any) -> None:
    """It has its context, environment and card, can take results, and several can run at once."""

    @step(env_variables={"KIND": "odd"})
    def described(values: Iterator[int]) -> Iterator[str]:
        for value in values:
            yield f"{run_context().step} {os.environ['KIND']} {value}"

    @step
    def joined(values: Iterable[str]) -> str:
        return "; ".join(values)

    @step
    def shouted(text: str) -> str:
        return text.upper()

    chains = [numbers(3).map(plus_one).agg(described).map(shouted).agg(joined) for _ in range(3)]
    run = Pipeline("p", steps=chains).local_run(**way)
    texts = [f"{name} odd {n}".upper() for name in ("described",) for n in (1, 2, 3)]
    assert set(run.result.values()) == {"; ".join(texts)}
    assert "KIND" not in os.environ


def test_items_that_no_process_can_take_are_named() -> None:
    """An item that cannot be pickled ends the run with the remedy."""

    @step
    def locks() -> Iterator[Any]:
        yield threading.Lock()

    pipeline = Pipeline("p", steps=[locks().map(plus_one).agg(twice)])
    with pytest.raises(SerializationError, match=r"an item of step 'locks' cannot be .*process"):
        pipeline.local_run(executor="process")


def test_a_generator_whose_process_ends_is_a_death() -> None:
    """The step fails as one whose own process ends; a retry begins again."""
    attempts = Counter()

    def dying() -> Iterator[int]:
        attempt = attempts.add()
        yield 1
        if attempt < 2:
            os._exit(1)
        yield 2

    again = RetryConfig(retries=1, delay=0, exceptions=("Runtime.ExitError",))
    once_more = step(retry=again)(dying)().map(plus_one).agg(twice)
    run = Pipeline("p", steps=[once_more]).local_run(executor="process", max_workers=1)
    assert run.result == [5, [2, 3], 2]
    attempts = Counter()
    with pytest.raises(StepFailed, match="step 'dying' failed"):
        Pipeline("p", steps=[step(dying)().map(plus_one).agg(twice)]).local_run(executor="process")


@pytest.mark.parametrize("consumer", [once, of_list], ids=lambda one: one.step.name)
def test_a_failure_elsewhere_leaves_no_partial_result(consumer: Any) -> None:
    """A map whose generator was ended has no result."""
    begun = threading.Event()

    @step
    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    @step
    def waiting(item: int) -> int:
        begun.set()
        return item

    @step
    def failing() -> None:
        begun.wait(10)
        raise LookupError("elsewhere")

    pipeline = Pipeline("p", steps=[endless().map(waiting).agg(consumer), failing()])
    with pytest.raises(StepFailed, match="elsewhere") as caught:
        pipeline.local_run()
    assert caught.value.run.status["waiting_map"] == "interrupted"
    assert "waiting_map" not in caught.value.run.outputs


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("share", "fails"), [(50, False), (30, True)])
def test_a_share_of_failed_items_counts_at_the_end(way: Any, share: int, fails: bool) -> None:
    """Results of a tolerated share are left out; a larger one fails the map."""

    @step
    def refusing(item: int) -> int:
        if item % 5 > 2:
            raise ValueError(item)
        return item

    chain = numbers(10).map(refusing, tolerated_failure_percentage=share).agg(once)
    pipeline = Pipeline("p", steps=[chain])
    if fails:
        with pytest.raises(StepFailed, match="failed at 4 of 10 items"):
            pipeline.local_run(**way)
    else:
        assert pipeline.local_run(**way).result == [0, 1 + 2 + 5 + 6 + 7, []]


def test_a_retried_consumer_reads_from_the_first_result() -> None:
    """Each attempt receives a new iterator."""
    attempts: list[int] = []

    @step(retry=RetryConfig(retries=1, delay=0))
    def consuming(values: Iterator[int]) -> int:
        attempts.append(next(values))
        if len(attempts) == 1:
            raise OSError
        return sum(values)

    run = Pipeline("p", steps=[numbers(4).map(plus_one).agg(consuming)]).local_run()
    assert run.result == 9
    assert attempts == [1, 1]


def test_a_condition_has_an_iterator_of_its_own() -> None:
    """What the condition reads is there for the step."""

    @step(when=lambda values: next(values) == 1)
    def consuming(values: Iterator[int]) -> int:
        return sum(values)

    pipeline = Pipeline("p", steps=[numbers(4).map(plus_one).agg(consuming)])
    assert pipeline.local_run().result == 10


def test_each_pass_has_copies() -> None:
    """A change of a result is not seen by the next pass, as in AWS."""

    @step
    def rows(item: int) -> list[int]:
        return [item]

    @step
    def changing(values: Iterable[list[int]]) -> list[list[int]]:
        for one in values:
            one.append(7)
        return list(values)

    assert Pipeline("p", steps=[numbers(2).map(rows).agg(changing)]).local_run().result == [
        [0],
        [1],
    ]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_kept_results_are_found_again(tmp_path: Path, way: Any) -> None:
    """With ``state=``, a second run calls nothing."""

    @flow
    def kept() -> Any:
        return numbers(5).map(plus_one).agg(twice)

    with StateManager(tmp_path / "state.db") as state:
        runs = [kept.local_run(state=state, **way) for _ in range(2)]
    assert runs[0].result == runs[1].result == [15, [1, 2], 1]
    assert runs[1].status == {"numbers": "cached", "plus_one_map": "done", "twice": "cached"}


def test_many_items_take_little_memory() -> None:
    """100 items of 1 MB, made, worked at and added up, need a fraction of their size."""

    @step
    def large(count: int) -> Iterator[bytes]:
        for number in range(count):
            yield bytes([number]) * 1_000_000

    @step
    def doubled(item: bytes) -> bytes:
        return item + item

    @step
    def lengths(values: Iterator[bytes]) -> int:
        return sum(map(len, values))

    pipeline = Pipeline("p", steps=[large(100).map(doubled).agg(lengths)])
    tracemalloc.start()
    try:
        run = pipeline.local_run()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert run.result == 200_000_000
    assert peak < 160 * 2**20


def test_results_in_a_file_are_a_sequence() -> None:
    """Intermediate results beyond the bound can be inspected as a list can."""
    count = MOST_OBJECTS + 50
    run = Pipeline("p", steps=[numbers(count).map(plus_one).agg(generated)]).local_run()
    kept = run.outputs["plus_one_map"]
    assert isinstance(kept, Spooled)
    assert kept == list(range(1, count + 1))
    assert [kept[-1], kept[3:5], len(kept)] == [count, [4, 5], count]
    assert run.outputs["numbers"] == list(range(count))


def test_progress_names_a_generator() -> None:
    """The report of a map that begins says that the number of items is not known."""
    events: list[Event] = []
    pipeline = Pipeline("p", steps=[numbers(3).map(plus_one).agg(twice)])
    pipeline.local_run(on_event=events.append)
    (began,) = (one for one in events if one.kind == "map_started")
    (ended,) = (one for one in events if one.kind == "map_finished")
    shown = format_event(began)
    assert shown is not None
    assert "items of a generator" in shown.sentence
    assert (began.total, ended.total) == (None, 3)
