"""Text in pictures: its width, its shortening, and times in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import names

from lokki_tf.drawing.characters import clipped, columns
from lokki_tf.drawing.status import hint, outcome_of, spoken, told
from lokki_tf.model import Outcome


@pytest.mark.parametrize(
    ("text", "wide"), [("load", 4), ("é", 1), ("e\u0301", 1), ("世界", 4), ("😀", 2), ("", 0)]
)
def test_text_is_as_wide_as_it_is_shown(text: str, wide: int) -> None:
    """East Asian characters take two places, accents on others none."""
    assert columns(text) == wide


@given(names, st.integers(1, 40))
def test_a_shortened_text_fits(text: str, most: int) -> None:
    """It takes no more places than it may, and what is left out is the end."""
    short = clipped(text, most)
    assert columns(short) <= most
    assert short == text or (short[-1] == "…" and text.startswith(short[:-1]))
    assert (short == text) == (columns(text) <= most)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.0123, "12 ms"),
        (0.0995, "0.1 s"),
        (0.4, "0.4 s"),
        (119.94, "119.9 s"),
        (119.96, "2 min 0 s"),
        (200.0, "3 min 20 s"),
        (7199.6, "2 h 0 min"),
        (90_000.0, "25 h 0 min"),
    ],
)
def test_times_are_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    """Milliseconds, seconds, minutes and hours, and never 60 of one."""
    assert spoken(seconds) == words


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("done", 1.0, 2.2), "done · 1.2 s"),
        (Outcome("done", 1.0, 2.2, 2), "done after 2 attempts · 1.2 s"),
        (Outcome("done"), "done"),
        (Outcome("cached", 1.0, 1.1), "cached"),
        (Outcome("skipped", 1.0, 1.0), "skipped"),
        (Outcome("failed", 1.0, 1.4, 3), "failed after 3 attempts · 0.4 s"),
        (Outcome("interrupted", 1.0), "interrupted"),
        (outcome_of("missing", {}), "not run"),
    ],
)
def test_outcomes_are_told_in_a_few_words(outcome: Outcome, words: str) -> None:
    """The status first, then the tries if there were several, then the time if it took any."""
    assert told(outcome) == words


def test_a_hint_tells_when() -> None:
    """From when to when, as far as that is known."""
    assert hint("a", Outcome("interrupted", 1.0)) == "a: interrupted, from 1.0 s"
    assert hint("a", Outcome("not run", attempts=0)) == "a: not run"
