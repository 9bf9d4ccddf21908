"""Intervals of time: how they are written, their ranges, and when they begin."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lokki_tf.operate.intervals import IntervalError, interval_of, intervals

if TYPE_CHECKING:
    from datetime import tzinfo

BERLIN = ZoneInfo("Europe/Berlin")
ZONES: list[tzinfo] = [
    *(UTC, BERLIN),
    *map(ZoneInfo, ("America/Sao_Paulo", "Asia/Kolkata", "Pacific/Auckland")),
]
FORMS = {"days": "%Y-%m-%d", "weeks": "%G-W%V", "months": "%Y-%m", "hours": "%Y-%m-%dT%H"}


def texts(first: str, last: str, zone: tzinfo = UTC, every: int = 1) -> list[str]:
    return [one.text for one in intervals(first, last, zone, every)]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2024-02-28", "2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("2020-W52", "2021-W01", ["2020-W52", "2020-W53", "2021-W01"]),
        ("2023-11", "2024-01", ["2023-11", "2023-12", "2024-01"]),
        (
            "2024-01-01T23",
            "2024-01-02T00",
            ["2024-01-01T23:00:00+00:00", "2024-01-02T00:00:00+00:00"],
        ),
        ("2024-01-31", "2024-01-31", ["2024-01-31"]),
    ],
)
def test_both_ends_of_a_range_are_included(first: str, last: str, expected: list[str]) -> None:
    """Days, ISO weeks, months and hours, also over the end of a year."""
    assert texts(first, last) == expected


def test_every_second_interval() -> None:
    """``every`` counts from the first; the last may be left out."""
    assert texts("2024-01-01", "2024-01-04", every=2) == ["2024-01-01", "2024-01-03"]
    hours = texts("2024-01-01T00", "2024-01-01T06", every=6)
    assert [one[:13] for one in hours] == ["2024-01-01T00", "2024-01-01T06"]


def test_hours_where_the_clock_changes() -> None:
    """An hour that is left out is not in a range; a repeated one is there with both offsets."""
    assert texts("2024-03-31T01", "2024-03-31T03", BERLIN) == [
        "2024-03-31T01:00:00+01:00",
        "2024-03-31T03:00:00+02:00",
    ]
    twice = ["2024-10-27T02:00:00+02:00", "2024-10-27T02:00:00+01:00"]
    assert texts("2024-10-27T02", "2024-10-27T02", BERLIN) == twice
    assert texts(twice[1], twice[1], BERLIN) == twice[1:]
    first = interval_of("2024-10-27T02", BERLIN)
    assert first is not None
    assert first.text == twice[0]
    with pytest.raises(IntervalError, match="the clock leaves this hour out"):
        interval_of("2024-03-31T02", BERLIN)
    with pytest.raises(IntervalError, match="the clock leaves this hour out"):
        intervals("2024-03-31T02", "2024-03-31T05", BERLIN)


def test_intervals_begin_in_their_time_zone() -> None:
    """A day without midnight begins when the clock goes on; zones may differ by half hours."""
    day = interval_of("2018-11-04", ZoneInfo("America/Sao_Paulo"))
    hour = interval_of("2024-01-01T09", ZoneInfo("Asia/Kolkata"))
    week = interval_of("2024-W01", BERLIN)
    assert day is not None
    assert hour is not None
    assert week is not None
    assert day.begin == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert hour.begin == datetime(2024, 1, 1, 3, 30, tzinfo=UTC)
    assert week.begin == datetime(2023, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2024-01-02", "2024-01-01", "ends before it begins: 2024-01-01 is before 2024-01-02"),
        ("2024-01-01", "2024-02", "mixes days and months"),
        ("2024-01-01", "2024-01-01T05", "mixes days and hours"),
        ("1", "3", "must be a day .*, got '1'"),
        ("2024-01-01", "", "must be a day .*, got ''"),
        ("2024-02-30", "2024-03-01", "has '2024-02-30', which does not exist"),
        ("2024-W01", "2024-W53", "has '2024-W53', which does not exist"),
        ("2024-00", "2024-12", "has '2024-00', which does not exist"),
        ("2024-01-01T00", "2024-01-01T24", "has '2024-01-01T24', which does not exist"),
        ("٢٠٢٤-01-01", "2024-01-02", "must be a day"),
    ],
)
def test_wrong_ranges_are_refused(first: str, last: str, message: str) -> None:
    """With what is wrong about them."""
    with pytest.raises(IntervalError, match=message):
        intervals(first, last, UTC)


def test_the_end_of_the_calendar_is_refused() -> None:
    """An interval whose begin Python cannot represent in UTC is an error, here and as a value."""
    with pytest.raises(IntervalError, match="does not exist"):
        intervals("0001-01-01", "0001-01-02", ZoneInfo("Asia/Tokyo"))
    with pytest.raises(IntervalError, match="does not exist"):
        interval_of("0001-01-01", ZoneInfo("Asia/Tokyo"))


@given(
    form=st.sampled_from(sorted(FORMS)),
    begin=st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)),
    length=st.integers(0, 3000),
    zone=st.sampled_from(ZONES),
    every=st.integers(1, 5),
)
def test_ranges_are_complete(
    form: str, begin: datetime, length: int, zone: tzinfo, every: int
) -> None:
    """A range has no interval twice, none is missing, and each is read as it is written."""
    # Through UTC, so that the local hours exist.
    ends = [one.replace(tzinfo=UTC).astimezone(zone) for one in (begin, begin + timedelta(length))]
    ends[1] = min(ends[1], ends[0] + timedelta(60)) if form == "hours" else ends[1]
    first, last = (f"{one:{FORMS[form]}}" for one in ends)
    found = intervals(first, last, zone, every)
    every_one = list(intervals(first, last, zone))
    made = list(found)
    assert made == every_one[::every]
    assert len(found) == len(made)
    assert made[0].text.startswith(first)
    assert every_one[-1].text.startswith(last)
    begins = [one.begin for one in every_one]
    assert begins == sorted(set(begins))
    longest = {"days": 25, "weeks": 7 * 24 + 1, "months": 31 * 24 + 1, "hours": 1}[form]
    for one, following in pairwise(begins):
        assert following - one <= timedelta(hours=longest)
    for one in made:
        assert interval_of(one.text, zone) == one
        assert one.begin.utcoffset() == timedelta(0)


@given(st.text(), st.text(), st.sampled_from(ZONES))
def test_any_text_is_a_range_or_an_error(first: str, last: str, zone: tzinfo) -> None:
    """No other exception is raised, whatever is typed."""
    try:
        assert intervals(first, last, zone)
    except IntervalError as error:
        assert str(error)  # noqa: PT017


@given(
    st.from_regex(r"[0-9]{4}-(W?[0-9]{2}|[0-9]{2}-[0-9]{2}(T[0-9]{2})?)", fullmatch=True),
    st.sampled_from(ZONES),
)
def test_texts_like_intervals_are_intervals_or_do_not_exist(text: str, zone: tzinfo) -> None:
    """A single interval is read exactly where a range of it alone is."""
    try:
        one = interval_of(text, zone)
    except IntervalError as error:
        with pytest.raises(IntervalError, match=re.escape(str(error))):
            intervals(text, text, zone)
    else:
        assert next(iter(intervals(text, text, zone))) == one
