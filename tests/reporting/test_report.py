"""Reports of local runs: contents, escaping, secrets, cards, size."""

from __future__ import annotations

import base64
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from html_pages import Page
from ways import EVERY_WAY

from lokki_tf import (
    DAG,
    MicroFunctions,
    NotReady,
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    start_pipeline,
    step,
    task,
)
from lokki_tf.cli import command_line
from lokki_tf.errors import LokkiError, OptionError, OutputError, StepFailed
from lokki_tf.local import Run
from lokki_tf.reporting.page.elements import Html, Markup
from lokki_tf.reporting.page.values import Unread, Values
from lokki_tf.runtime.cards import LARGEST, MOST_PARTS, MOST_ROWS, Card, part_of

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' \x00\u202e&amp;"


@dataclass
class Row:
    number: int
    note: str = EVIL


class Evil:
    """A value whose representation is HTML."""

    def __repr__(self) -> str:
        return EVIL


class Broken:
    """A value without a representation."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


@step
def load(day: str = EVIL) -> dict[str, Any]:
    print(f"printed {EVIL}")
    logging.getLogger("app").warning("logged %s", EVIL)
    return {"rows": [Row(1), Row(2)], EVIL: Evil(), "broken": Broken()}


@step(retry=RetryConfig(retries=2, delay=0))
def clean(rows: Any) -> Any:
    if run_context().attempt < 3:
        raise ConnectionError(f"not there {EVIL}")
    run_context().card.append(f"## Heading\n\n{EVIL} [a](javascript:alert(1)) ![b](https://x.y/z)")
    run_context().card.append([{EVIL: EVIL, "n": 1.23456789}])
    return rows


@step(catch=ValueError)
def risky(rows: Any) -> Any:
    raise ValueError(f"caught {EVIL}")


@step(poll=1)
def ready(rows: Any) -> int:
    if run_context().attempt < 4:
        raise NotReady
    return 1


@step
def publish(*parts: Any) -> Any:
    raise RuntimeError(f"refused {EVIL}")


@flow
def evil(day: str = EVIL) -> Any:
    rows = clean(load(day))
    return publish(risky(rows), ready(rows))


def page_of(run: Run[Any]) -> Page:
    page = Page(run.to_html())
    page.refuse_what_acts()
    page.links_exist()
    return page


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The report of a run that fails, with hostile texts everywhere."""
    file = tmp_path_factory.mktemp("reports") / "run.html"
    with pytest.raises(StepFailed):
        evil.local_run(report=file, wait_scale=0)
    return Page(file.read_text(encoding="utf-8"))


def test_texts_of_others_do_nothing(failed: Page) -> None:
    """Markup in parameters, results, errors, output and cards is shown as text."""
    failed.refuse_what_acts()
    failed.links_exist()
    assert "<script>alert(1)</script>" in failed.text
    assert "onerror" not in {name for _, given in failed.tags for name in given}
    assert not {"\x00", "\u202e"} & {*failed.html}


def test_a_report_contains_all_that_a_run_has_had(failed: Page) -> None:
    """Status, parameters, retries, tracebacks, caught errors, polls, output, calls."""
    for text in (
        "evil failed",
        "parameter day",
        "clean, attempt 1",
        "clean, attempt 2",
        "ConnectionError: not there",
        "failed, caught",
        "caught <script>",
        "RuntimeError: refused",
        'raise RuntimeError(f"refused {EVIL}")',
        "ready, attempt 3",
        "printed <script>",
        "WARNING app: logged <script>",
        "Row(number=1",
        "result of load",
        "calls of steps",
    ):
        assert text in failed.text, text


def test_the_policy_allows_only_the_own_style(failed: Page) -> None:
    """No scripts and no requests; the style sheet by its hash."""
    import hashlib

    style = failed.html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert failed.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


@step
def numbered(number: int) -> int:
    if number % 10 == 3:
        raise ValueError(f"bad {number}")
    run_context().card.append(f"item **{number}**")
    print(f"number {number}")
    return number


@step
def source(count: int) -> list[int]:
    return list(range(count))


@step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@flow
def mapped(count: int = 5) -> Any:
    return source(count).map(numbered, tolerated_failure_percentage=100).agg(total)


@task
def first(count: int) -> int:
    run_context().card.append("from a task")
    return count


@task
def second(first: int) -> int:
    return first


routed = MicroFunctions("look", name="routed")


@routed.fn("look", "end")
def look(tries: int = 0, **more: Any) -> ReturnUpdates:
    run_context().card.append(f"try {tries}")
    return ReturnUpdates("look" if tries < 3 else "end", tries=tries + 1)


@routed.fn(terminates=True)
def end(tries: int, **more: Any) -> dict[str, int]:
    return {"tries": tries}


calls = Pipeline("calls", steps=[total(source(Parameter("count", int, default=4)))])
tasks = DAG("tasks", tasks=[first >> second])


@pytest.mark.parametrize("pipeline", [calls, mapped, tasks, routed], ids=lambda one: one.name)
def test_every_style_has_reports(pipeline: Any) -> None:
    """Each has the picture, the chart, the table, the result and the parameters."""
    given = {"tries": 1} if pipeline is routed else {"count": 4}
    page = page_of(pipeline.local_run(given))
    assert [tag for tag, _ in page.tags].count("svg") == 2
    for text in ("succeeded", f"parameter {next(iter(given))}", "result", "Calls and cost"):
        assert text in page.text


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
def test_cards_and_output_come_from_every_executor(way: dict[str, Any], tmp_path: Path) -> None:
    """Threads, processes and strict runs give the same cards, by item, and the same output."""
    file = tmp_path / "run.html"
    run = mapped.local_run({"count": 5}, report=file, **way)
    page = Page(file.read_text(encoding="utf-8"))
    assert "numbered [4]item 4" in page.text.replace("\n", "")
    assert "numbered [3]item" not in page.text.replace("\n", "")
    assert "numbered [2]: number 2" in page.text
    assert "4 done, 1 failed, of 5" in page.text
    assert "ValueError: bad 3" in page.text
    assert page_of(run)
    assert sys.stdout.write("") == 0


def test_visits_of_a_routed_pipeline_have_their_own_cards() -> None:
    """Each visit of a step is a node of the report, with its state and its card."""
    page = page_of(routed.local_run())
    texts = page.text.replace("\n", "")
    assert "looktry 0" in texts
    assert "look_4try 3" in texts
    assert "from look_4" in texts


def test_a_report_of_300_steps_is_small() -> None:
    """It has less than a megabyte, with values that are long."""

    @step
    def long(number: int) -> dict[str, Any]:
        return {"number": number, "rows": [{"name": "x" * 200}] * 300, "text": "y" * 2_000}

    @step
    def also(value: Any, number: int) -> Any:
        return value

    @step
    def all_of(*values: Any) -> int:
        return len(values)

    nodes = [also(long(number), number=number) for number in range(149)]
    run = Pipeline("many", steps=[all_of(*nodes)]).local_run()
    page = page_of(run)
    assert len(run.status) == 299
    assert len(page.html.encode()) < 1_000_000


def test_a_report_of_a_large_map_is_small() -> None:
    """10,000 items, of which 1,000 failed, make no longer page than some."""
    page = page_of(mapped.local_run({"count": 10_000}))
    assert len(page.html) < 150_000
    assert "9,000 done, 1,000 failed, of 10,000" in page.text
    assert "more failed items" in page.text
    assert "more are not shown" in page.text


@step(secrets={"PASSWORD": "prod/db#password"})
def secretive(api_token: str, config: Any) -> dict[str, Any]:
    import os

    password = os.environ["PASSWORD"]
    print(f"the password is {password}")
    run_context().card.append(f"with {password}")
    run_context().card.append([{"password": "in a table", "of": password}])
    value = {"url": f"postgres://me:{password}@host", "secret_key": "never shown", "n": 1}
    if config:
        raise ValueError(f"cannot connect with {password!r} {value['url'] * 30}")
    return value


@pytest.mark.parametrize("config", [{}, {"fail": 1}], ids=["done", "failed"])
def test_secrets_are_never_in_it(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values of secrets, and values under names of secrets, are replaced everywhere."""
    monkeypatch.setenv("PASSWORD", 'hunter-"2"-&-<x>')
    file = tmp_path / "run.html"
    pipe = Pipeline("secretive", steps=[secretive("token-4711", config)])
    try:
        run = pipe.local_run(report=file)
    except StepFailed as error:
        run = error.run
    for html in (file.read_text(encoding="utf-8"), run.to_html()):
        page = Page(html)
        for text in ("hunter", "token-4711", "never shown", "in a table"):
            assert text not in page.html
            assert text not in page.text
        assert "•••" in page.text


def test_frames_run_nothing() -> None:
    """HTML of a figure is in a frame without rights, and only then styles are allowed."""

    class Figure:
        def _repr_html_(self) -> str:
            return "<b style='color:red'>bold</b><script>alert(1)</script>"

    @step
    def draws() -> None:
        run_context().card.append(Figure())

    page = page_of(Pipeline("draws", steps=[draws()]).local_run())
    assert page.frames == ["<b style='color:red'>bold</b><script>alert(1)</script>"]
    assert "style-src 'unsafe-inline'" in page.policy
    assert "default-src 'none'" in page.policy


def parts(content: Any) -> dict[str, Any]:
    return json.loads(json.dumps(part_of(content)))  # parts are plain JSON


def test_figures_become_pictures() -> None:
    """Figures of matplotlib, and objects that notebooks draw, are stored as pictures."""

    class Saved:
        def savefig(self, file: Any, **options: Any) -> None:
            file.write(b"png " + options["format"].encode())

    class Svg:
        def _repr_svg_(self) -> str:
            return "<svg/>"

    class Png:
        def _repr_png_(self) -> Any:
            return b"raw", {"width": 3}

    class Encoded:
        def _repr_png_(self) -> str:
            return base64.b64encode(b"raw").decode()

    def decoded(content: Any) -> tuple[str, bytes]:
        part = parts(content)
        return part["type"], base64.b64decode(part["data"])

    assert decoded(Saved()) == ("image/png", b"png png")
    assert decoded(Svg()) == ("image/svg+xml", b"<svg/>")
    assert decoded(Png()) == decoded(Encoded()) == ("image/png", b"raw")


def test_tables_are_shortened() -> None:
    """Data frames, lists of dicts and dicts of lists keep the first rows, and their number."""
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    columns = {"n": list(range(500)), "x": [0.1] * 500}
    rows = [{"n": n, "x": 0.1} for n in range(500)]
    for content in (columns, rows, pl.DataFrame(columns), pa.table(columns)):
        part = parts(content)
        assert (part["columns"], part["of"], len(part["rows"])) == (["n", "x"], 500, MOST_ROWS)
        assert part["rows"][1] == ["1", "0.1"]
    frame = parts(pd.DataFrame(columns, index=[f"i{n}" for n in range(500)]))
    assert (frame["columns"], frame["rows"][1], frame["of"]) == (
        ["", "n", "x"],
        ["i1", "1", "0.1"],
        500,
    )
    assert parts([])["rows"] == []
    assert parts(pl.Series("s", [1, 2]))["columns"] == ["s"]


@pytest.mark.parametrize("content", [3, None, b"x", Html, [1, 2], {"a": 1}, object()])
def test_other_content_is_refused(content: Any) -> None:
    """The error names the type, and what a card takes."""
    with pytest.raises(TypeError, match=r"takes text in Markdown, a table .* got \w+\.\w+"):
        Card([]).append(content)


def test_cards_have_bounds() -> None:
    """What does not fit is replaced by a note, and the step does not fail."""
    known: list[dict[str, Any]] = []
    card = Card(known)
    card.append("x" * (LARGEST - 100))
    card.append("y" * 100)
    card.append("z")
    assert [part["kind"] for part in known] == ["markdown", "note", "markdown"]
    for _ in range(MOST_PARTS * 2):
        card.append("")
    assert len(known) == MOST_PARTS
    assert known[-1]["kind"] == "note"


def test_a_card_belongs_to_its_call() -> None:
    """A context that another step receives has no card: the error says so."""

    @step
    def gives() -> Any:
        return run_context()

    @step
    def takes(context: Any) -> None:
        context.card.append("x")

    with pytest.raises(StepFailed, match="belongs to the call of the step"):
        Pipeline("moved", steps=[takes(gives())]).local_run(strict=True)


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (3, "int", "3"),
        ("a" * 500, "text of 500 characters", "aaa"),
        (b"\x00\x01", "bytes of 2 bytes", r"\x00\x01"),
        ([1, 2], "list of 2 elements", "1\n2"),
        (list(range(10_000)), "list of 10,000 elements", "… 9,990 more"),
        ({"k": [1] * 9}, "dict of 1 entry", "'k': [1, 1, 1, 1, … 5 more]"),
        (Row(1), "Row", "number = 1"),
        (Broken(), "Broken", "<Broken>"),
        ((1, (2, 3)), "tuple of 2 elements", "(2, 3)"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_values_have_types_and_sizes(value: Any, kind: str, shown: str) -> None:
    """A value is shown with its type, its size and its first elements."""
    page = Page(Values(Html()).block(value, 1_000))
    assert kind in page.text
    assert shown in page.text


def test_arrays_and_frames_have_shapes() -> None:
    """Arrays and data frames are shown with their shape, types and first rows."""
    import numpy as np
    import pandas as pd
    import polars as pl

    def text(value: Any) -> str:
        return Page(Values(Html()).block(value, 1_000)).text

    assert "array 3 × 1,000, float64" in text(np.zeros((3, 1000)))
    assert "[0.0, 0.0" in text(np.zeros((3, 1000)))
    frame = pd.DataFrame({"name": ["a", "b"] * 50, "api_key": ["k-1", "k-2"] * 50})
    assert "DataFrame 100 × 2" in text(frame)
    assert "name: " in text(frame)
    assert "k-1" not in text(frame)
    assert "DataFrame 100 × 2" in text(pl.from_pandas(frame.astype(object)))
    assert "Series of 100" in text(frame["name"])
    assert text(Unread("in the bucket")) == "in the bucket"


def test_no_array_of_objects_is_evaluated() -> None:
    """Elements of arrays of objects are not shown, since their representations may be long."""
    import numpy as np

    assert "object" in Page(Values(Html()).block(np.array([Broken()]), 100)).text


def test_a_secret_is_replaced_before_a_text_is_shortened() -> None:
    """The beginning of a secret at the end of a shortened text is not shown."""
    secret = "0123456789abcdef" * 20
    values = Values(Html({secret}))
    for value in (f"{'x' * 90}{secret}", [f"{'x' * 150}{secret}"], {"a": f"{'x' * 70}{secret}"}):
        assert "0123" not in values.block(value, 120)
        assert "0123" not in values.line(value)


def test_elements_escape_all_but_elements() -> None:
    """Text and attributes are escaped; elements are not escaped again."""
    h = Html()
    assert h("p", "<b>", h("b", '"'), title='"<', hidden=True, id=None) == (
        '<p title="&quot;&lt;" hidden>&lt;b&gt;<b>&quot;</b></p>'
    )
    assert isinstance(h("br"), Markup)


def test_waits_starts_and_cleanups_are_shown() -> None:
    """Kinds of nodes are named: waits, started pipelines, answers from outside, cleanup."""
    inner = Pipeline("inner", steps=[total([1, 2])])

    @step(callback=True, timeout_seconds=60)
    def approve(value: int) -> Any:
        return None

    @step
    def release() -> None:
        pass

    started = start_pipeline("inner")
    pipe = Pipeline("kinds", steps=[approve(started.wait(seconds=3600))], cleanup=release)
    page = page_of(pipe.local_run(wait_scale=0, answers={"approve": {"ok": True}}))
    assert inner.name in page.text
    for text in ("wait, 1 h", "starts pipeline inner", "step, answered from outside", "cleanup"):
        assert text in page.text


def test_the_command_writes_a_report(tmp_path: Path) -> None:
    """``run --report`` writes it, also if the run fails; other names of files are refused."""
    file = tmp_path / "new" / "run.html"
    result = CliRunner().invoke(
        command_line(evil), ["run", "--report", str(file), "-q", "--wait-scale", "0"]
    )
    assert result.exit_code == 1
    assert Page(file.read_text(encoding="utf-8")).text
    refused = CliRunner().invoke(command_line(evil), ["run", "--report", "run.pdf"])
    assert (refused.exit_code, "must be an HTML file" in refused.output) == (2, True)


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """After a failed run, the run's own error is raised, with a note."""
    (tmp_path / "file").touch()
    file = tmp_path / "file" / "run.html"
    with pytest.raises(OutputError, match="cannot be written"):
        calls.local_run(report=file)
    with pytest.raises(StepFailed) as raised:
        evil.local_run(report=file, wait_scale=0)
    assert any("report was not written" in note for note in raised.value.__notes__)
    with pytest.raises(OptionError, match="must be an HTML file"):
        calls.local_run(report="run.txt")


def test_output_is_recorded_only_for_reports(tmp_path: Path) -> None:
    """Streams and loggers are as before after a run, and without a report during it."""
    seen: list[Any] = []

    @step
    def looks() -> None:
        seen.append((sys.stdout, logging.getLogRecordFactory()))
        print("unfinished", end="")

    pipe = Pipeline("looks", steps=[looks()])
    before = sys.stdout, logging.getLogRecordFactory()
    page = page_of(pipe.local_run())
    assert "What steps printed was not recorded" in page.text
    pipe.local_run(report=tmp_path / "run.html")
    assert (sys.stdout, logging.getLogRecordFactory()) == before
    assert seen[0] == before
    assert seen[1] != before
    assert "looks: unfinished" in Page((tmp_path / "run.html").read_text(encoding="utf-8")).text


def test_a_run_without_a_pipeline_has_no_report() -> None:
    """A run that no pipeline has made says what to do."""
    from lokki_tf.local import run

    with pytest.raises(LokkiError, match="has no report"):
        run(calls.definition).to_html()
