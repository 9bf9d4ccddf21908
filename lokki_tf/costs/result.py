"""What a run and a month cost, as data and as text."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .prices import Prices
    from .usage import Usage

_HEAD = ("part", "transitions", "calls", "seconds", "USD a run")


@dataclass(frozen=True, slots=True)
class Saving:
    """A change that makes runs cheaper.

    Args:
        change: What to write.
        usd: US dollars that it saves a run.
        share: The share of the whole price of a run, between 0 and 1.
    """

    change: str
    usd: float
    share: float


@dataclass(frozen=True)
class Estimate:
    """What a run and a month cost.

    Args:
        name: The pipeline.
        prices: The prices of its region.
        rows: What its parts use in a run.
        runs: Runs a month.
        notes: What was assumed or observed.
        savings: The changes that save most, the best first.
    """

    name: str
    prices: Prices
    rows: tuple[Usage, ...]
    runs: float
    notes: tuple[str, ...] = ()
    savings: tuple[Saving, ...] = ()

    @cached_property
    def run_usd(self) -> float:
        """US dollars that a run costs."""
        return sum(one.usd(self.prices) for one in self.rows)

    @cached_property
    def month_usd(self) -> float:
        """US dollars that a month costs."""
        return self.run_usd * self.runs

    @property
    def by_kind(self) -> dict[str, float]:
        """US dollars of a run by kind: transitions, Lambda and so on, the highest first."""
        found: defaultdict[str, float] = defaultdict(float)
        for one in self.rows:
            for kind, amount in one.by_kind(self.prices).items():
                found[kind] += amount
        return dict(sorted(found.items(), key=lambda one: -one[1]))

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "pipeline": self.name,
            "region": self.prices.region,
            "prices_of": self.prices.date,
            "run_usd": self.run_usd,
            "month_usd": self.month_usd,
            "runs_a_month": self.runs,
            "by_kind": self.by_kind,
            "parts": [
                {
                    "name": one.name,
                    "calls": one.calls,
                    "seconds": one.seconds,
                    "units": dict(one.units),
                    "usd": one.usd(self.prices),
                }
                for one in self.rows
            ],
            "notes": list(self.notes),
            "savings": [
                {"change": one.change, "usd": one.usd, "share": one.share} for one in self.savings
            ],
        }

    def __repr__(self) -> str:
        return _as_text(self)


def _as_text(found: Estimate) -> str:
    """Return an estimate as lines: a table of its parts, totals, notes and savings."""
    prices = found.prices
    rows = [
        (
            one.name,
            _number(one.units["transition"]),
            _number(one.calls),
            _number(one.seconds),
            usd(one.usd(prices)),
        )
        for one in sorted(found.rows, key=lambda one: -one.usd(prices))
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = [
        f"{found.name}: an estimate, with prices of {prices.region} of {prices.date}, without free "
        "tiers",
        "",
        *(_line(row, widths) for row in (_HEAD, *rows)),
        "",
        f"a run    {usd(found.run_usd)} USD" + (f" ({_kinds(found)})" if found.run_usd else ""),
        f"a month  {usd(found.month_usd)} USD ({found.runs:,.0f} runs)",
    ]
    if found.notes:
        lines += ["", *(f"- {note}" for note in found.notes)]
    if found.savings:
        lines += ["", "saves most:"]
        lines += [
            f"- {one.change}: {usd(one.usd)} USD a run, {one.share:.0%}" for one in found.savings
        ]
    return "\n".join(lines)


def usd(amount: float) -> str:
    """Return an amount of US dollars, with at least two digits that are not 0.

    Args:
        amount: The amount.
    """
    if amount == 0:
        return "0"
    if amount >= 1:
        return f"{amount:,.2f}"
    for digits in range(2, 12):
        text = f"{amount:.{digits}f}"
        if len(text.replace(".", "").lstrip("0")) > 1:
            return text
    return "0.00000000001" if amount < 1e-11 else f"{amount:.11f}"


def _kinds(found: Estimate) -> str:
    shares = ((kind, amount / found.run_usd) for kind, amount in found.by_kind.items())
    return ", ".join(f"{kind} {share:.0%}" for kind, share in shares if share >= 0.005)


def _number(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 or amount == int(amount) else f"{amount:,.1f}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = (
        text.ljust(width) if number == 0 else text.rjust(width)
        for number, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join((first, *rest)).rstrip()
