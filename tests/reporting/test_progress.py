"""Progress: lines without a terminal, a live display with one."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from rich.console import Console

from lokki_tf import Pipeline, step
from lokki_tf.local import run
from lokki_tf.model import Definition, Graph, Item
from lokki_tf.reporting import ProgressDisplay, ProgressLines, listener_for
from lokki_tf.reporting.maps import MapCounts, Progress
from lokki_tf.reporting.words import bar
from lokki_tf.runtime.busy import CHECK, AlreadyRunning

LINES = """\
load done in 2.345 s
extra skipped
score_2 failed in 0.500 s and will be tried again: OSError: gone
resize [====>               ] 21/100 (21%)
cut [99] failed in 0.100 s: OSError: torn
resize done in 11.000 s: 100 items
score_2 failed in 1.234 s: ValueError: invalid input
    second line
resize failed in 0.500 s: OSError: torn
"""

PICTURE = """\
score_2                                       2.0 s
resize   [=====>              ] 28/100 (28%)  0.5 s
daily    [==========>         ] 2/4 (50%)     4.5 s
"""


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Return a terminal; restore what a display changes in any case."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "24")
    streams = sys.stdout, sys.stderr
    yield Terminal()
    assert (sys.stdout, sys.stderr) == streams


@pytest.mark.parametrize(
    ("done", "total", "shown"),
    [
        (0, 100, "[>                   ] 0/100 (0%)"),
        (30, 100, "[======>             ] 30/100 (30%)"),
        (999, 1000, "[===================>] 999/1,000 (99%)"),
        (100, 100, "[====================] 100/100 (100%)"),
        (0, 0, "[====================] 0/0 (100%)"),
    ],
)
def test_bars(done: int, total: int, shown: str) -> None:
    """A bar is full, and shows 100%, only when all items are done."""
    assert bar(done, total) == shown


def test_lines_show_what_has_ended(events: SimpleNamespace) -> None:
    """Without a terminal there is a line per end of a node, and one per interval for maps."""
    stream = io.StringIO()
    with ProgressLines(stream, graph=events.graph) as listen:
        for event in events.all:
            listen(event)
    assert stream.getvalue() == LINES


def test_lines_below_the_level_are_not_shown(events: SimpleNamespace) -> None:
    """At WARNING only warnings and errors are shown."""
    stream = io.StringIO()
    listen = listener_for(events.graph, stream=stream, level="WARNING")
    for event in events.all:
        listen(event)
    assert stream.getvalue() == "".join(LINES.splitlines(keepends=True)[i] for i in (2, 4, 6, 7, 8))


def test_the_terminal_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets the display; a pipe, a dumb terminal and steps in processes get lines."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(listener_for(stream=Terminal()), ProgressDisplay)
    assert isinstance(listener_for(stream=Terminal(), live=False), ProgressLines)
    assert isinstance(listener_for(stream=io.StringIO()), ProgressLines)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(listener_for(stream=Terminal()), ProgressLines)


def test_the_number_of_nodes_may_be_given(terminal: Terminal, events: SimpleNamespace) -> None:
    """Without a graph, the display counts up to a given total."""
    with listener_for(stream=terminal, total=5) as listen:
        listen(events.make("step_started", "2024-01-01"))
        listen(events.make("step_finished", "2024-01-01", duration=1.0))
        assert isinstance(listen, ProgressDisplay)
        listen.console.print(listen.picture())
    assert "1/5 (20%)" in terminal.getvalue()


def test_items_are_counted_once(events: SimpleNamespace) -> None:
    """An item ends with its last node, or its first failing one; inner maps do not count."""
    inner = events.mapped("inner", events.node("deep"))
    counts = MapCounts(Graph((events.mapped("outer", events.node("a"), inner),)))
    make = events.make

    def progress(done: int) -> Progress:
        return Progress("outer", done, 3, events.start)

    assert counts.note(make("map_started", "outer", total=3)) == progress(0)
    assert counts.note(make("map_started", "inner", item=0, total=9)) is None
    assert counts.note(make("step_finished", "deep", item=4)) is None
    assert counts.note(make("map_finished", "inner", item=0, total=9)) == progress(1)
    assert counts.note(make("step_failed", "a", item=1, error=OSError())) == progress(2)
    failed = make("map_finished", "inner", item=1, error=OSError())
    assert counts.note(failed) is None
    assert counts.note(make("step_retried", "a", item=2, error=OSError())) is None
    assert counts.note(make("step_skipped", "inner", item=2)) == progress(3)


def test_a_map_that_runs_is_counted(events: SimpleNamespace) -> None:
    """The engine's own events advance a map from its first item to its last."""
    graph = Graph((events.mapped("each", events.node("one", Item()), items=range(5)),))
    stream = io.StringIO()
    run(Definition("p", graph), on_event=ProgressLines(stream, graph=graph, progress_interval=0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "each [====>               ] 1/5 (20%)"
    assert lines[3] == "each [================>   ] 4/5 (80%)"
    assert lines[4].startswith("each done in 0.")
    assert lines[4].endswith(" s: 5 items")


def test_the_picture_shows_what_runs(events: SimpleNamespace, terminal: Terminal) -> None:
    """Each running step has a row with its duration, a map its bar, and the run the last row."""
    make, now = events.make, events.start + 4.5
    with ProgressDisplay(4, stream=terminal, graph=events.graph, clock=lambda: now) as display:
        display(make("run_started"))
        for name in ("load", "extra"):
            display(make("step_started", name))
            display(make("step_finished", name, duration=0.1))
        display(make("step_started", "score_2", 2.5))
        display(make("step_retried", "score_2", 3.0, duration=0.5, error=OSError()))
        display(make("step_started", "score_2", 3.5, attempt=2))
        display(make("map_started", "resize", 4.0, total=100))
        for number in range(28):
            display(make("step_started", "cut", 4.0, item=number))
            for one in events.item(number, 4.2):
                display(one)
        assert shown(display) == PICTURE


def test_a_picture_never_fills_the_terminal(events: SimpleNamespace, terminal: Terminal) -> None:
    """Of many running steps the first have rows, and the others are counted."""
    with ProgressDisplay(None, stream=terminal, clock=lambda: events.start) as display:
        for number in range(50):
            display(events.make("step_started", f"step_{number}"))
        lines = shown(display).splitlines()
    assert len(lines) == 12
    assert lines[10].strip() == "and 40 more"
    assert lines[11].split() == ["daily", "0", "done", "0.0", "s"]


def test_equal_steps_that_run_have_one_row(events: SimpleNamespace, terminal: Terminal) -> None:
    """Many running calls of one step are a row with their number, since the first began."""

    @step
    def load() -> int:
        return 1

    @step
    def fetch(value: int, number: int) -> int:
        return value

    @step
    def total(*values: int) -> int:
        return sum(values)

    rows = load()
    graph = Pipeline("p", steps=[total(*[fetch(rows, one) for one in range(300)])]).graph
    make, now = events.make, events.start + 4.5
    with ProgressDisplay(302, stream=terminal, graph=graph, clock=lambda: now) as display:
        display(make("run_started"))
        for number in range(1, 301):
            name = "fetch" if number == 1 else f"fetch_{number}"
            display(make("step_started", name, 1.0 if number == 1 else 2.0))
        assert [line.split() for line in shown(display).splitlines()[:-1]] == [
            ["fetch", "×300", "3.5", "s"]
        ]
        for number in range(3, 298):
            display(make("step_finished", f"fetch_{number}", 3.0, duration=1.0))
        assert len(shown(display).splitlines()) == 6  # few steps have a row each


def shown(display: ProgressDisplay) -> str:
    console = Console(file=io.StringIO(), width=60, height=24)
    console.print(display.picture())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_the_wait_for_other_runs_is_not_one_of_the_steps(
    events: SimpleNamespace, terminal: Terminal
) -> None:
    """It has a row while it lasts, and the bar counts the steps only."""
    make = events.make
    with ProgressDisplay(1, stream=terminal, clock=lambda: events.start + 1) as display:
        display(make("wait_started", CHECK, error=AlreadyRunning("another run is going on")))
        assert shown(display).startswith(CHECK)
        display(make("wait_finished", CHECK, duration=1.0))
        assert "0/1 (0%)" in shown(display)
        display(make("step_finished", "load", duration=0.1))
        assert "1/1 (100%)" in shown(display)
    assert "waiting: another run is going on" in terminal.getvalue()


def test_ended_steps_are_shown_above(events: SimpleNamespace, terminal: Terminal) -> None:
    """The display leaves a line for each node that ended, coloured for warnings and errors."""
    with ProgressDisplay(4, stream=terminal, graph=events.graph) as display:
        for event in events.all:
            display(event)
    text = terminal.getvalue()
    for line in ("load done in 2.345 s", "extra skipped", "score_2 failed in 1.234 s: ValueError"):
        assert text.count(line) == 1
    assert "\x1b[31mscore_2 failed in 1.234 s: ValueError" in text
    assert "cut [7]" not in text
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")  # the cursor is shown again


def test_output_of_steps_is_shown_above(events: SimpleNamespace, terminal: Terminal) -> None:
    """Output of steps is shown in whole lines, even with brackets, carriage returns, half lines."""
    own, root = sys.stdout, logging.getLogger()
    handler = logging.StreamHandler(sys.stderr)
    root.addHandler(handler)
    try:
        with ProgressDisplay(1, stream=terminal) as display:
            display(events.make("run_started"))
            assert sys.stdout is not own
            assert sys.stdout.encoding == own.encoding
            print("[/bold] [1, 2]")
            print("\r10%", end="", flush=True)
            print("\r20%", end="", flush=True)
            print("\r100%")
            root.warning("logged")
            print("no newline", end="")
            sys.stderr.writelines(["to ", "stderr\n"])
            display(events.make("run_finished", duration=1.0))
        assert handler.stream is sys.stderr
    finally:
        root.removeHandler(handler)
    text = terminal.getvalue()
    for line in ("[/bold] [1, 2]", "100%", "logged", "no newline", "to stderr"):
        assert f"{line}\n" in text
    assert "10%" not in text.replace("100%", "")


def test_threads_may_print_at_once(events: SimpleNamespace, terminal: Terminal) -> None:
    """Events and prints from many threads all arrive, without mixed lines."""

    def work(number: int) -> None:
        for part in range(20):
            display(events.make("step_started", f"s{number}_{part}"))
            print("printed by", number, part)
            display(events.make("step_finished", f"s{number}_{part}", duration=0.0))

    with ProgressDisplay(200, stream=terminal) as display:
        display(events.make("run_started"))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = re.sub(r"\x1b\[[?0-9]*\w", "\n", terminal.getvalue()).splitlines()
    expected = {f"printed by {n} {p}" for n in range(10) for p in range(20)}
    expected |= {f"s{n}_{p} done in 0.000 s" for n in range(10) for p in range(20)}
    assert expected <= {line.strip() for line in lines}


def test_a_closed_terminal_does_not_affect_the_run(
    events: SimpleNamespace, terminal: Terminal
) -> None:
    """If writing fails, the display ends silently, and the streams are restored."""
    own = sys.stdout
    display = ProgressDisplay(3, stream=terminal)
    display(events.make("run_started"))
    terminal.close()
    print("after the terminal closed")
    for event in events.all:
        display(event)
    assert sys.stdout is own


def test_a_run_under_a_display_gives_its_result(terminal: Terminal) -> None:
    """local_run accepts the display as its listener, and removes it even without ``with``."""
    pipe = Pipeline("daily", steps=[step(lambda: 7, name="seven")()])
    assert pipe.local_run(on_event=listener_for(pipe.graph, stream=terminal)).result == 7
    assert "seven done in 0." in terminal.getvalue()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_prints_past_the_display(events: SimpleNamespace, terminal: Terminal) -> None:
    """A child process of a step has the original streams, and waits for no lock of the display."""
    own = sys.stdout
    with ProgressDisplay(1, stream=terminal) as display:
        display(events.make("run_started"))
        child = os.fork()
        if not child:
            os._exit(0 if sys.stdout is own else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sys.stdout is not own
