"""Delays of the 336,776 flights that left New York in 2013, by airline.

Twelve months are counted side by side; what they found is put together into one report, as
text and as a picture.
"""

from typing import Any

from flights import airlines, flights_by_month

from lokki_tf import Pipeline, main, step

LATE = 15  # minutes; the usual line between on time and late
BAR, ROW = 420, 26  # pixels


@step(expected_seconds=2)
def month_delays(flights: list[list[Any]]) -> dict[str, dict[str, int]]:
    """Flights, minutes of delay, late ones and cancelled ones of each airline in a month."""
    found: dict[str, dict[str, int]] = {}
    for carrier, departure, arrival in flights:
        count = found.setdefault(
            carrier, {"flights": 0, "flown": 0, "minutes": 0, "late": 0, "cancelled": 0}
        )
        count["flights"] += 1
        count["cancelled"] += departure is None
        if arrival is not None:
            count["flown"] += 1
            count["minutes"] += arrival
            count["late"] += arrival > LATE
    return found


@step
def by_airline(
    months: list[dict[str, dict[str, int]]], names: dict[str, str]
) -> list[dict[str, Any]]:
    """The months together: a row an airline, most delayed first."""
    total: dict[str, dict[str, int]] = {}
    for month in months:
        for carrier, count in month.items():
            sums = total.setdefault(carrier, dict.fromkeys(count, 0))
            for key, number in count.items():
                sums[key] += number
    rows = [
        {"airline": names[carrier], **sums, "mean": mean(sums)} for carrier, sums in total.items()
    ]
    return sorted(rows, key=lambda row: row["mean"], reverse=True)


def mean(sums: dict[str, int]) -> float:
    """Mean delay on arrival, in minutes, of the flights that arrived."""
    return round(sums["minutes"] / sums["flown"], 1) if sums["flown"] else 0.0


@step
def report(rows: list[dict[str, Any]]) -> str:
    """The table as text."""
    flights = sum(row["flights"] for row in rows)
    lines = [
        f"{flights:,} flights from New York in 2013, by airline",
        "",
        f"{'airline':<28}{'flights':>9}{'mean delay':>12}{'late':>8}{'cancelled':>11}",
    ]
    for row in rows:
        late = row["late"] / row["flown"] if row["flown"] else 0
        lines.append(
            f"{row['airline']:<28}{row['flights']:>9,}{row['mean']:>8.1f} min"
            f"{late:>8.1%}{row['cancelled'] / row['flights']:>11.1%}"
        )
    return "\n".join(lines)


@step
def picture(rows: list[dict[str, Any]]) -> str:
    """The mean delays as bars, in SVG."""
    longest = max(abs(row["mean"]) for row in rows)
    bars = []
    for index, row in enumerate(rows):
        width = abs(row["mean"]) / longest * BAR
        colour = "#c0504d" if row["mean"] > 0 else "#4f9d69"
        y = index * ROW
        bars.append(
            f'<text x="210" y="{y + 17}" text-anchor="end">{row["airline"]}</text>'
            f'<rect x="220" y="{y + 3}" width="{width:.1f}" height="{ROW - 8}" fill="{colour}"/>'
            f'<text x="{226 + width:.1f}" y="{y + 17}">{row["mean"]:+.1f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{len(rows) * ROW}" '
        f'font-family="sans-serif" font-size="13">{"".join(bars)}</svg>'
    )


months = [month_delays(flights) for flights in flights_by_month().values()]
table = by_airline(months, airlines())
pipe = Pipeline(
    "flights",
    steps=[report(table), picture(table)],
    schedule="cron(0 6 1 * ? *)",
    description="Delays of the flights that left New York in 2013, by airline",
)

if __name__ == "__main__":
    main(pipe)
