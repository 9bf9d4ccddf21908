"""Datasets in S3: steps receive items of their types."""

from __future__ import annotations

from typing import Any

from lokki_tf import (
    Parameter,
    S3Csv,
    S3Inventory,
    S3Json,
    S3Object,
    S3Objects,
    TerraformRef,
    chain,
    step,
)


@step
def book(row: dict[str, str], source: str = "") -> int:
    return 0


@step
def measure(image: S3Object) -> int:
    return image["Size"]


@step
def number(value: int) -> int:
    return value


@step
def total(amounts: list[int]) -> int:
    return sum(amounts)


@step
def key_of(day: str) -> str:
    return day


rows = S3Csv("bucket", key_of("2030-01-31"), header=["a"], delimiter=";", max_items=3)
total(rows.map(book, source="bank").agg(total).next(number))
rows.map(book, batch_size=3).agg(total)
rows.map(book, sources="bank")  # error
rows.map(measure)  # error
rows.map(number)  # error
S3Objects("bucket", Parameter("prefix", str)).map(measure).agg(total)
S3Objects("bucket").map(book)  # error
S3Objects(TerraformRef("aws_s3_bucket.raw.bucket"), "2030/" + TerraformRef("var.day")).map(measure)
S3Csv("bucket", "key").map(book, execution_type="express")
S3Csv("bucket", "key").map(book, execution_type="fast")  # error
S3Inventory("bucket", "manifest.json").map(book)
S3Json("bucket", "key").map(number)
S3Csv("bucket", "key", delimiter="x")  # error
S3Csv("bucket", 3)  # error
chain(key_of("x")).map(book, over=rows).agg(total)
chain(key_of("x")).map(book, over=[{}])  # error


def image(found: S3Object) -> Any:
    return found["Name"]  # error
