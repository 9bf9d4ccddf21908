"""Names that the README's fragments use and do not define."""

from __future__ import annotations

import json as json
from datetime import UTC, datetime
from pathlib import Path as Path
from typing import Any

from lokki_tf import Failure as Failure
from lokki_tf import MicroFunctions as MicroFunctions
from lokki_tf import Pipeline as Pipeline
from lokki_tf import PipelineFailed as PipelineFailed
from lokki_tf import RetryConfig as RetryConfig
from lokki_tf import ReturnUpdates as ReturnUpdates
from lokki_tf import flow, step
from lokki_tf import part as part
from lokki_tf.testing import LocalAws

Delays = dict[str, dict[str, int]]


class PaymentDeclined(Exception): ...


class Row: ...


class Model:
    score = 1.0
    next = "model.pkl"


aws = LocalAws()
definition: dict[str, Any] = {}


def post_to_chat(text: str) -> None: ...


def mail(order: dict[str, str], token: str | None) -> None: ...


def history(customer: str) -> dict[str, float]:
    return {}


def pay(card: str, items: list[str]) -> int:
    return 0


@step
def lock(name: str) -> str:
    return name


def delete_lock(name: str) -> None: ...


def query_prices(day: str, password: str, token: str) -> list[float]:
    return []


def put_all(table: str, bucket: str, rows: list[float]) -> int:
    return len(rows)


def describe(value: object) -> str:
    return str(value)


@step
def fetch() -> dict[str, list[Row]]:
    return {}


@step
def fit(rows: list[Row]) -> Model:
    return Model()


@step
def publish(row: Row, score: float, file: str) -> str:
    return file


def flights_by_month() -> dict[int, list[str]]:
    return {}


def airlines() -> dict[str, str]:
    return {}


@step
def month_delays(flights: list[str]) -> Delays:
    return {}


@step
def by_airline(months: list[Delays], names: dict[str, str]) -> list[dict[str, object]]:
    return []


@step
def report(table: list[dict[str, object]]) -> str:
    return ""


@step
def picture(table: list[dict[str, object]]) -> bytes:
    return b""


@step
def load(day: str) -> list[int]:
    return []


@step
def score(rows: list[int]) -> float:
    return 1.0


@flow
def prices(limit: int = 100) -> float:
    return score(load("x"))


pipe = Pipeline("daily", steps=[score(load("x"))])


orders = MicroFunctions("reserve", name="orders")


@step
def customers() -> list[str]:
    return []


@step
def due(day: str) -> list[str]:
    return []


@step
def deadline(invoices: list[str]) -> datetime:
    return datetime(2030, 1, 31, 9, tzinfo=UTC)


@step
def remind(invoices: list[str]) -> None: ...


@step
def close(invoices: list[str]) -> None: ...
