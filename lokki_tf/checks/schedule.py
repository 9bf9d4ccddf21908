"""Schedules in the three forms of EventBridge Scheduler.

Source: EventBridge Scheduler User Guide, "Schedule types": ``rate(value unit)``, units
minutes, hours and days; ``cron(minutes hours day-of-month month day-of-week year)``, one of
the two day fields being ``?``; ``at(yyyy-mm-ddThh:mm:ss)``.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from lokki_tf.errors import ScheduleError
from lokki_tf.model import REQUIRED, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lokki_tf.model import Definition

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minutes", 0, 59, []),
    ("hours", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, []),
)
EXPRESSIONS = (
    'for example "rate(1 hour)", "cron(0 9 * * ? *)" (minutes hours day-of-month month '
    'day-of-week year) or "at(2030-01-31T09:00:00)"'
)


def check(definition: Definition) -> Iterator[Finding]:
    """Check the pipeline's schedule, and the parameters of the runs that it starts."""
    if definition.schedule is None:
        return
    lacking = [one.name for one in definition.parameters if one.default is REQUIRED]
    if lacking:
        yield Finding(
            "schedule",
            f"schedule {definition.schedule!r} starts runs without parameters, and "
            f"{', '.join(map(repr, lacking))} must have a value",
            definition.place,
            f"give a default: {lacking[0]}=…, or write triggers=[Schedule({definition.schedule!r}, "
            f"parameters={{{lacking[0]!r}: …}})] instead of schedule=",
            error=ScheduleError,
        )
    problem = problem_with(definition.schedule)
    if problem:
        yield Finding(
            "schedule",
            f"schedule {definition.schedule!r} {problem}",
            definition.place,
            EXPRESSIONS,
            error=ScheduleError,
        )


def problem_with(schedule: object) -> str | None:
    """Return the error in a schedule expression, or ``None``."""
    if not isinstance(schedule, str):
        return "must be a string"
    match = re.fullmatch(r"(rate|cron|at)\((.*)\)", schedule)
    if match is None:
        return "must be rate(…), cron(…) or at(…)"
    return {"rate": _rate, "cron": _cron, "at": _at}[match[1]](match[2])


def _rate(inside: str) -> str | None:
    match = re.fullmatch(r"(\d+) (minute|hour|day)(s?)", inside)
    if match is None:
        return "must have a number and minutes, hours or days"
    if int(match[1]) == 0:
        return "must have a number of at least 1"
    return None


def _at(inside: str) -> str | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inside):
        return "must have a time yyyy-mm-ddThh:mm:ss, without a time zone"
    try:
        datetime.fromisoformat(inside)
    except ValueError as error:
        return f"must have a valid time: {error}"
    return None


def _cron(inside: str) -> str | None:
    parts = inside.split()
    if len(parts) != len(_FIELDS):
        return f"has {len(parts)} fields; a cron schedule must have six"
    for text, (name, low, high, words) in zip(parts, _FIELDS, strict=True):
        if not _fits(text, name, low, high, words):
            return f"has {text!r} for the {name}"
    if (parts[2] == "?") == (parts[4] == "?"):
        return "must have ? for the day of month or the day of week, and not for both"
    return None


def _fits(text: str, name: str, low: int, high: int, words: list[str]) -> bool:
    if text == "?":
        return name in ("day of month", "day of week")
    return all(_term_fits(term, name, low, high, words) for term in text.split(","))


def _term_fits(term: str, name: str, low: int, high: int, words: list[str]) -> bool:
    if name == "day of month" and re.fullmatch(r"L(-\d{1,2})?|LW|\d{1,2}W", term):
        return True
    if name == "day of week" and re.fullmatch(r"L|([1-7]|[A-Z]{3})L|([1-7]|[A-Z]{3})#[1-5]", term):
        return True
    span, slash, pace = term.partition("/")
    if slash and not (pace.isdecimal() and int(pace) > 0):
        return False
    if span == "*":
        return True
    ends = [_number(end, words, low) for end in span.split("-")]
    numbers = [end for end in ends if end is not None and low <= end <= high]
    return len(numbers) == len(ends) <= 2


def _number(text: str, words: list[str], low: int) -> int | None:
    if text.isdecimal():
        return int(text)
    return words.index(text.upper()) + low if text.upper() in words else None
