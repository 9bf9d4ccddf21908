"""A routed pipeline with a loop, a caught error, triggers and a limit of runs, for pictures."""

from __future__ import annotations

from typing import Any

from lokki_tf import ConditionalReturns, MicroFunctions, ReturnUpdates, S3Created


class PaymentError(Exception):
    """What the example's step raises."""


orders = MicroFunctions(
    "fetch",
    name="orders",
    schedule="rate(1 day)",
    triggers=[S3Created("orders", prefix="in/")],
    max_concurrent_runs=2,
    when_busy="skip",
    on_failure="arn:aws:sns:eu-central-1:123456789012:alerts",
)


@orders.fn()
def fetch(n: int = 0) -> Any:
    return ReturnUpdates("parse", n=n + 1)


@orders.fn()
def parse(n: int) -> Any:
    choice = "again" if n < 3 else "go"
    return ConditionalReturns(choice, ReturnUpdates("pay", n=n), again=ReturnUpdates("fetch", n=n))


@orders.fn(catch={PaymentError: "refund"})
def pay(n: int) -> Any:
    if n == 3:
        raise PaymentError("no money")
    return {"$next": "report", "n": n}


@orders.fn()
def refund(n: int) -> Any:
    return {"$next": "pay", "n": n + 1}


@orders.fn(terminates=True)
def report(n: int) -> Any:
    return {"n": n}


@orders.fn(terminates=True)
def never(n: int) -> Any:
    return {"n": n}
