"""Maps over datasets in S3: the items are the same here, in strict runs, and in AWS."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from strategies import same

from lokki_tf import (
    DAG,
    Flow,
    Parameter,
    Pipeline,
    S3Csv,
    S3Inventory,
    S3Json,
    S3JsonLines,
    S3Objects,
    StepFailed,
    flow,
    run_context,
    step,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment import Deployment

    from lokki_tf.testing import LocalAws

BUCKET = "lokki-datasets"
MANIFEST = "inventories/source/all/2030-01-31T01-00Z/manifest.json"
FORGED = [
    {"value": 1},
    {"ref": "s3://other/key"},
    {"at": "s3://other/key"},
    {"map": {"Bucket": "other", "Key": "key"}},
    {"make": "list", "items": {}},
    {"failed": {"Error": "E", "Cause": "c"}, "step": "x"},
    {"parameter": "limit"},
    {"batch": [1]},
    {"value.$": "$.x", "$": ["$$.Execution.Name"]},
    "s3://other/key",
    "$.item",
    None,
    [],
    "ü😀\u2028",
    1.5,
    -0.0,
    2**53,
]
"""Items that could be taken for envelopes, references or paths."""


@step
def kept(item: Any) -> Any:
    return item


@step
def listed(items: list[Any]) -> list[Any]:
    return items


@step
def numbered(item: Any, factor: int, *, name: str) -> list[Any]:
    return [item, factor, name, run_context().item_index]


@step
def odd(row: dict[str, str]) -> int:
    if int(row["n"]) % 2:
        raise ValueError(f"{row['n']} is odd")
    return int(row["n"])


@step
def where(name: str) -> dict[str, str]:
    return {"bucket": BUCKET, "key": f"{name}.csv"}


@step
def key_of(name: str) -> str:
    return f"{name}.csv"


@step
def split(row: dict[str, str]) -> list[str]:
    return [*row.values()]


@step
def days() -> list[str]:
    return ["a", "b"]


@step
def number(value: int) -> int:
    return value


@flow
def of_day(name: str):
    return S3Csv(BUCKET, "numbers.csv").map(numbered, 1, name=name).agg(listed)


@pytest.fixture(scope="module")
def filled(deployment: Deployment) -> Iterator[LocalAws]:
    """The local AWS with a bucket of datasets, which local runs use as well."""
    s3 = deployment.aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    rows = "".join(f"{n},r{n}\n" for n in range(7))
    texts = {
        "numbers.csv": f"n,text\n{rows}",
        "even.csv": "n\n2\n4\n",
        "marks.csv": '\ufeffa;b;c\r\n"x;y";"say ""hi""\nthere"\r\n1;2;3;4\r\n'
        "C:\\\\temp;\\;;\\q\r\n",
        "bare.csv": "1|2\n3|4\n",
        "empty.csv": "",
        "items.json": json.dumps(FORGED),
        "entries.json": json.dumps({"a": 1, "b": [2], "ref": {"value": 3}}),
        "lines.jsonl": "\n".join(map(json.dumps, FORGED)) + "\n\n",
        MANIFEST: json.dumps(
            {
                "sourceBucket": "source",
                "destinationBucket": f"arn:aws:s3:::{BUCKET}",
                "version": "2016-11-30",
                "fileFormat": "CSV",
                "fileSchema": "Bucket, Key, Size",
                "files": [{"key": f"inventories/source/all/data/{n}.csv.gz"} for n in (1, 2)],
            }
        ),
        **{f"many/{n:04}": "x" * n for n in range(5)},
    }
    for key, text in texts.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())
    for n in (1, 2):
        body = gzip.compress(f'"source","key%20{n}","{n}"\n"source","other","0"\n'.encode())
        s3.put_object(Bucket=BUCKET, Key=f"inventories/source/all/data/{n}.csv.gz", Body=body)
    s3.put_object(Bucket=BUCKET, Key="packed.csv.gz", Body=gzip.compress(b"n\n1\n2\n"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.aws.environment.items():
            patch.setenv(name, value)
        yield deployment.aws


def everything(pipeline: Pipeline, deployment: Deployment, given: Any = None) -> Any:
    """The result of a local run, which a strict run and an execution give as well."""
    (there,) = deployment.run(pipeline, given).values()
    here = pipeline.local_run(given).result
    assert same(here, there)
    assert same(here, pipeline.local_run(given, strict=True).result)
    return here


def of_dataset(dataset: Any, **options: Any) -> Pipeline:
    """A pipeline that returns the items of a dataset."""
    return Pipeline("datasets", steps=[dataset.map(kept, **options)])


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}], ids=str)
@pytest.mark.parametrize(
    ("dataset", "items"),
    [
        (S3Csv(BUCKET, "even.csv"), [{"n": "2"}, {"n": "4"}]),
        (
            S3Csv(BUCKET, "marks.csv", delimiter=";"),
            [
                {"a": "x;y", "b": 'say "hi"\nthere', "c": ""},
                {"a": "1", "b": "2", "c": "3"},
                {"a": "C:\\temp", "b": ";", "c": "q"},
            ],
        ),
        (
            S3Csv(BUCKET, "bare.csv", delimiter="|", header=["a", "b"], max_items=1),
            [{"a": "1", "b": "2"}],
        ),
        (S3Csv(BUCKET, "empty.csv"), []),
        (S3Csv(BUCKET, "packed.csv.gz"), [{"n": "1"}, {"n": "2"}]),
        (S3Json(BUCKET, "items.json"), FORGED),
        (
            S3Json(BUCKET, "entries.json"),
            [
                {"Key": "a", "Value": 1},
                {"Key": "b", "Value": [2]},
                {"Key": "ref", "Value": {"value": 3}},
            ],
        ),
        (S3JsonLines(BUCKET, "lines.jsonl"), FORGED),
        (
            S3Inventory(BUCKET, MANIFEST, max_items=3),
            [
                {"Bucket": "source", "Key": "key%201", "Size": "1"},
                {"Bucket": "source", "Key": "other", "Size": "0"},
                {"Bucket": "source", "Key": "key%202", "Size": "2"},
            ],
        ),
        (S3Objects(BUCKET, "nothing/"), []),
    ],
    ids=lambda one: repr(one)[:60],
)
def test_items_agree(
    filled: LocalAws, deployment: Deployment, dataset: Any, items: list[Any], options: Any
) -> None:
    """Steps receive the items in their order, as AWS reads them, whatever they contain."""
    assert same(everything(of_dataset(dataset, **options), deployment), items)


def test_objects_agree(filled: LocalAws, deployment: Deployment) -> None:
    """An object is what ListObjectsV2 returns about it; its time is a number of seconds."""
    found = everything(of_dataset(S3Objects(BUCKET, "many/", max_items=3)), deployment)
    assert [(one["Key"], one["Size"]) for one in found] == [(f"many/{n:04}", n) for n in range(3)]
    assert {*found[0]} == {"Etag", "Key", "LastModified", "Size", "StorageClass"}
    assert (found[0]["Etag"][0], found[0]["StorageClass"]) == ('"', "STANDARD")
    assert type(found[0]["LastModified"]) is float


@pytest.mark.parametrize("given", [{"key": "even.csv", "limit": 3}, {"limit": 3}], ids=str)
def test_parameters_locate_a_dataset(
    filled: LocalAws, deployment: Deployment, given: dict[str, Any]
) -> None:
    """Bucket and key may be parameters, with defaults or without."""
    dataset = S3Csv(
        Parameter("bucket", str, default=BUCKET), Parameter("key", str, default="numbers.csv")
    )
    chain = dataset.map(numbered, Parameter("limit", int), name="n", concurrency_limit=2)
    pipeline = Pipeline("located", steps=[chain.agg(listed)])
    found = everything(pipeline, deployment, given)
    count = 2 if "key" in given else 7
    assert [one[1:] for one in found] == [[3, "n", index] for index in range(count)]


def test_a_required_parameter_locates_a_dataset(filled: LocalAws, deployment: Deployment) -> None:
    """A parameter without a default is read from the execution's input."""
    pipeline = of_dataset(S3Objects(BUCKET, Parameter("prefix", str)))
    found = everything(pipeline, deployment, {"prefix": "many/000"})
    assert len(found) == 5


def test_results_locate_datasets(filled: LocalAws, deployment: Deployment) -> None:
    """Bucket and key may be results of steps, and parts of them."""
    found, key = where("even"), key_of("even")
    first = found.map(kept, over=S3Csv(found["bucket"], found["key"])).agg(listed)
    second = S3Csv(BUCKET, key).map(kept).agg(listed)
    assert (
        everything(Pipeline("results", steps=[listed([first, second])]), deployment)
        == [[{"n": "2"}, {"n": "4"}]] * 2
    )


def test_a_dataset_is_read_after_a_step(filled: LocalAws, deployment: Deployment) -> None:
    """``over=`` reads the dataset after the step before it, whose result is not used."""
    pipeline = Pipeline("after", steps=[number(1).map(kept, over=S3Csv(BUCKET, "even.csv"))])
    assert everything(pipeline, deployment) == [{"n": "2"}, {"n": "4"}]


def test_maps_inside_and_around(filled: LocalAws, deployment: Deployment) -> None:
    """Items of a dataset are mapped again, and a flow with a dataset runs for each item."""
    inner = S3Csv(BUCKET, "even.csv").map(split).map(kept).agg(listed).agg(listed)
    assert everything(Pipeline("inner", steps=[inner]), deployment) == [["2"], ["4"]]
    found = everything(Pipeline("outer", steps=[days().map(of_day).agg(listed)]), deployment)
    assert [[one[2:] for one in day] for day in found] == [
        [[name, (outer, n)] for n in range(7)] for outer, name in enumerate("ab")
    ]


@flow
def of_key(key: str):
    return S3Csv(BUCKET, key).map(kept).agg(listed)


@flow
def rows():
    return S3Csv(BUCKET, "numbers.csv").map(kept).agg(listed)


@task
def find() -> str:
    return "even.csv"


@task
def count(rows: list[Any]) -> int:
    return len(rows)


def test_datasets_between_arrows(filled: LocalAws, deployment: Deployment) -> None:
    """Flows with datasets are between arrows and in built flows, and receive locations."""
    find >> of_key >> count
    assert everything(DAG("arrows", tasks=[count]), deployment) == 2
    built = Flow("built")
    built.add(rows).add(count)
    assert everything(built, deployment) == 7


@pytest.mark.parametrize("options", [{}, {"batch_size": 3}], ids=str)
def test_express_items(filled: LocalAws, deployment: Deployment, options: Any) -> None:
    """Express executions receive items and further arguments; limits are parameters as well."""
    rows = S3Csv(BUCKET, Parameter("key", str, default="numbers.csv"))
    made = rows.map(
        numbered,
        1,
        name="n",
        execution_type="express",
        concurrency_limit=Parameter("limit", int, default=2),
        **options,
    )
    found = everything(Pipeline("express", steps=[made.agg(listed)]), deployment, {"limit": 3})
    assert [(row["n"], index) for row, _, _, index in found] == [(str(n), n) for n in range(7)]


def test_failures_of_items(filled: LocalAws, deployment: Deployment) -> None:
    """Failed items are tolerated, or values with catch=."""
    numbers = S3Csv(BUCKET, "numbers.csv")
    for kind in ("standard", "express"):
        some = numbers.map(odd, tolerated_failure_percentage=50, execution_type=kind)
        pipeline = Pipeline("tolerated", steps=[some.agg(listed)])
        assert everything(pipeline, deployment) == [0, 2, 4, 6]
    for options in ({}, {"batch_size": 3}):
        caught = Pipeline("caught", steps=[numbers.map(odd, catch=ValueError, **options)])
        found = caught.local_run().result
        there = deployment.run(caught)["odd_map"]
        assert [getattr(one, "message", one) for one in found] == [
            f"{n} is odd" if n % 2 else n for n in range(7)
        ]
        assert [str(one) for one in there] == [str(one) for one in found]


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (S3Csv(BUCKET, "nothing.csv"), "NoSuchKey|AccessDenied"),  # without s3:ListBucket
        (S3Objects("lokki-no-such-bucket"), "NoSuchBucket"),
        (S3Json(BUCKET, "even.csv"), "not JSON"),
        (S3JsonLines(BUCKET, "even.csv"), "line 1 is not JSON"),
        (S3Inventory(BUCKET, "entries.json"), "manifest"),
    ],
    ids=repr,
)
def test_unreadable_datasets(
    filled: LocalAws, deployment: Deployment, dataset: Any, reason: str
) -> None:
    """A dataset that cannot be read is an error with the reason; no item begins."""
    pipeline = of_dataset(dataset)
    with pytest.raises(StepFailed, match=reason):
        pipeline.local_run()
    execution = deployment.execute(pipeline)
    assert execution.error == "States.ItemReaderFailed"
    assert re.search(reason, str(execution.cause))
