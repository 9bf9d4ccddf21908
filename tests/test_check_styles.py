"""``check`` in each style: everything that is wrong at once, with places and remedies."""

from __future__ import annotations

import os
import re
from pathlib import Path

import forked
import pytest

ROOT = Path(__file__).parents[1]
HEAD = "from lokki_tf import *\nlog = open(__file__)\n"
CALLS = """
@step(memory_size=1)
def load() -> int:
    return 1
@step(timeout_seconds=5000)
def report(text: str) -> str:
    return text + log.name
if __name__ == "__main__":
    main(Pipeline("calls", steps=[report(load())], schedule="rate(0 minutes)"))
"""
FLOW = """
@step(memory_size=1)
def load() -> list[int]:
    return [1]
@step(timeout_seconds=5000)
def report(text: str) -> str:
    return text + log.name
@flow(schedule="rate(0 minutes)")
def chain():
    return load().map(report)
if __name__ == "__main__":
    main(chain)
"""
TASKS = """
@task(memory_size=1)
def load() -> int:
    return 1
@task(timeout_seconds=5000)
def report(text: str) -> str:
    return text + log.name
load >> report
if __name__ == "__main__":
    main(DAG("tasks", schedule="rate(0 minutes)"))
"""
MISFITS = """
@task()
def load():
    return 1
@task()
def report(one, two):
    return 1
@task()
def more(none):
    return 1
load >> report
if __name__ == "__main__":
    main(DAG("misfits"))
"""
BUILT = """
@task()
def load():
    return 1
@task()
def report(laod):
    return 1
@task()
def more(what):
    return 1
if __name__ == "__main__":
    main(Flow("built").add(load).branch(report, more))
"""
ROUTES = """
pipe = MicroFunctions("load", schedule="rate(0 minutes)")
@pipe.fn(template_props={"MemorySize": 1})
def load(**state):
    return ReturnUpdates("report")
@pipe.fn()
def report(*, text: str, **state):
    return ReturnUpdates("nowhere", name=log.name)
@pipe.fn(terminates=True)
def alone(**state):
    return {}
if __name__ == "__main__":
    main(pipe)
"""
UNREAD = """
pipe = MicroFunctions("load")
@pipe.fn()
def load(**state):
    return state
@pipe.fn()
def report(**state):
    return ReturnUpdates(state["where"])
if __name__ == "__main__":
    main(pipe)
"""
CASES = {
    "calls": (CALLS, ["128 to 10,240", "1 to 900", "rate(0 minutes)", "'log'"]),
    "chains": (FLOW, ["128 to 10,240", "1 to 900", "rate(0 minutes)", "'log'"]),
    "tasks": (TASKS, ["128 to 10,240", "1 to 900", "rate(0 minutes)", "'log'"]),
    "arrows that do not fit": (MISFITS, ["'two' of task 'report'"]),
    "names that do not fit": (BUILT, ["'laod' of task 'report'", "'what' of task 'more'"]),
    "routes": (
        ROUTES,
        ["128 to 10,240", "rate(0 minutes)", "'log'", "{'text'}", "'nowhere'", "'alone'"],
    ),
    "returns that cannot be read": (UNREAD, ["step 'load'", "step 'report'"]),
}


@pytest.mark.parametrize(("source", "said"), CASES.values(), ids=CASES)
def test_check_lists_everything_at_once(source: str, said: list[str], tmp_path: Path) -> None:
    """Each error is shown with its line and a remedy, and the exit code is 1."""
    script = tmp_path / "pipeline.py"
    script.write_text(HEAD + source)
    done = forked.run(
        [str(script), "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1, done.stderr
    for one in said:
        assert one in done.stderr
    assert len(re.findall(r"pipeline\.py:\d+", done.stderr)) >= len(said)
