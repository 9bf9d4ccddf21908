"""What the location of a dataset may be, and the room of its items."""

from __future__ import annotations

from typing import Any

import pytest

from lokki_tf import (
    Parameter,
    Pipeline,
    S3Csv,
    S3Inventory,
    S3Json,
    S3Objects,
    flow,
    start_pipeline,
    step,
)
from lokki_tf.errors import BindingError, LokkiError, OptionError

BUCKET = "bucket"


@step
def kept(item: Any, more: Any = None) -> Any:
    return item


@step
def key() -> str:
    return "key"


@step
def keys() -> list[str]:
    return ["key"]


@step(job_type="batch")
def job() -> str:
    return "key"


@step(callback=True)
def asks() -> str:
    return "key"


@step(when=lambda item: item > 1)
def maybe(item: int) -> str:
    return "key"


@flow
def of_key(name: str):
    return S3Csv(BUCKET, name).map(kept)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: S3Csv("Bucket", "key"), r"S3Csv\(bucket=…\) must be the name of a bucket"),
        (lambda: S3Csv("a..b", "key"), "name of a bucket"),
        (lambda: S3Csv("192.168.0.1", "key"), "name of a bucket"),
        (lambda: S3Csv(None, "key"), "must be a text"),  # type: ignore[arg-type]
        (lambda: S3Csv(BUCKET, ""), "key of an object"),
        (lambda: S3Csv(BUCKET, "x" * 1025), "at most 1,024 bytes"),
        (lambda: S3Csv(BUCKET, "a${b}"), "must not contain"),
        (lambda: S3Csv(BUCKET, "days/*.csv"), "is taken as it is"),
        (lambda: S3Objects(BUCKET, "days/2024-0?"), "is taken as it is"),
        (lambda: S3Objects(BUCKET, "ü" * 513), "at most 1,024 bytes"),
        (lambda: S3Csv(BUCKET, "k", header=[]), "list of names"),
        (lambda: S3Csv(BUCKET, "k", header=["a", "a"]), "different names"),
        (lambda: S3Csv(BUCKET, "k", header=["a" * 10_241]), "10,240 bytes"),
        (lambda: S3Csv(BUCKET, "k", header=[1]), "texts"),  # type: ignore[list-item]
        (lambda: S3Csv(BUCKET, "k", delimiter=":"), "delimiter"),  # type: ignore[arg-type]
        (lambda: S3Json(BUCKET, "k", max_items=0), "max_items"),
        (lambda: S3Json(BUCKET, "k", max_items=100_000_001), "100,000,000"),
        (lambda: S3Json(BUCKET, "k", max_items=True), "max_items"),
        (lambda: S3Csv(BUCKET, Parameter("k", int)), "of type int"),  # type: ignore[arg-type]
        (lambda: S3Csv(BUCKET, keys().map(kept)), "requires a text"),
        (lambda: S3Csv(BUCKET, kept(1, catch=True)), "may be a Failure"),
        (lambda: S3Csv(BUCKET, "k").map(kept, mode="inline"), "only a Distributed Map"),
        (lambda: key().map(kept, over=["a"]), "requires a dataset"),  # type: ignore[arg-type]
    ],
)
def test_wrong_datasets_are_refused_where_they_are_made(made: Any, reason: str) -> None:
    """The error names the argument, and the file and line of the dataset or map."""
    with pytest.raises(OptionError, match=reason) as refused:
        made()
    assert refused.value.place is not None
    assert refused.value.place.file == __file__


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (lambda: job(), "a job, a map or another pipeline"),
        (lambda: start_pipeline("other"), "a job, a map or another pipeline"),
        (lambda: asks(), "answer"),
        (lambda: maybe(1), "None if its condition is false"),
        (lambda: Parameter("k", str, default=None), "with the default None"),
    ],
)
def test_locations_that_the_state_machine_does_not_receive(location: Any, reason: str) -> None:
    """A location must be a text that a step in Lambda always returns."""
    with pytest.raises(LokkiError, match=reason):
        Pipeline("wrong", steps=[S3Csv(BUCKET, location()).map(kept)])


@pytest.mark.parametrize(
    "made",
    [
        lambda: kept(S3Csv(BUCKET, "k")),
        lambda: kept(1, more=[{"rows": S3Objects(BUCKET)}]),
        lambda: keys().map(kept, more=S3Json(BUCKET, "k")),
        lambda: S3Csv(BUCKET, "k").map(kept).agg(kept, more=S3Csv(BUCKET, "k")),
        lambda: of_key([S3Csv(BUCKET, "k")]),
    ],
)
def test_only_maps_read_datasets(made: Any) -> None:
    """A dataset that is an argument of a step is an error at the user's line."""
    with pytest.raises(LokkiError, match=r"argument of a step, but only maps read from S3") as seen:
        made()
    assert seen.value.place is not None
    assert seen.value.place.file == __file__


def test_the_item_of_a_map_locates_no_dataset() -> None:
    """A flow with a dataset cannot run for each key of a list."""
    with pytest.raises((OptionError, BindingError), match="item of a map"):
        Pipeline("wrong", steps=[keys().map(of_key)]).check()
    outer = S3Csv(BUCKET, key()).map(kept, batch_size=2)
    with pytest.raises(BindingError, match="batch_size"):
        outer.map(kept, over=S3Csv(BUCKET, "k"))


def test_an_argument_of_the_step_may_be_called_over() -> None:
    """``over=`` that is not a dataset is an argument of a step that has it."""

    @step
    def with_over(item: Any, over: int) -> Any:
        return item

    pipeline = Pipeline("over", steps=[keys().map(with_over, over=3)])
    assert pipeline.local_run().result == ["key"]


@pytest.mark.parametrize(
    ("dataset", "rules"),
    [
        (S3Csv(BUCKET, "key.csv.gz"), ["compressed"]),
        (S3Csv(BUCKET, "key.csv"), []),
        (S3Inventory(BUCKET, "a/b/manifest.json"), []),
    ],
    ids=repr,
)
def test_compressed_files(dataset: Any, rules: list[str]) -> None:
    """A compressed file is a warning, except for those of an inventory."""
    found = Pipeline("compressed", steps=[dataset.map(kept)]).check()
    assert [one.rule for one in found] == rules


def test_room_of_items() -> None:
    """Many results beside an item leave it little room, which is a warning."""
    results = [key() for _ in range(290)]
    chain = S3Csv(BUCKET, "k").map(kept, more=results, batch_size=2)
    assert [one.rule for one in Pipeline("room", steps=[chain]).check()] == ["item-size"]
    chain = S3Csv(BUCKET, "k").map(kept, more=results[:9], batch_size=2)
    assert not Pipeline("room", steps=[chain]).check()
