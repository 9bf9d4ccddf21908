#!/usr/bin/env python
# Orders of a shop, priced day by day.
"""A module as users write them: imports, constants, classes, helpers, steps."""

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import heavylib as heavy  # only one step needs it

from lokki_tf import Pipeline, step

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)

# --- prices -----------------------------------------------------------------

# In euros, with tax.
PRICES = {
    "bread": Decimal("2.50"),  # a loaf
    "milk": Decimal("1.19"),
}
TAX, CURRENCY = Decimal("0.19"), "EUR"
BUCKET = os.environ.get("BUCKET", "orders")


@dataclass(frozen=True)
class Order:
    """What somebody bought."""

    items: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return rounded(sum(PRICES[name] * count for name, count in self.items.items()))


class Unpriced(KeyError):
    """An item without a price."""


def rounded(amount: Decimal) -> Decimal:
    # cents
    return Decimal(amount).quantize(Decimal("0.01"), ROUND_HALF_UP)


@cache
def price(name: str) -> Decimal:
    try:
        return PRICES[name]
    except KeyError:
        raise Unpriced(name) from None


@step(memory_size=256, env_variables={"BUCKET": "orders"})
def load(day: str) -> list[Order]:
    """The orders of a day."""
    log.info("loading %s from %s", day, BUCKET)
    return [Order({"bread": 2}), Order({"milk": 1, "bread": 1})]


@step
def revenue(orders: Iterable[Order]) -> str:
    net = rounded(sum(order.total for order in orders) * (1 - TAX))
    return f"{net} {CURRENCY}"


@step(requirements=["heavylib"])
def spread(orders: Iterable[Order]) -> float:
    return heavy.spread([float(price(name)) for order in orders for name in order.items])


@step
def report(revenue, spread, *, pretty=False):
    return json.dumps({"revenue": revenue, "spread": spread}, indent=2 if pretty else None)


orders = load("2024-01-01")
pipe = Pipeline("shop", [report(revenue(orders), spread(orders))])

if __name__ == "__main__":
    print(json.dumps(len([pipe])))
