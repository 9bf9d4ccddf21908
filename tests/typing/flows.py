"""Flows keep their parameters, and have the result of their chain."""

from __future__ import annotations

from typing import Any, assert_type

from lokki_tf import MicroFunctions, Pipeline, flow, main, step


@step
def fetch(limit: int) -> list[float]:
    return []


@step
def double(price: float) -> float:
    return price


@step
def total(rows: list[float]) -> float:
    return sum(rows)


@flow(schedule="rate(1 day)", tags={"team": "data"})
def prices(limit: int = 100, currency: str = "EUR") -> float:
    """Prices of a day."""
    return fetch(limit=limit).map(double).agg(total)


@flow
def every(limit: int) -> list[float]:
    return fetch(limit).map(double)


@flow(shedule="rate(1 day)")  # error
def wrong() -> float:
    return total(fetch(1))


@flow(max_concurrent_runs=1, when_busy="skip")
def alone() -> float:
    return total(fetch(1))


@flow(max_concurrent_runs=1, when_busy="wait")  # error
def waits() -> float:
    return total(fetch(1))


assert_type(prices.local_run({"limit": 5}).result, float)
assert_type(alone.local_run().busy, str | None)
assert_type(prices(limit=5).local_run().result, float)
assert_type(every.local_run({"limit": 5}, strict=True).result, list[float])
assert_type(prices.local_run().outputs, dict[str, Any])
prices(limit=5, currency="SEK")
prices(limit="5")  # error
prices(limmit=5)  # error
prices.local_run(["limit"])  # error
prices.name.upper()
main(prices)

plain = Pipeline("daily", steps=[total(fetch(3))])
assert_type(plain.local_run().result, Any)
later: Pipeline = plain

pipe = MicroFunctions("start", name="drinks", tags={"a": "b"})


@pipe.fn(terminates=True, memory_size=256)
def start(*, choice: str, **kwargs: object) -> dict[str, object]:
    return {"milk": choice}


@pipe.fn(memory_sise=256)  # error
def other(**kwargs: object) -> dict[str, object]:
    return {}


assert_type(start(choice="c"), dict[str, object])
start(choice=3)  # error
MicroFunctions("start", nam="drinks")  # error
