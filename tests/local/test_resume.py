"""Runs that are killed, and runs that continue them."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

STEPS, KILLS = 200, 12
SCRIPT = f"""
from pathlib import Path
from time import sleep
from lokki_tf import Pipeline, step

@step
def work(number, *before):
    with open("ran", "a") as file:
        file.write(f"{{number}}\\n")
    sleep(0.002)
    return [number, sum(one[1] for one in before) + number]

calls = []
for number in range({STEPS}):
    wanted = (number - 1, number - 7, number // 2)
    calls.append(work(number, *[calls[one] for one in wanted if 0 <= one < number]))
pipe = Pipeline("killed", steps=[calls[-1]])
run = pipe.local_run(state="state.db", max_workers=4)
Path("result").write_text(repr(run.result[1] % 10**9))
"""


def _expected() -> int:
    totals: list[int] = []
    for number in range(STEPS):
        before = [one for one in (number - 1, number - 7, number // 2) if 0 <= one < number]
        totals.append(sum(totals[one] for one in before) + number)
    return totals[-1] % 10**9


def _finished(file: Path) -> set[str]:
    """Return the names of the nodes whose results are in a state file, which must be sound."""
    if not file.exists():
        return set()
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not database.execute("SELECT * FROM sqlite_master").fetchall():
            return set()  # killed before there was a table
        keys = database.execute("SELECT key FROM entries").fetchall()
    return {bytes(key).decode().partition(":")[0] for (key,) in keys}


def _ran(folder: Path) -> Counter[str]:
    """Return how often each step has begun."""
    file = folder / "ran"
    return Counter(file.read_text().split() if file.exists() else ())


def _number(name: str) -> str:
    return str(int(name.removeprefix("work_")) - 1) if "_" in name else "0"


def test_killed_runs_continue(tmp_path: Path) -> None:
    """After 12 kills at random moments the result is right, and no finished step ran twice."""
    dice = random.Random(2024)
    killed = turn = halfway = 0
    began = time.monotonic()
    (tmp_path / "first").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "../script.py"], cwd=tmp_path / "first", check=True)
    took = time.monotonic() - began
    while killed < KILLS:
        folder = tmp_path / str(turn)
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)
        turn += 1
        while not (folder / "result").exists():
            before = _finished(folder / "state.db")
            ran = _ran(folder)
            halfway += 0 < len(before) < STEPS
            run = subprocess.Popen([sys.executable, "script.py"], cwd=folder)
            try:
                run.wait(dice.uniform(0.2, 1.0) * took if killed < KILLS else None)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.wait()
                killed += 1
            else:
                assert run.returncode == 0
            since = _ran(folder) - ran
            assert not {_number(name) for name in before} & set(since)
        assert (folder / "result").read_text() == str(_expected())
        assert len(_finished(folder / "state.db")) == STEPS
    assert halfway  # how often depends on the load of the computer


def test_two_runs_on_one_file_lose_nothing(tmp_path: Path) -> None:
    """Two processes that run the same pipeline at once both succeed, and every result is stored."""
    (tmp_path / "script.py").write_text(SCRIPT)
    runs = [subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(_finished(tmp_path / "state.db")) == STEPS
    assert (tmp_path / "result").read_text() == str(_expected())
