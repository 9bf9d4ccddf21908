"""The log: events as records, as text and as JSON."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from lokki_tf import LogLevel, Pipeline, configure_logging, step
from lokki_tf.errors import OptionError, StepFailed
from lokki_tf.model import RetryConfig
from lokki_tf.reporting import HumanFormatter, combined_listener, is_configured, log_listener

HUMAN = """\
10:30:00  [SYSTEM] Run of 'daily' started
10:30:00  [INFO] Step 'load' started
10:30:02  [INFO] Step 'load' completed in 2.345s (status=success)
10:30:02  [INFO] Step 'extra' skipped (status=skipped)
10:30:02  [INFO] Step 'score_2' started
10:30:03  [WARN] Step 'score_2' failed after 0.500s, attempt 1, and will be tried again: \
OSError: gone
10:30:04  [INFO] Step 'score_2' started
10:30:04  [INFO] Map 'resize' started: 100 items
10:30:14  [INFO] Map 'resize' [====>               ] 21/100 (21%) completed
10:30:14  [ERROR] Step 'cut' [99] failed after 0.100s: OSError: torn
10:30:15  [INFO] Map 'resize' completed in 11.000s (status=success): 100 items
10:30:15  [ERROR] Step 'score_2' failed after 1.234s: ValueError: invalid input
    second line
10:30:15  [ERROR] Map 'resize' failed after 0.500s: OSError: torn
10:30:16  [ERROR] Run of 'daily' failed after 16.000s
10:30:16  [SUCCESS] Run of 'daily' completed in 16.000s (status=success)
"""

JSON = """\
{"level": "SYSTEM", "ts": "2024-01-15T10:30:00.000Z", "event": "run_start", "pipeline": "daily", \
"message": "Run of 'daily' started"}
{"level": "INFO", "ts": "2024-01-15T10:30:02.445Z", "event": "step_end", "pipeline": "daily", \
"step": "load", "node": "load", "attempt": 1, "duration": 2.345, "status": "success", \
"message": "Step 'load' completed in 2.345s (status=success)"}
{"level": "WARNING", "ts": "2024-01-15T10:30:03.000Z", "event": "step_retry", \
"pipeline": "daily", "step": "score", "node": "score_2", "attempt": 1, "duration": 0.5, \
"status": "retried", "message": "Step 'score_2' failed after 0.500s, attempt 1, and will be \
tried again: OSError: gone", "error": "OSError: gone"}
{"level": "INFO", "ts": "2024-01-15T10:30:14.000Z", "event": "map_progress", \
"pipeline": "daily", "node": "resize", "done": 21, "total": 100, \
"message": "Map 'resize' [====>               ] 21/100 (21%) completed"}
{"level": "ERROR", "ts": "2024-01-15T10:30:14.750Z", "event": "step_fail", \
"pipeline": "daily", "step": "cut", "node": "cut", "item": 99, "attempt": 1, "duration": 0.1, \
"status": "failed", "message": "Step 'cut' [99] failed after 0.100s: OSError: torn", \
"error": "OSError: torn"}
{"level": "INFO", "ts": "2024-01-15T10:30:15.000Z", "event": "map_end", "pipeline": "daily", \
"node": "resize", "duration": 11.0, "status": "success", "total": 100, \
"message": "Map 'resize' completed in 11.000s (status=success): 100 items"}
{"level": "ERROR", "ts": "2024-01-15T10:30:15.500Z", "event": "step_fail", "pipeline": "daily", \
"step": "score", "node": "score_2", "attempt": 2, "duration": 1.234, "status": "failed", \
"message": "Step 'score_2' failed after 1.234s: ValueError: invalid input\\n    second line", \
"error": "ValueError: invalid input\\nsecond line"}
{"level": "SUCCESS", "ts": "2024-01-15T10:30:16.000Z", "event": "run_end", "pipeline": "daily", \
"duration": 16.0, "status": "success", "message": "Run of 'daily' completed in 16.000s \
(status=success)"}
"""


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the time zone to UTC."""
    monkeypatch.setattr(HumanFormatter, "converter", time.gmtime)


def written(events: SimpleNamespace, *args: object, **options: object) -> str:
    stream = io.StringIO()
    configure_logging(*args, stream=stream, **options)  # type: ignore[arg-type]
    listen = log_listener(events.graph)
    for event in events.all:
        listen(event)
    return stream.getvalue()


def test_lines_for_people(events: SimpleNamespace) -> None:
    """Each event is a line of time, level and text; items only have warnings and errors."""
    assert written(events) == HUMAN


def test_lines_for_machines(events: SimpleNamespace) -> None:
    """Each event is one JSON object per line, with its known fields and without nulls."""
    lines = written(events, json_output=True).splitlines(keepends=True)
    assert len(lines) == 15
    assert "".join(lines[index] for index in (0, 2, 5, 8, 9, 10, 11, 14)) == JSON
    assert all(None not in json.loads(line).values() for line in lines)


@pytest.mark.parametrize(
    ("level", "count"),
    [("DEBUG", 213), (20, 15), (LogLevel.SYSTEM, 7), ("success", 6), ("WARNING", 5), (40, 4)],
)
def test_a_level_hides_lower_levels(
    events: SimpleNamespace, level: LogLevel | int | str, count: int
) -> None:
    """The levels are DEBUG, INFO, SYSTEM, SUCCESS, WARNING, ERROR, and accept names in any case."""
    lines = written(events, level).replace("\n    ", " ").splitlines()
    assert len(lines) == count


def test_an_unknown_level_is_an_error_with_the_known_ones() -> None:
    """An unknown level is an error that lists the levels."""
    with pytest.raises(OptionError, match="no log level 'LOUD'") as caught:
        configure_logging("LOUD")
    assert "DEBUG, INFO, SYSTEM, SUCCESS, WARNING, ERROR" in str(caught.value)


def test_levels_are_coloured_on_request(events: SimpleNamespace) -> None:
    """Only the level is coloured, and the time can be left out."""
    lines = written(events, use_colors=True, show_timestamps=False).splitlines()
    assert lines[0] == "\x1b[35m[SYSTEM]\x1b[0m Run of 'daily' started"
    assert lines[1] == "\x1b[34m[INFO]\x1b[0m Step 'load' started"
    assert lines[-1].startswith("\x1b[32m[SUCCESS]\x1b[0m")
    assert "\x1b" not in written(events, show_timestamps=False)


@pytest.mark.parametrize(
    ("variables", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_terminals_get_colours(
    events: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    terminal: bool,
    coloured: bool,
) -> None:
    """By default, levels are coloured on terminals unless the environment forbids it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    configure_logging(stream=stream)
    log_listener()(events.all[0])
    assert ("\x1b[" in stream.getvalue()) == coloured


def test_progress_of_maps_comes_by_interval(events: SimpleNamespace) -> None:
    """A shorter interval shows more progress of a map, and its end shows all items."""
    assert written(events, progress_interval=0).count("%) completed") == 99
    assert written(events, progress_interval=5).count("%) completed") == 2
    assert written(events, progress_interval=0.5).count("%) completed") == 3
    assert written(events, progress_interval=99).count("%) completed") == 0


def test_a_run_is_silent_unless_a_log_is_configured(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a configured log, a run writes nothing and has no listener."""
    assert not is_configured()
    assert combined_listener(None) is None
    Pipeline("quiet", steps=[step(lambda: 1, name="one")()]).local_run()
    assert capfd.readouterr() == ("", "")


def test_a_run_writes_the_configured_log() -> None:
    """After configure_logging runs are logged, and the caller's listener still receives events."""
    stream = io.StringIO()
    kinds: list[str] = []
    configure_logging(stream=stream, show_timestamps=False)
    pipe = Pipeline("daily", steps=[step(lambda: 1, name="one")()])
    pipe.local_run(on_event=lambda event: kinds.append(event.kind))
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["[SYSTEM] Run of 'daily' started", "[INFO] Step 'one' started"]
    assert lines[2].startswith("[INFO] Step 'one' completed in 0.")
    assert lines[3].startswith("[SUCCESS] Run of 'daily' completed in 0.")
    assert kinds == ["run_started", "step_started", "step_finished", "run_finished"]


def test_a_failing_run_is_logged_to_its_end() -> None:
    """Retries are warnings; the failures of the step and of the run are errors."""

    def bad() -> None:
        raise ValueError("no")

    stream = io.StringIO()
    configure_logging(LogLevel.WARNING, json_output=True, stream=stream)
    retry = RetryConfig(retries=1, delay=0)
    with pytest.raises(StepFailed):
        Pipeline("daily", steps=[step(bad, retry=retry)()]).local_run()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("WARNING", "step_retry"),
        ("ERROR", "step_fail"),
        ("ERROR", "run_end"),
    ]
    assert [line["error"] for line in lines[:2]] == ["ValueError: no"] * 2


def test_configuring_again_replaces(logger: logging.Logger) -> None:
    """Only the latest configuration writes."""
    first, second = io.StringIO(), io.StringIO()
    configure_logging(stream=first)
    assert configure_logging(stream=second) is logger
    logger.info("a record of the user's own: %s", "text")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("[INFO] a record of the user's own: text\n")


def test_without_a_stream_the_log_follows_stderr(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stream, the log is written to the current sys.stderr."""
    configure_logging()
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logger.warning("later")
    assert stream.getvalue().endswith("[WARN] later\n")


def test_a_logger_that_the_user_configures_gets_records(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """A logger that the user has configured receives ordinary records with extra fields."""
    logger.setLevel("INFO")
    assert is_configured()
    with caplog.at_level("INFO"):
        Pipeline("daily", steps=[step(lambda: 1, name="one")()]).local_run()
    records = [record for record in caplog.records if record.name == "lokki_tf"]
    assert [record.levelname for record in records] == ["SYSTEM", "INFO", "INFO", "SUCCESS"]
    assert vars(records[2])["node"] == "one"
    assert vars(records[2])["duration"] >= 0


def test_tracebacks_of_the_users_records_are_kept(logger: logging.Logger) -> None:
    """logger.exception writes its traceback, as text and as JSON."""
    for json_output in (False, True):
        stream = io.StringIO()
        configure_logging(json_output=json_output, stream=stream)
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("went wrong")
        assert "went wrong" in stream.getvalue()
        assert "KeyError: 'k'" in stream.getvalue()
    assert "Traceback" in json.loads(stream.getvalue())["error"]


def test_an_error_without_text_breaks_nothing(events: SimpleNamespace) -> None:
    """An error whose __str__ raises is shown by its class."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    stream = io.StringIO()
    configure_logging(stream=stream)
    log_listener()(events.make("step_failed", "a", duration=1.0, error=Mute()))
    assert "Mute: (its text cannot be made)" in stream.getvalue()


def test_events_of_later_versions_are_ignored(events: SimpleNamespace) -> None:
    """An unknown kind of event is ignored without an error."""
    stream = io.StringIO()
    configure_logging("DEBUG", stream=stream)
    log_listener()(events.make("step_dreamt", "a"))
    assert stream.getvalue() == ""


def test_a_silent_run_loads_no_logging() -> None:
    """A run without a listener does not import logging."""
    code = (
        "import sys\nfrom lokki_tf import Pipeline, step\n"
        "Pipeline('p', steps=[step(lambda: 1, name='one')()]).local_run(max_workers=1)\n"
        "print([m for m in ('logging', 'rich', 'lokki_tf.reporting.log') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
