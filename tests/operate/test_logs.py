"""Which lines of a log are the runtime's, and which are what a step has printed."""

from __future__ import annotations

import json
import time

import pytest

from lokki_tf.errors import OptionError
from lokki_tf.operate.lines import LineWriter
from lokki_tf.operate.logs import LogLine, _Stream, moment

REQUEST = "6bc28136-1c4f-4b8e-9d0a-0123456789ab"


def read(*lines: str) -> list[tuple[str, str | None]]:
    """The texts shown for a log stream, with their runs."""
    stream = _Stream("total")
    found = [
        line
        for number, text in enumerate(lines)
        for line in stream.read({"message": f"{text}\n", "timestamp": number})
    ]
    return [(line.text, line.run) for line in [*found, *stream.settled()]]


def test_what_a_step_prints_is_its_own() -> None:
    """Printed lines that look like those of Lambda or the runtime are shown in their run."""
    own = json.dumps({"event": "step_start", "node": "total", "run": "monday"})
    odd = json.dumps({"event": "clicked", "node": "a", "run": "other"})
    lines = (
        "INIT_START Runtime Version: python:3.13.v1",
        "printed while it is imported",
        f"START RequestId: {REQUEST} Version: $LATEST",
        own,
        odd,
        "START RequestId: of my own protocol",
        f"END RequestId: {REQUEST}",
        f"REPORT RequestId: {REQUEST} Duration: 1 ms",
    )
    assert read(*lines) == [
        ("printed while it is imported", "monday"),
        (own, "monday"),
        (odd, "monday"),
        ("START RequestId: of my own protocol", "monday"),
    ]


LAMBDA = """[ERROR] ValueError: two
Traceback (most recent call last):
\u00a0\u00a0File "/var/task/lambda_function.py", line 20, in lambda_handler
\u00a0\u00a0\u00a0\u00a0return lokki_runtime.run(scale, event, context)
\u00a0\u00a0File "/var/task/lokki_runtime/handler.py", line 57, in _one
\u00a0\u00a0\u00a0\u00a0value = call(function, args, kwargs)
\u00a0\u00a0File "/var/task/lambda_function.py", line 11, in scale
\u00a0\u00a0\u00a0\u00a0raise ValueError("two")"""
JOB = """Traceback (most recent call last):
  File "/app/entry.py", line 80, in main
    job.perform(handler)
  File "/app/train/lokki_runtime/jobs.py", line 32, in perform
    answer = handler(self._event, None)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/train/lambda_function.py", line 11, in scale
    raise ValueError("two")
ValueError: two"""


@pytest.mark.parametrize("text", [LAMBDA, JOB], ids=["function", "job"])
@pytest.mark.parametrize("apart", [False, True], ids=["one event", "an event a line"])
def test_tracebacks_have_the_users_frames_alone(text: str, apart: bool) -> None:
    """Of Lambda's and of a job's traceback, frames of the runtime are left out."""
    found = "\n".join(shown for shown, _ in read(*(text.split("\n") if apart else [text])))
    assert "lokki_runtime" not in found
    assert "entry.py" not in found
    assert found.count("File") == 1
    assert 'raise ValueError("two")' in found
    assert "ValueError: two" in found
    own = 'a step\'s text\n  File "data.csv", line 3, in words'
    assert read(own) == [(own, None)]


def test_a_line_has_its_date_and_run() -> None:
    """A line of a log says when it was written, and by which run."""
    line = LogLine(0.0, "total", "hello", run="monday", node="total")
    day, clock, run, text = LineWriter().text(line).split(maxsplit=3)
    assert (len(day), len(clock)) == (10, 8)
    assert (run, text) == ("monday", "total: hello")


def test_a_time_may_be_how_long_ago() -> None:
    """Hours, minutes, days and seconds count back from now; anything else is refused."""
    for text, seconds in (("2h", 7200), ("30m", 1800), ("1d", 86_400), ("90s", 90), ("1.5h", 5400)):
        assert abs(time.time() - seconds - moment(text)) < 5
    for text in ("2", "h", "2 weeks", "-2h", "soon"):
        with pytest.raises(OptionError, match="must be an ISO 8601 time or a duration"):
            moment(text)
