"""Tasks keep their signature and result, and are connected by arrows."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from lokki_tf import DAG, Flow, FlowPipeline, Pipeline, Task, flow, task, wait


@task(retries=3, delay=1.0, memory_size=512)
def extract() -> list[int]:
    return []


@task
def transform(rows: list[int]) -> list[str]:
    return []


@task(when=lambda rows: len(rows) > 1000)
def archive(rows: list[str]) -> str:
    return ""


@task()
def load(rows: list[str], archived: str | None = None) -> int:
    return 1


@task
async def fetch(day: str) -> int:
    return 1


@task(memory_sise=3)  # error
def wrong() -> None: ...


@task(retries="3")  # error
def wrong_type() -> None: ...


assert_type(extract(), list[int])
assert_type(load(["a"], archived=None), int)
load(3)  # error
load(rows=["a"], archive="x")  # error

coroutine: Coroutine[Any, Any, int] = fetch("x")

last: Task[..., str] = extract >> transform >> archive
assert_type(last([]), str)
[transform, archive] >> load
extract >> [transform, archive] >> load
(transform, archive) >> load
wrong_last: Task[..., int] = extract >> transform >> archive  # error
extract >> 3  # error
extract >> len  # error

dag = DAG("nightly", max_workers=4, tasks=[load], schedule="rate(1 day)")
assert_type(dag.run(), dict[str, Any])
DAG("nightly", taskz=[load])  # error
Flow("users").add(extract).branch(transform, archive).merge(load).run(executor="process")
Flow("users").add(3)  # error


@flow
def monthly(rows: list[int]) -> int:
    return 1


pipeline_after: FlowPipeline[..., int] = extract >> monthly
following: Task[..., int] = extract >> monthly >> load
[transform, archive] >> monthly >> [load, fetch]
extract >> [monthly, load] >> Pipeline("calls", steps=[])
monthly >> dag >> Flow("users")
extract >> wait(seconds=3) >> monthly >> wait(seconds=3)
3 >> monthly  # error
monthly >> 3  # error
DAG("nightly", tasks=[monthly, load])
Flow("users").add(monthly).branch(transform, monthly).merge(monthly)
