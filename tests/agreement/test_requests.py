"""How often functions read and write the bucket, in exact numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable  # its annotation is read
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, step

if TYPE_CHECKING:
    from deployment import Deployment

COUNT = 5


@step
def pair(number: int = 1) -> tuple[int, str]:
    return number, "one"


@step
def keyed(number: int = 1) -> dict[int, list[int]]:
    return {number: [number]}


@step
def plain() -> dict[str, Any]:
    return {"a": 1, "b": "x"}


@step
def large() -> dict[str, Any]:
    return {"a": "x" * 300_000, "b": "y"}


@step
def pickled() -> Any:
    return b"x"


@step
def numbers() -> list[int]:
    return list(range(COUNT))


@step
def ordered() -> list[tuple[int, str]]:
    return [(number, "x") for number in range(COUNT)]


@step
def of_pair(item: Any) -> Any:
    return item, {item}


@step
def long(item: int) -> str:
    return str(item) * 300_000


@step
def long_items() -> list[str]:
    return [str(number) * 300_000 for number in range(COUNT)]


@step
def size(item: str) -> int:
    return len(item)


@step
def none_of(item: str) -> None:
    return None


@step
def one_by_one(values: Iterable[str]) -> int:
    return sum(map(len, values))


@step
def first(value: Any) -> int:
    return len(str(value))


@step
def second(value: Any) -> int:
    return len(str(value))


def parts(whole: Any, *keys: Any) -> list[Any]:
    return [take(whole[key]) for take, key in zip((first, second), keys, strict=True)]


mapped = ordered()
PIPELINES: dict[str, tuple[list[Any], dict[str, int]]] = {
    "parts-of-tuples": (parts(pair(), 0, 1), {}),
    "keys-that-are-no-text": (parts(keyed(), 1, 1), {}),
    "parts-of-dicts": (parts(plain(), "a", "b"), {}),
    "parts-of-large": (parts(large(), "a", "b"), {"PutObject": 1, "GetObject": 2}),
    "pickles": ([first(pickled())], {"PutObject": 1, "GetObject": 1}),
    # The step with the items writes a file, and the reader reads a manifest and a file of results.
    "distributed": ([numbers().map(of_pair).agg(first)], {"PutObject": 1, "GetObject": 2}),
    "items-of-tuples": ([ordered().map(of_pair).agg(first)], {"PutObject": 1, "GetObject": 2}),
    "batches": (
        [numbers().map(of_pair, batch_size=3).agg(first)],
        {"PutObject": 1, "GetObject": 2},
    ),
    "inline": ([ordered().map(of_pair, mode="inline").agg(first)], {}),
    "mapped-and-taken": (
        [first(mapped), mapped.map(of_pair, mode="inline").agg(second)],
        {"PutObject": 1, "GetObject": 1},
    ),
    "long-results": (
        [numbers().map(long).agg(first)],
        {"PutObject": 1 + COUNT, "GetObject": 2 + COUNT},
    ),
    # Long results of a batch are in one object, of which a reader reads all that it needs at once.
    "long-results-of-batches": (
        [numbers().map(long, batch_size=3).agg(first)],
        {"PutObject": 1 + 2, "GetObject": 2 + 2},
    ),
    "long-results-one-by-one": (
        [numbers().map(long, batch_size=3).agg(one_by_one)],
        {"PutObject": 1 + 2, "GetObject": 2 + 2},
    ),
    "long-results-within-batches": (
        [numbers().map(long, batch_size=3).next(size).agg(first)],
        {"PutObject": 1 + 2, "GetObject": 2 + 2},
    ),
    "long-items": ([long_items().map(none_of)], {"PutObject": 2, "GetObject": COUNT}),
    "long-items-in-batches": (
        [long_items().map(none_of, batch_size=3)],
        {"PutObject": 2, "GetObject": 2},
    ),
    "long-items-inline": (
        [long_items().map(none_of, mode="inline")],
        {"PutObject": 1, "GetObject": COUNT},
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_functions_make_no_further_requests(deployment: Deployment, name: str) -> None:
    """A value that fits into a state is in it, and no object is written or read twice by a step."""
    steps, expected = PIPELINES[name]
    pipeline = Pipeline(f"requests-{name}", steps=steps)
    here = pipeline.local_run(strict=True).result
    (last,) = pipeline.definition.graph.terminals if len(steps) == 1 else ("",)
    assert deployment.run(pipeline) == ({last: here} if last else here)
    assert requests_of(deployment, pipeline.name) == expected


def requests_of(deployment: Deployment, pipeline: str) -> dict[str, int]:
    """Count the requests of a pipeline's functions to S3."""
    found = [
        one.action.removeprefix("s3:")
        for one in deployment.aws.iam_decisions
        if f"role/{pipeline}-" in one.principal and one.action.startswith("s3:")
    ]
    return dict(Counter(found))
