"""How often schedules start runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lokki_tf.model import Schedule

if TYPE_CHECKING:
    from lokki_tf.model import Definition

_DAYS = 30.4  # of a month, on average
_A_DAY = {"minute": 1440, "hour": 24, "day": 1}
_ONE_A_MONTH = re.compile(r"L(-\d+)?|LW|\d+W|\w+L|\w+#\d")


def runs_a_month(definition: Definition) -> float:
    """Return about how many runs the schedules of a pipeline start in a month.

    Args:
        definition: A pipeline whose schedules are valid.
    """
    given = [definition.schedule] if definition.schedule else []
    given += [one.expression for one in definition.triggers if isinstance(one, Schedule)]
    return sum(map(_of_expression, given))


def _of_expression(expression: str) -> float:
    kind, inside = expression.rstrip(")").split("(", 1)
    if kind == "at":
        return 0.0
    if kind == "rate":
        number, unit = inside.split()
        return _A_DAY[unit.removesuffix("s")] * _DAYS / int(number)
    minutes, hours, days, months, weekdays, _ = inside.split()
    a_day = _times(minutes, 60) * _times(hours, 24)
    on = _times(weekdays, 7) / 7 * _DAYS if days == "?" else _times(days, 31) / 31 * _DAYS
    return a_day * on * _times(months, 12) / 12


def _times(field: str, size: int) -> float:
    """Return how many values of a cron expression's field match, of as many as it can have."""
    return sum(_of_term(term, size) for term in field.split(","))


def _of_term(term: str, size: int) -> float:
    if _ONE_A_MONTH.fullmatch(term):
        return size / _DAYS  # once a month
    span, slash, pace = term.partition("/")
    if span == "*":
        count = size
    elif "-" in span:
        low, _, high = span.partition("-")
        count = _length(low, high, size)
    else:
        count = size - int(span) if slash and span.isdecimal() else 1
    return -(-count // int(pace)) if slash else count


def _length(first: str, last: str, size: int) -> int:
    if first.isdecimal() and last.isdecimal():
        return (int(last) - int(first)) % size + 1
    names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
    if size == 12:
        names = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
    return (names.index(last.upper()) - names.index(first.upper())) % size + 1
