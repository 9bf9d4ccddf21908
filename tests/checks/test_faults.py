"""All faults of a pipeline's code are reported together, and nothing is written."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[2]
FIVE = """\
import sqlite3

from lokki_tf import Pipeline, main, step

connection = sqlite3.connect(":memory:")


@step
def load(day):
    return connection.execute("select 1").fetchall()


@step
def clean(rows):
    import hypothesis

    return hypothesis.reject(rows)


@step(include=["prices.json"])
def price(rows):
    return open("prices.json").read()


@step(name="joined", modules=["nowhere"])
def join(left, right):
    return left, right


rows = load("today")


@step
def report(table):
    return len(rows), table


pipe = Pipeline("faulty", steps=[report(join(clean(rows), price(rows)))])
if __name__ == "__main__":
    main(pipe)
"""
TOLD = {
    "capture-live": (10, "'load' uses 'connection', an open SQLite connection", "open it inside"),
    "package-missing": (15, "'clean' imports 'hypothesis'", "requirements=['hypothesis']"),
    "include": (20, "'price' names 'prices.json', which does not exist in", "name a file"),
    "modules": (25, "'joined' names 'nowhere', which is not a module", "as they are imported"),
    "capture-pipeline": (35, "'report' uses 'rows', a lokki_tf", "as an argument"),
}


def command(folder: Path, source: str, *args: str) -> subprocess.CompletedProcess[str]:
    (folder / "pipeline.py").write_text(source)
    return forked.run(
        ["pipeline.py", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing in it but the script."""
    return tmp_path_factory.mktemp("faulty")


def test_check_lists_every_fault(folder: Path) -> None:
    """Five faults in five steps are five errors, each with its file, line and remedy."""
    done = command(folder, FIVE, "check")
    assert done.returncode == 1
    assert done.stdout == "faulty: 5 errors, 0 warnings\n"
    told = re.split(r"^error ", done.stderr, flags=re.MULTILINE)[1:]
    assert len(told) == len(TOLD)
    for rule, (line, message, remedy) in TOLD.items():
        [one] = [text for text in told if text.startswith(f"[{rule}]")]
        what, where, how = one.splitlines()[:3]
        assert message in what
        assert where == f"  at {folder / 'pipeline.py'}:{line}"
        assert remedy in how


def test_synth_refuses_with_all_of_them_and_writes_nothing(folder: Path) -> None:
    """The error of synth lists the same five, and the folder is as it was."""
    done = command(folder, FIVE, "synth")
    assert done.returncode == 1
    assert "error: 5 errors in the pipeline:" in done.stderr
    for line, message, remedy in TOLD.values():
        assert message in done.stderr
        assert f"{folder / 'pipeline.py'}:{line}\n" in done.stderr
        assert remedy in done.stderr
    assert [path.name for path in folder.iterdir()] == ["pipeline.py"]


def test_what_stops_the_compiler_hides_no_other_fault(folder: Path) -> None:
    """A literal that cannot be pickled is reported with the faults in code, by both commands."""
    source = FIVE.replace('load("today")', "load(lambda: 0)")
    done = command(folder, source, "check")
    assert done.stdout == "faulty: 6 errors, 0 warnings\n"
    refused = command(folder, source, "synth")
    assert "error: 6 errors in the pipeline:" in refused.stderr
    assert [path.name for path in folder.iterdir()] == ["pipeline.py"]
