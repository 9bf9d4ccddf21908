"""A script of its own, run as ``__main__``: what it gives here, it gives deployed."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import forked

ROOT = Path(__file__).parents[2]
SCRIPT = '''
import enum
import json
from dataclasses import dataclass, replace
from pathlib import Path

from lokki_tf import Pipeline, RetryConfig, step
from stock import Unavailable, is_there


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"

    @property
    def factor(self):
        return FACTORS[self]


FACTORS = {Size.SMALL: 1, Size.LARGE: 3}


@dataclass(frozen=True)
class Order:
    item: str
    size: Size
    price: float | None = None


class Busy(Unavailable):
    """Cannot be pickled by itself: its arguments are others than its message."""

    def __init__(self, item, *, seconds):
        super().__init__(f"{item} for {seconds} s")


@step(include=["data/*.json"])
def priced(orders: list[Order], *, extra: Size) -> dict[Size, list[Order]]:
    prices = json.loads((Path(__file__).parent / "data" / "prices.json").read_text())
    found = {size: [] for size in Size}
    for order in (*orders, Order("pear", extra)):
        price = prices[order.item] * order.size.factor
        found[order.size].append(replace(order, price=price))
    return found


@step(retry=RetryConfig(retries=2, delay=0.01, exceptions=(Unavailable,)))
def reserve(orders, log: str):
    with open(log, "a") as file:
        file.write("x")
    if not is_there(Path(log)):
        raise Busy(orders[Size.LARGE][0].item, seconds=3)
    return set(orders[Size.LARGE])


@step
def count(reserved, orders):
    largest = max(reserved, key=lambda order: order.price)
    return largest, len(orders), largest.size is Size.LARGE


orders = priced([Order("apple", Size.SMALL), Order("fig", Size.LARGE)], extra=Size.LARGE)
reserved = reserve(orders, f"{Path.cwd()}.log")
pipe = Pipeline("shop", steps=[count(reserved, orders), priced([], extra=Size.SMALL)])

if __name__ == "__main__":
    from lokki_tf.testing import LocalAws

    here = pipe.local_run().result
    assert pipe.check() == [], pipe.check()
    made = pipe.synth("terraform-out")
    with LocalAws(retry_delay_scale=0.0) as aws:
        there = aws.values(aws.run(pipe))
    assert there == here, (there, here)
    assert repr(there) == repr(here)
    assert type(there["count"][0]) is Order
    print(there["count"])
'''
STOCK = '''
class Unavailable(Exception):
    """Something that may be there later."""


class Gone(Unavailable):
    """Something that no step uses."""


def is_there(log):
    """At every third try."""
    return log.stat().st_size % 3 == 0
'''


def test_a_script_agrees_with_what_it_deploys(tmp_path: Path) -> None:
    """Dataclass results, enum literals and keys, and retries on a subclass of the user's own
    exception are the same from the local AWS as from the script's own run."""
    (tmp_path / "pipeline.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "stock.py").write_text(textwrap.dedent(STOCK))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "prices.json").write_text('{"apple": 1.5, "fig": 0.5, "pear": 2.0}')
    done = forked.run(
        ["pipeline.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    order = "Order(item='pear', size=<Size.LARGE: 'large'>, price=6.0)"
    assert done.stdout.strip() == f"({order}, 2, True)"
    assert Path(f"{tmp_path}.log").read_text() == "x" * 6, "three tries here, three there"
    lambdas = tmp_path / "terraform-out/stacks/shop/lambdas"
    assert not list(lambdas.rglob("prices.json")), "data must be only in the zip"
    assert (lambdas / "reserve" / "stock.py").read_text() == textwrap.dedent(STOCK)
