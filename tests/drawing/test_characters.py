"""Text in pictures: width, shortening, durations and outcomes in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import names

from lokki_tf.drawing.characters import clipped, columns
from lokki_tf.drawing.status import format_duration, format_outcome, outcome_of, tooltip
from lokki_tf.model import Outcome


@pytest.mark.parametrize(
    ("text", "wide"), [("load", 4), ("é", 1), ("e\u0301", 1), ("世界", 4), ("😀", 2), ("", 0)]
)
def test_text_is_as_wide_as_it_is_shown(text: str, wide: int) -> None:
    """East Asian characters take two columns, combining accents none."""
    assert columns(text) == wide


@given(names, st.integers(1, 40))
def test_a_shortened_text_fits(text: str, most: int) -> None:
    """A shortened text has at most the given columns and is cut at its end."""
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
def test_durations_use_the_unit_that_fits(seconds: float, words: str) -> None:
    """Durations use milliseconds, seconds, minutes or hours, and never show 60 of a unit."""
    assert format_duration(seconds) == words


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
def test_outcomes_are_formatted_in_a_few_words(outcome: Outcome, words: str) -> None:
    """An outcome shows its status, the attempts if several, and its duration if it has one."""
    assert format_outcome(outcome) == words


def test_a_tooltip_shows_start_and_end() -> None:
    """A tooltip shows the start and end of a node, if it has them."""
    assert tooltip("a", Outcome("interrupted", 1.0)) == "a: interrupted, from 1.0 s"
    assert tooltip("a", Outcome("not run", attempts=0)) == "a: not run"
