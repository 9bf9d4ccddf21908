"""Values of many megabytes with buffers: the same here and there, wherever a step takes them."""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING, Any

import pytest
from ways import WAYS

from lokki_tf import (
    ConditionalReturns,
    MicroFunctions,
    Pipeline,
    ReturnUpdates,
    flow,
    start_pipeline,
    step,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployment import Deployment

SIZE = 3_000_000  # bytes of a buffer: two blocks


class Samples:
    """A buffer outside of the pickle, as arrays have it."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Samples, (pickle.PickleBuffer(self.data),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Samples) and bytes(self.data) == bytes(other.data)

    def digest(self) -> str:
        import hashlib

        return hashlib.sha256(self.data).hexdigest()


@step
def made(seed: int, count: int = 1) -> dict[str, Samples]:
    """``count`` buffers of random bytes, by name."""
    numbers = random.Random(seed)
    return {str(n): Samples(bytearray(numbers.randbytes(SIZE))) for n in range(count)}


@step(job_type="batch")
def made_by_job(seed: int) -> dict[str, Samples]:
    return {"one": Samples(random.Random(seed).randbytes(2 * SIZE))}


@step
def changed(samples: dict[str, Samples]) -> dict[str, Samples]:
    """Every buffer with its first byte changed, in place."""
    for one in samples.values():
        one.data[0] ^= 1
    return samples


@step
def digests(*many: Any) -> list[str]:
    flat = [one for given in many for one in (given if isinstance(given, list) else [given])]
    return [one.digest() for given in flat for one in given.values()]


@step
def all_digests(given: dict[str, Samples]) -> list[str]:
    assert all(isinstance(one, Samples) for one in given.values())
    return [one.digest() for one in given.values()]


@step
def with_changed(seed: int, samples: dict[str, Samples]) -> list[str]:
    """A buffer is changed in place: other items of the batch do not see that."""
    before = [one.digest() for one in samples.values()]
    samples[str(seed)].data[0] ^= 1
    return before + [one.digest() for one in samples.values()]


@step
def all_lists(many: list[list[str]]) -> list[list[str]]:
    return many


@step
def one_digest(samples: Samples) -> str:
    return samples.digest()


@step
def seeds() -> list[int]:
    return [1, 2, 3]


def chain() -> Pipeline:
    """A value that two steps take, of which one changes it in place."""
    first = made(1, 4)
    return Pipeline("big-chain", steps=[digests(first, changed(first))])


def part() -> Pipeline:
    """A part of a value."""
    return Pipeline("big-part", steps=[one_digest(made(1, 2)["1"])])


@flow
def big_map():
    return seeds().map(made).agg(digests)


@flow
def big_batches():
    return seeds().map(with_changed, samples=made(9, 4), batch_size=2).agg(all_lists)


def big_job() -> Pipeline:
    """A value that a job makes."""
    return Pipeline("big-job", steps=[digests(made_by_job(5))])


routed = MicroFunctions(beginner="begin", name="big-routes")


@routed.fn()
def begin() -> ReturnUpdates:
    return ReturnUpdates("end", samples=Samples(bytearray(bytes(range(250)) * 40_000)), again=0)


@routed.fn()
def end(samples: Samples, again: int) -> ReturnUpdates:
    return ConditionalReturns(
        again < 2, ReturnUpdates("last"), true=ReturnUpdates("end", again=again + 1)
    )


@routed.fn(terminates=True)
def last(samples: Samples, **_: object) -> dict[str, Samples]:
    return {"samples": samples}


CASES: dict[str, Callable[[], Any]] = {
    "chain": chain,
    "part": part,
    "map": lambda: big_map,
    "batches": lambda: big_batches,
    "job": big_job,
    "routes": lambda: routed,
}


@pytest.mark.parametrize("case", CASES)
def test_big_values_agree(case: str, deployment: Deployment) -> None:
    """Buffers of megabytes are the same, and as independent, in every way and on the local AWS."""
    pipeline = CASES[case]()
    here = pipeline.local_run(strict=True)  # without it, large values are not copied
    for options in WAYS if case in ("part", "map", "job") else ():
        assert pipeline.local_run(**options).result == here.result
    execution = deployment.execute(pipeline)
    values = deployment.aws.values(execution)
    assert [*values.values()] == [here.result]


@flow
def of_samples(seed: int = 0):
    return made(seed, 3)


def test_a_started_pipelines_big_result_is_copied(deployment: Deployment) -> None:
    """Objects of blocks are copied out of another pipeline's bucket as others are."""
    deployment.aws.register(of_samples)
    outer = Pipeline(
        "of-started", steps=[all_digests(start_pipeline("of-samples", {"seed": 3}, trust=True))]
    )
    here = outer.local_run()
    assert deployment.run(outer) == {"all_digests": here.result}


def test_small_and_big_values_are_told_apart_by_their_names(deployment: Deployment) -> None:
    """Only values with large buffers, or of a mebibyte, are objects of blocks."""
    deployment.run(chain())
    s3 = deployment.aws.client("s3")
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"] if "big-chain" in one["Name"]]
    keys = [one["Key"] for name in buckets for one in s3.list_objects_v2(Bucket=name)["Contents"]]
    assert sorted(
        {key.rpartition("/")[2].partition(".")[2] for key in keys if "/runs/" in f"/{key}"}
    ) == ["blocks"]
