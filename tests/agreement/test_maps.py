"""Maps at sizes and with failures that count: here and as deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from library import Box, described, echo, keyed, listing, pair
from strategies import same

from lokki_tf import Pipeline, RetryConfig, flow, step

if TYPE_CHECKING:
    from pathlib import Path

    from deployment import Deployment


@step
def numbers(count: int) -> list[int]:
    return list(range(count))


@step
def large(length: int, count: int) -> list[str]:
    return [str(n) * length for n in range(count)]


@step
def odd(item: int) -> Any:
    return [(item,), {item: Box(item)}, {item, -1}, b"x" * item][item % 4]


@step
def total(items: list[Any]) -> int:
    return sum(items)


@step
def plus_one(item: int) -> int:
    return item + 1


@flow
def thousand(count: int = 1_000):
    return numbers(count).map(plus_one).agg(total)


def test_a_thousand_items_agree(deployment: Deployment) -> None:
    """A Distributed Map of 1,000 items gives the sum that the local run gives."""
    assert thousand.local_run().result == 500_500
    assert deployment.run(thousand) == {"total": 500_500}


def test_ten_thousand_items_in_batches_agree(deployment: Deployment) -> None:
    """10,000 items, 500 to a call."""
    chain = numbers(10_000).map(plus_one, batch_size=500).agg(total)
    pipeline = Pipeline("batches", steps=[chain])
    assert pipeline.local_run().result == 50_005_000
    assert deployment.run(pipeline) == {"total": 50_005_000}


def test_items_beyond_a_state_agree(deployment: Deployment) -> None:
    """Items and results of 300 kB each go through the bucket."""
    pipeline = Pipeline("large", steps=[large(300_000, 5).map(echo).agg(echo)])
    there = deployment.run(pipeline)
    assert there == {"echo_2": [str(n) * 300_000 for n in range(5)]}


@flow
def with_default(box: Any = Box(3)):  # noqa: B008  # a default that is an instance is the point
    return numbers(2).map(odd).agg(listing).next(pair, second=box)


def test_instances_as_defaults_of_parameters_arrive(deployment: Deployment) -> None:
    """A default that is an instance of a class of the user's reaches the steps that take it."""
    here, there = with_default.local_run().result, deployment.run(with_default)["pair"]
    assert same(here, there)


@pytest.mark.parametrize("options", [{}, {"mode": "inline"}, {"batch_size": 2}], ids=str)
def test_an_item_takes_an_argument_called_parameter(
    deployment: Deployment, options: dict[str, Any]
) -> None:
    """The name of an item's argument makes no flow parameter of it."""
    chain = numbers(3).map(keyed, parameter=3, **options).agg(echo)
    pipeline = Pipeline("named", steps=[chain])
    assert deployment.run(pipeline) == {"echo": pipeline.local_run().result}


def test_a_step_takes_an_argument_called_parameter(deployment: Deployment) -> None:
    """An argument of a step may be called as what marks a flow's parameter in events."""
    pipeline = Pipeline("named", steps=[keyed(parameter=3)])
    here, there = pipeline.local_run().result, deployment.run(pipeline)
    assert there == {"keyed": here}


@pytest.mark.parametrize("mode", ["distributed", "inline"])
def test_an_empty_list_agrees(deployment: Deployment, mode: str) -> None:
    """A map over nothing gives an empty list."""
    pipeline = Pipeline("empty", steps=[listing().map(echo, mode=mode).agg(described)])
    assert deployment.run(pipeline) == {"described": pipeline.local_run().result}


def test_results_that_are_no_json_agree(deployment: Deployment) -> None:
    """Tuples, sets, bytes and instances come back from items as they were, in order."""
    pipeline = Pipeline("odd", steps=[numbers(8).map(odd).agg(echo)])
    here, there = pipeline.local_run().result, deployment.run(pipeline)["echo"]
    assert same(here, there)


def test_what_is_no_list_fails_here_and_there(deployment: Deployment) -> None:
    """A map over a number is an error that says so."""
    pipeline = Pipeline("none", steps=[echo(5).map(plus_one)])
    with pytest.raises(Exception, match="int"):
        pipeline.local_run()
    execution = deployment.execute(pipeline)
    assert execution.status == "FAILED"
    assert "must be a list, got int" in execution.cause


class Passing(Exception): ...


class Deeper(Passing): ...


@step(retry=RetryConfig(retries=2, delay=0.01, exceptions=(Passing,)))
def flaky(item: int, folder: str) -> int:
    """Fails twice for each item, and then works."""
    with open(f"{folder}/{item}", "a+") as file:
        file.write("x")
        file.seek(0)
        tried = len(file.read())
    if tried < 3:
        raise Deeper(item)
    return item


@step
def refuses(item: int, bad: list[int]) -> int:
    if item in bad:
        raise ValueError(f"item {item} is bad")
    return item


def test_items_are_retried_alike(deployment: Deployment, tmp_path: Path) -> None:
    """An item that fails twice and then works is tried three times, here and there."""
    for where, run in (("here", None), ("there", deployment.run)):
        folder = tmp_path / where
        folder.mkdir()
        pipeline = Pipeline("flaky", steps=[numbers(4).map(flaky, folder=str(folder)).agg(total)])
        result = run(pipeline)["total"] if run else pipeline.local_run().result
        assert result == 6
        assert sorted(path.read_text() for path in folder.iterdir()) == ["xxx"] * 4


@pytest.mark.parametrize(
    ("options", "bad", "expected"),
    [
        ({"tolerated_failure_count": 2}, [1, 3], [0, 2, 4]),
        ({"tolerated_failure_count": 1}, [1, 3], None),
        ({"tolerated_failure_percentage": 40}, [1, 3], [0, 2, 4]),
        ({"tolerated_failure_percentage": 39}, [1, 3], None),
        ({}, [4], None),
        ({"mode": "inline"}, [4], None),
        ({}, [], [0, 1, 2, 3, 4]),
    ],
    ids=str,
)
def test_tolerated_failures_agree(
    deployment: Deployment, options: dict[str, Any], bad: list[int], expected: list[int] | None
) -> None:
    """As many items may fail as the map tolerates; they are left out of the result."""
    pipeline = Pipeline("bad", steps=[numbers(5).map(refuses, bad=bad, **options).agg(echo)])
    if expected is not None:
        assert pipeline.local_run().result == expected
        assert deployment.run(pipeline) == {"echo": expected}
        return
    with pytest.raises(Exception, match="bad"):
        pipeline.local_run()
    assert deployment.execute(pipeline).status == "FAILED"
