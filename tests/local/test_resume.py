"""Runs that are killed, and what their successors find."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

STEPS, KILLS = 200, 50
SCRIPT = f'''
import sys
from pathlib import Path
from lokki_tf import Pipeline, step

@step
def work(number, *before):
    with open("ran", "a") as file:
        file.write(f"{{number}}\\n")
    return [number, sum(one[1] for one in before) + number]

calls = []
for number in range({STEPS}):
    before = [calls[other] for other in (number - 1, number - 7, number // 2) if 0 <= other < number]
    calls.append(work(number, *before))
pipe = Pipeline("killed", steps=[calls[-1]])
run = pipe.local_run(state="state.db", max_workers=4)
Path("result").write_text(repr(run.result[1] % 10**9))
'''
DONE = "SELECT count(*) FROM entries"


def _expected() -> int:
    totals: list[int] = []
    for number in range(STEPS):
        before = [one for one in (number - 1, number - 7, number // 2) if 0 <= one < number]
        totals.append(sum(totals[one] for one in before) + number)
    return totals[-1] % 10**9


def _finished(file: Path) -> set[str]:
    """Names of the nodes whose results are in a state file, which must be whole."""
    if not file.exists() or not file.stat().st_size:
        return set()
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        keys = database.execute("SELECT key FROM entries").fetchall()
    database.close()
    return {key.split(":")[1] for (key,) in keys}


def _number(name: str) -> str:
    return str(int(name.removeprefix("work_")) - 1) if "_" in name else "0"


def test_killed_runs_go_on(tmp_path: Path) -> None:
    """After 50 kills at random moments the result is right, and what was done ran once."""
    dice = random.Random(2024)
    killed, turn, slowest = 0, 0, 0.4
    while killed < KILLS:
        folder = tmp_path / str(turn)
        folder.mkdir()
        (folder / "script.py").write_text(SCRIPT)
        turn += 1
        while not (folder / "result").exists():
            before = _finished(folder / "state.db")
            ran = Counter((folder / "ran").read_text().split()) if before else Counter()
            run = subprocess.Popen([sys.executable, "script.py"], cwd=folder)
            try:
                run.wait(dice.uniform(0.05, slowest) if killed < KILLS else None)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.wait()
                killed += 1
            else:
                assert run.returncode == 0
            since = Counter((folder / "ran").read_text().split()) - ran if ran else Counter()
            again = {_number(name) for name in before} & set(since)
            assert not again
        assert (folder / "result").read_text() == str(_expected())
        assert len(_finished(folder / "state.db")) == STEPS


def test_two_runs_on_one_file_lose_nothing(tmp_path: Path) -> None:
    """Two processes that run the same at once both end well, and every result is kept."""
    (tmp_path / "script.py").write_text(SCRIPT)
    runs = [subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert len(_finished(tmp_path / "state.db")) == STEPS
    assert (tmp_path / "result").read_text() == str(_expected())
