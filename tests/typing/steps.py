"""Steps keep their signature and result; calls and chains are checked.

A line with the comment ``error`` must be an error in mypy and in basedpyright, and no other line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from typing import Any, assert_type

from lokki_tf import (
    Alarms,
    Parameter,
    Pipeline,
    PipelineFailed,
    RetryConfig,
    TerraformRef,
    allow,
    chain,
    start_pipeline,
    step,
)


@step
def load(day: str) -> list[float]:
    return []


@step(memory_size=1024, retry=RetryConfig(retries=3))
def convert(price: float, currency: str) -> float:
    return price


@step
def total(rows: list[float]) -> float:
    return sum(rows)


@step
def find(day: str) -> dict[str, str]:
    return {}


@step
def report(value: float) -> str:
    return str(value)


@step
def save(text: str) -> None: ...


@step
def explode(price: float) -> list[int]:
    return []


@step
def most(rows: Sequence[float]) -> float:
    return max(rows)


@step
def read(rows: Iterator[float]) -> float:
    return sum(rows)


@step
def read_again(rows: Iterable[float], more: Generator[int, None, None]) -> float:
    return sum(rows)


@step
def nested(rows: list[list[int]]) -> int:
    return len(rows)


@step
def now() -> str:
    return ""


@step
async def fetch(day: str) -> list[str]:
    return []


@step(timeout_seconds=3)
async def ask(day: str) -> dict[str, int]:
    return {}


@step
def lines(count: int) -> Iterator[str]:
    yield ""


@step
async def events(count: int) -> AsyncIterator[bytes]:
    yield b""


@step
def rows_of(day: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return []


@step
def name_of(row: dict[str, Any]) -> str:
    return ""


@step
def untyped(value: Any) -> Any:
    return value


@step(memory_sise=3)  # error
def wrong_name() -> None: ...


@step(memory_size="3")  # error
def wrong_type() -> None: ...


@step(platform="cloud")  # error
def wrong_choice() -> None: ...


# Calls: the step's parameters, and its result as an argument of other steps.
total(load("2024-01-01"))
total([1.0, total(load("x"))])
report(total(load(day="x")))
load("x", retry=3)
load("x", retry=[RetryConfig(retries=3), 2])
assert_type(total(load("x")), float)
assert_type(find("x"), dict[str, str])
assert_type(ask("x"), dict[str, int])
find("x")["path"]
load(3)  # error
load(dya="x")  # error
load()  # error
report(load("x"))  # error
total(report(1.0))  # error
report(ask("x"))  # error
lines("x")  # error
total(lines(3))  # error

# Lists: calls, of async steps and generators too, have the methods of chains.
strings: list[str] = fetch("x")
strings = lines(3)
more: Sequence[bytes] = events(3)
load("x").map(convert, currency="EUR").agg(total)
load("x").map(convert, "EUR").next(report).agg(now)
load("x").map(convert, currency="EUR", concurrency_limit=4, mode="inline").agg(total)
load("x").map(convert, currency="EUR", execution_type="express").agg(total)
load("x").map(convert, currency="EUR", concurrency_limit=Parameter("at_once", int)).agg(total)
load("x").map(convert, currency="EUR", retry=2).agg(total, retry=1)
load("x").map([explode, nested], concurrency_limit=4)
load("x").map(explode).agg(nested)
load("x").map(explode).map(report).agg(now).agg(now)
load("x").next(most).next(report).next(save).after(find("x"))
load("x").map(convert, currency=now())
load("x").map(convert, currency="EUR").agg(read)
load("x").map(convert, currency="EUR").agg(read, retry=1)
load("x").map(convert, currency="EUR").agg(read_again, load("y").map(explode))
read_again(load("x").map(convert, "EUR"), more=load("x").map(explode).agg(nested))
load("x").map(report).agg(read)  # error
load("x").map(convert)  # error
load("x").map(convert, currenzy="EUR")  # error
load("x").map(convert, currency=3)  # error
load("x").map(convert, currency="EUR", concurrency_limitt=3)  # error
load("x").map(convert, currency="EUR", concurrency_limit="3")  # error
load("x").map(convert, currency="EUR", execution_type="fast")  # error
load("x").map(total)  # error
load("x").map(convert, currency="EUR").agg(report)  # error
load("x").agg(report)  # error
load("x").next(report)  # error

# Any in a signature hides nothing else.
names: list[str] = rows_of([{"a": 1}]).map(name_of, concurrency_limit=2)
rows_of([{"a": 1}]).map(name_of).agg(total)  # error
rows_of(["a"])  # error
report(untyped(untyped(load("x"))))
assert_type(untyped(3), Any)

# A list of calls that return lists is passed on directly, because lists are invariant.
nested([explode(1.0), explode(2.0)])
found = [explode(price) for price in (1.0, 2.0)]
nested(found)  # error
results = [total(load(day)) for day in ("a", "b")]
total(results)

# Other results: chain() adds the methods.
chain(find("x")).next(now).next(save)
chain(total(load("x"))).next(report).after(find("x"))
chain(load("x")).map(convert, currency="EUR").agg(total)
chain(load("x")).map(convert, currency="EUR").next(explode).agg(nested).next(report)
chain(load("x")).map(explode).map(report).agg(now).agg(now)
chain(load("x")).map(convert)  # error
chain(load("x")).map(convert, currenzy="EUR")  # error
chain(load("x")).map(explode).agg(total)  # error
chain(load("x")).mapp(convert)  # error
chain(total(load("x"))).map(report)  # error
chain(total(load("x"))).agg(report)  # error
chain(find("x")).next(save)  # error

# What chains return is accepted as an argument; a step without a result has the methods.
report(load("x").map(convert, currency="EUR").agg(total))
total(load("x").map(convert, currency="EUR"))
first = save("a")
save("b").after(first)
Pipeline("daily", steps=[save(report(total(load("x")))), first], schedule="rate(1 day)")
Pipeline("daily", shedule="rate(1 day)")  # error
Pipeline("daily", tags={"a": 1})  # error

# The result of another pipeline is of any type.
started = start_pipeline("prices", {"day": "x", "rows": load("x")}, retry=3, catch=PipelineFailed)
report(total(started["rows"]))
started.map(name_of).agg(total)
start_pipeline("prices", trust=True, name="all_prices", retry=[RetryConfig(retries=1)])
start_pipeline(Pipeline("prices"))  # error
start_pipeline("prices", ["day"])  # error
start_pipeline("prices", {1: "day"})  # error
start_pipeline("prices", trust="yes")  # error
start_pipeline("prices", day="x")  # error
start_pipeline("prices", name=3)  # error
start_pipeline("prices", retry="often")  # error

table = TerraformRef("aws_dynamodb_table.rows.arn")


@step(
    env_variables={"TABLE": table, "PLAIN": "text"},
    layers=[table, "arn:aws:lambda:…"],
    role=table,
    policies=[allow("dynamodb:PutItem", table), allow(["s3:GetObject"], ["arn:…", table + "/*"])],
)
def with_references(table: str) -> int:
    return len(table)


@step(policies=[3])  # error
def with_wrong_policies() -> None: ...


allow("s3:GetObject")  # error
allow(3, "*")  # error
with_references(table)
total(table)  # error
Pipeline("references", steps=[with_references(table)], on_failure=table, alarms=Alarms(table))
