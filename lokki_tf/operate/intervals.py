"""Intervals of time as texts: hours, days, ISO weeks and months, and ranges of them.

Days, weeks and months are those of the calendar in a time zone. Hours are elapsed hours: a range of
them contains an hour that the clock repeats twice, with both offsets, and none that it leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IntervalError(ValueError):
    """A range that is not valid; its message contains the reason."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of time.

    Args:
        text: As :func:`interval_of` reads it; an hour with its offset.
        begin: When it begins, in UTC.
    """

    text: str
    begin: datetime


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of one unit, in order.

    Args:
        unit: The unit.
        numbers: Numbers of the intervals, as the unit counts them.
        zone: The time zone.
    """

    unit: Unit
    numbers: range
    zone: tzinfo

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Interval]:
        for number in self.numbers:
            yield self.unit.interval(number, self.zone)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of intervals, which are numbered.

    Args:
        name: Its name, in the plural.
        pattern: How its intervals are written.
        number: Returns the number of an interval from its text and zone, and whether it is the last
            of a range.
        begin: Returns when the interval with a number begins, with a time zone.
        text: Returns its text.
        step: Distance between the numbers of an interval and the next.
    """

    name: str
    pattern: re.Pattern[str]
    number: Callable[[str, tzinfo, bool], int]
    begin: Callable[[int, tzinfo], datetime]
    text: Callable[[int, tzinfo], str]
    step: int = 1

    def interval(self, number: int, zone: tzinfo) -> Interval:
        """Return the interval with a number.

        Args:
            number: The number.
            zone: The time zone.
        """
        return Interval(self.text(number, zone), self.begin(number, zone).astimezone(UTC))


def interval_of(text: str, zone: tzinfo) -> Interval | None:
    """Return an interval, or ``None`` for any other text.

    Args:
        text: ``2024-01-31``, ``2024-W05``, ``2024-01``, ``2024-01-31T09`` or
            ``2024-01-31T09:00:00+01:00``. An hour that the clock repeats is the first, unless its
            offset is given.
        zone: The time zone.

    Raises:
        IntervalError: If it is written as one that does not exist, ``2024-02-31`` for example.
    """
    unit = _unit_of(text)
    if unit is None:
        return None
    return unit.interval(_number(unit, text, zone, last=False), zone)


def intervals(first: str, last: str, zone: tzinfo, every: int = 1) -> Intervals:
    """Return the intervals of a range, both ends included.

    Args:
        first: The first, as :func:`interval_of` reads it.
        last: The last; every occurrence of an hour that the clock repeats is included, unless its
            offset is given.
        zone: The time zone.
        every: Distance from each to the next: 2 for every second one.

    Raises:
        IntervalError: If the ends are no intervals of one unit, one does not exist, or the last is
            before the first.
    """
    units = [_unit_of(text) for text in (first, last)]
    for text, unit in zip((first, last), units, strict=True):
        if unit is None:
            raise IntervalError(
                f"must be a day (2024-01-31), a week (2024-W05), a month (2024-01) or an hour "
                f"(2024-01-31T09), got {text!r}"
            )
    begin, end = units
    assert begin is not None
    assert end is not None
    if begin is not end:
        raise IntervalError(f"mixes {begin.name} and {end.name}")
    low, high = _number(begin, first, zone, last=False), _number(begin, last, zone, last=True)
    numbers = range(low, high + 1, begin.step * every)
    if not numbers:
        raise IntervalError(f"ends before it begins: {last} is before {first}")
    return Intervals(begin, numbers, zone)


def _number(unit: Unit, text: str, zone: tzinfo, *, last: bool) -> int:
    try:
        number = unit.number(text, zone, last)
        unit.interval(number, zone)  # its begin must exist in UTC too
    except IntervalError:
        raise
    except (ValueError, OverflowError) as error:
        raise IntervalError(f"has {text!r}, which does not exist: {error}") from None
    return number


def _unit_of(text: str) -> Unit | None:
    return next((unit for unit in _UNITS if unit.pattern.fullmatch(text)), None)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return when a day begins; if the clock leaves midnight out, the time after it."""
    return datetime.combine(day, time(), zone)


def _hour(text: str, zone: tzinfo, last: bool) -> int:
    written = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if written.tzinfo is not None:
        return round(written.timestamp())
    at = written.replace(tzinfo=zone, fold=int(last)).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) != written:
        raise IntervalError(
            f"has {text}, which does not exist in {zone}: the clock leaves this hour out"
        )
    return round(at.timestamp())


def _begin_of_hour(number: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(seconds=number)).astimezone(zone)  # zones differ by half hours too


def _monday(number: int) -> date:
    return date.fromordinal(7 * number + 1)


def _week(text: str, zone: tzinfo, last: bool) -> int:
    year, week = text.split("-W")
    return date.fromisocalendar(int(year), int(week), 1).toordinal() // 7


def _week_text(number: int, zone: tzinfo) -> str:
    year, week, _ = _monday(number).isocalendar()
    return f"{year:04}-W{week:02}"


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


_UNITS = (
    Unit(
        "days",
        re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
        lambda text, zone, last: date.fromisoformat(text).toordinal(),
        lambda number, zone: _midnight(date.fromordinal(number), zone),
        lambda number, zone: date.fromordinal(number).isoformat(),
    ),
    Unit(
        "weeks",
        re.compile(r"\d{4}-W\d\d", re.ASCII),
        _week,
        lambda number, zone: _midnight(_monday(number), zone),
        _week_text,
    ),
    Unit(
        "months",
        re.compile(r"\d{4}-\d\d", re.ASCII),
        lambda text, zone, last: (
            (first := date.fromisoformat(f"{text}-01")).year * 12 + first.month - 1
        ),
        lambda number, zone: _midnight(_month(number), zone),
        lambda number, zone: _month(number).isoformat()[:7],
    ),
    Unit(
        "hours",
        re.compile(r"\d{4}-\d\d-\d\dT\d\d(:00:00(Z|[+-]\d\d:\d\d))?", re.ASCII),
        _hour,
        _begin_of_hour,
        lambda number, zone: _begin_of_hour(number, zone).isoformat(timespec="seconds"),
        step=3600,
    ),
)
