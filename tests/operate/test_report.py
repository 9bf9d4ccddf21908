"""Reports of executions in AWS: contents, cards, pickles, failures, rights."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from html_pages import Page

from lokki_tf import (
    DAG,
    MicroFunctions,
    Parameter,
    Pipeline,
    RetryConfig,
    ReturnUpdates,
    flow,
    run_context,
    step,
    task,
)
from lokki_tf.cli import command_line
from lokki_tf.operate.by_arn import report_by_arn
from lokki_tf.operate.execution import Execution
from lokki_tf.testing import LocalAws

EVIL = "<script>alert(1)</script>"


@dataclass
class Row:
    number: int


@step(retry=RetryConfig(retries=2, delay=0))
def load(limit: int) -> list[int]:
    print(f"printed {EVIL}")
    if run_context().attempt < 2:
        raise ConnectionError(f"not there {EVIL}")
    run_context().card.append(f"loaded **{limit}** {EVIL}")
    run_context().card.append([{"n": limit}])
    return list(range(limit))


@step
def square(number: int, bad: int = -1) -> int:
    run_context().card.append(f"square of {number}")
    if number == bad:
        raise ValueError(f"bad {EVIL}")
    return number**2


@step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@step(catch=ValueError)
def row(number: int) -> Row:
    return Row(number)


@step(catch=ValueError)
def caught(value: Any) -> Any:
    raise ValueError("caught here")


@flow
def squares(limit: int = 3, bad: int = -1) -> Any:
    return load(limit).map(square, bad=bad).agg(total)


@flow
def inline(limit: int = 3) -> Any:
    return load(limit).map(square, mode="inline").agg(total)


@step(job_type="batch")
def job(limit: int) -> str:
    run_context().card.append(f"job of {limit}")
    return "x" * 10


calls = Pipeline("calls", steps=[total(load(Parameter("limit", int, default=3)))])
rows = Pipeline("rows", steps=[caught(row(total(load(2))))])
jobs = Pipeline("jobs", steps=[job(Parameter("limit", int, default=3))])


@task
def first(limit: int) -> dict[str, int]:
    run_context().card.append(f"task {limit}")
    return {"a": limit}


@task
def second(a: int) -> tuple[int, str]:
    return a, "x" * 300_000


tasks = DAG("tasks", tasks=[first >> second])
routed = MicroFunctions("look", name="routed")


@routed.fn("look", "end")
def look(limit: int = 3, tries: int = 0, **more: Any) -> ReturnUpdates:
    run_context().card.append(f"try {tries}")
    return ReturnUpdates("look" if tries < limit else "end", tries=tries + 1)


@routed.fn(terminates=True)
def end(tries: int, **more: Any) -> dict[str, int]:
    return {"tries": tries}


STYLES = [calls, squares, inline, tasks, routed]


@pytest.fixture(scope="module", autouse=True)
def account() -> Iterator[LocalAws]:
    """An account in which all of them are, and which the environment names."""
    with LocalAws(retry_delay_scale=0.0) as aws, pytest.MonkeyPatch.context() as patch:
        for name, value in aws.environment.items():
            patch.setenv(name, value)
        for pipeline in (*STYLES, rows, jobs):
            aws.register(pipeline)
        yield aws


def page_of(execution: Any) -> Page:
    page = Page(execution.to_html())
    page.refuse_what_acts()
    page.links_exist()
    return page


def flat(page: Page) -> str:
    return page.text.replace("\n", "")


def without_code(html: str) -> str:
    """Return a report without the source locations of its steps."""
    return re.sub(r"<dt>code</dt><dd>[^<]*</dd>", "", html)


def by_arn(aws: LocalAws, execution: Execution[Any]) -> str:
    return report_by_arn(aws.endpoint_url, aws.region, execution.arn)


@pytest.mark.parametrize("pipeline", STYLES, ids=lambda one: str(one.name))
def test_every_style_has_reports(pipeline: Pipeline[Any], account: LocalAws) -> None:
    """Each has what the report of a local run has, and the cards that the steps have added.

    Without the pipeline's code, the rest of it is in the report as well.
    """
    # Defaults of a first step that takes any value are not in the state machine.
    given = {"limit": 2, "tries": 0} if pipeline is routed else {"limit": 2}
    execution = pipeline.start(given).wait(progress=False)
    assert by_arn(account, execution) == without_code(execution.to_html())
    assert execution.status == "SUCCEEDED"
    page, local = page_of(execution), Page(pipeline.local_run({"limit": 2}).to_html())
    assert [tag for tag, _ in page.tags].count("svg") == 2
    texts = flat(page)
    for text in ("succeeded", execution.name, "parameter limit", "state transitions"):
        assert text in texts
    assert "billed by Lambda" in texts
    assert re.search(r"at least 0\.0+[1-9]\d* USD, with prices of us-east-1 of 20", texts)
    cards = {one for one in local.ids if one.startswith("step-")}
    assert {one for one in page.ids if one.startswith("step-")} == cards
    for text in {
        "routed": ("looktry 0", "look_3try 2", "from look_2", "'tries': 3"),
        "tasks": ("firsttask 2", "tuple of 2 elements"),
    }.get(str(pipeline.name), ("load, attempt 2loaded 2", "ConnectionError: not there", "printed")):
        assert text in texts, text
    if pipeline in (squares, inline):
        assert "square [1]square of 1" in texts
        assert "2 done, 0 failed, of 2" in texts


def test_pickles_are_loaded_only_with_the_users_word() -> None:
    """A value of a class is not loaded by default; caught failures and tracebacks are shown."""
    execution = rows.start(name="pickled").wait(progress=False)
    page = flat(page_of(execution))
    assert "not loaded: a pickle with classes of" in page
    assert "number = 2" not in page
    assert "failed, caught" in page
    assert 'raise ValueError("caught here")' in page
    assert "Row(number=1)" in flat(page_of(rows.execution("pickled", allow_pickle=True)))


def test_failed_items_and_their_tracebacks_are_shown() -> None:
    """The report of a failed map names the item, its error and traceback; a redrive is one run."""
    execution = squares.start({"bad": 1}).wait(progress=False)
    page = page_of(execution)
    texts = flat(page)
    assert "squares failed" in texts
    assert "failed item [1] ValueError: bad <script>" in texts
    assert 'raise ValueError(f"bad {EVIL}")' in texts
    assert "not run" in texts
    again = page_of(execution.redrive().wait(progress=False))
    assert "redrives1" in flat(again)


def test_jobs_have_cards(account: LocalAws) -> None:
    """A job stores its card with its own role."""
    execution = jobs.start().wait(progress=False)
    assert execution.status == "SUCCEEDED"
    assert by_arn(account, execution) == without_code(execution.to_html())
    texts = flat(page_of(execution))
    assert "jobjob of 3" in texts
    assert "job of AWS Batch" in texts


def test_objects_that_are_no_cards_are_left_out(account: LocalAws) -> None:
    """Whatever is in a step's folder, the report of others is written, and nothing of it acts."""
    execution = calls.start().wait(progress=False)
    store = execution.deployed.store
    bucket, _, prefix = store.removeprefix("s3://").partition("/")
    folder = f"{prefix}/runs/load/{execution.name}/cards".lstrip("/")
    evil = {
        "node": EVIL,
        "parts": [
            {"kind": EVIL, "text": EVIL},
            {"kind": "table", "columns": EVIL, "rows": [[EVIL], 3], "of": EVIL},
            {"kind": "image", "type": "text/html", "data": "PHNjcmlwdD4="},
            {"kind": "image", "type": "image/png", "data": '"><script>'},
            {"kind": "html", "text": "</iframe><script>alert(1)</script>"},
        ],
    }
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(b"[" + b" " * 50_000_000) + packer.flush()
    gzipped = zlib.compressobj(wbits=31)
    for name, data in {
        "a": b"no gzip",
        "b": gzipped.compress(json.dumps(evil).encode()) + gzipped.flush(),
        "c": bomb,
    }.items():
        account.client("s3").put_object(
            Bucket=bucket, Key=f"{folder}/{name}.card.json.gz", Body=data
        )
    page = page_of(execution)
    assert "loaded 3" in flat(page)
    assert "content of an unknown kind" in page.text
    assert "a picture that cannot be read" in page.text


def test_only_steps_that_use_cards_have_their_code() -> None:
    """The code of cards is in zips of steps that call run_context(), and boto3 is not loaded."""
    from lokki_tf.packaging import package_steps

    files = {step.name: one.files for step, one in package_steps(calls.definition).items()}
    assert "lokki_runtime/cards.py" in files["load"]
    assert "lokki_runtime/cards.py" not in files["total"]
    assert "lokki_runtime/card_store.py" not in files["total"]


def test_a_running_execution_has_a_report(account: LocalAws) -> None:
    """A report of an execution that goes on shows what has happened so far."""
    from lokki_tf import wait

    pipe = Pipeline("going", steps=[wait(seconds=3600)])
    account.register(pipe)
    execution = pipe.start()
    try:
        texts = flat(page_of(execution))
        assert "going running" in texts
    finally:
        execution.stop()


def test_the_command_writes_a_report(tmp_path: Path) -> None:
    """``show --run NAME --report FILE`` writes it, and pickles need ``--allow-pickle``."""
    rows.start(name="shown").wait(progress=False)
    file = tmp_path / "run.html"

    def show(*options: str) -> Any:
        return CliRunner().invoke(command_line(rows), ["show", *options])

    result = show("--run", "shown", "--report", str(file))
    assert result.exit_code == 0, result.output
    assert "not loaded" in Page(file.read_text(encoding="utf-8")).text
    result = show("--run", "shown", "--report", str(file), "--allow-pickle")
    assert result.exit_code == 0, result.output
    assert "Row(number=1)" in Page(file.read_text(encoding="utf-8")).text
    for wrong in (
        ("--report", str(file)),
        ("--run", "shown", "--allow-pickle"),
        ("--run", "shown", "--report", str(tmp_path / "run.txt")),
    ):
        assert show(*wrong).exit_code == 2
