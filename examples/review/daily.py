"""A daily report, whose day is a parameter of the run.

python examples/review/daily.py run --day 2013-07-04
"""

from __future__ import annotations

from typing import NamedTuple

from records import days_of_2013

from lokki_tf import Parameter, Pipeline, main, step

Hours = list[tuple[float, float]]


class Compared(NamedTuple):
    """The hours of a day, and the mean temperature of the month until then."""

    hours: Hours
    usual: float


@step
def compared(days: dict[str, Hours], day: str) -> Compared:
    """Select a day and the days of its month before it."""
    before = [hours for one, hours in days.items() if one[:7] == day[:7] and one <= day]
    degrees = [degree for hours in before for degree, _ in hours]
    return Compared(days[day], sum(degrees) / len(degrees))


@step
def report(day: str, hours: Hours, usual: float) -> str:
    """Write one line about a day."""
    degrees = [degree for degree, _ in hours]
    mean, gust = sum(degrees) / len(degrees), max(wind for _, wind in hours)
    return f"{day}: {mean:.1f} °F ({mean - usual:+.1f}), wind up to {gust:.1f} miles an hour"


day = Parameter("day", str, default="2013-07-04")
hours, usual = compared(days_of_2013("JFK"), day)
daily = Pipeline("daily-weather", steps=[report(day, hours, usual)], schedule="cron(0 6 * * ? *)")

if __name__ == "__main__":
    main(daily)
