"""Executions have the result of their pipeline, in every style."""

from __future__ import annotations

from typing import Any, assert_type

from lokki_tf import DAG, Execution, MicroFunctions, Pipeline, flow, step


@step
def fetch(limit: int) -> list[float]:
    return []


@step
def total(rows: list[float]) -> float:
    return sum(rows)


@flow
def prices(limit: int = 100) -> float:
    return fetch(limit=limit).next(total)


execution = prices.start({"limit": 5}, name="monday", allow_pickle=True)
assert_type(execution, Execution[float])
assert_type(execution.result, float)
assert_type(execution.wait(timeout=5, progress=False).result, float)
assert_type(execution.redrive().result, float)
assert_type(prices.execution("monday").stop().result, float)
assert_type([one.result for one in prices.executions(5)], list[float])
assert_type(execution.outputs["fetch"], Any)
assert_type(execution.status, str)
assert_type(prices.local_run(from_run=execution, again=["fetch"]).result, float)
prices.local_run(from_run="monday")  # error
execution.table().upper()
assert_type(execution.to_svg(), str)
assert_type(execution.to_text(width=100), str)
assert_type(prices.to_text(prices.local_run()), str)
prices.to_text(width="100")  # error
assert_type(prices.deploy(auto_approve=True).link, str | None)
prices.destroy(force=True)
prices.deploy(force=True)  # error
prices.start(["limit"])  # error
prices.start({}, nam="monday")  # error
prices.execution(5)  # error
execution.wait("5")  # error

plain = Pipeline("daily", steps=[total(fetch(3))])
assert_type(plain.start().result, Any)
assert_type(DAG("tasks").execution().result, Any)
assert_type(MicroFunctions("first").start({"x": 1}).result, Any)
assert_type(prices.cost(items=10, seconds={"fetch": 2}, runs=30).run_usd, float)
prices.cost(items="10")  # error
