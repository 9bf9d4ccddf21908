"""Ctrl-C at a command: exit code 130, and no traceback of anything that runs beneath."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import sys, threading

def ready(*_):
    print("ready", flush=True)

def audit(event, args):
    if event == "subprocess.Popen":  # Node, the server of a local AWS, or a bare Python
        ready()

sys.addaudithook(audit)
from lokki_tf import Pipeline, main, step

@step
def load(day="today"):
    ready()
    threading.Event().wait(60)

pipe = Pipeline("daily", steps=[load()])
main(pipe)
"""


@pytest.mark.parametrize("group", [True, False], ids=["terminal", "process alone"])
@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "--executor", "process"],
        ["run", "--local-aws"],
        ["check", "--import"],
        ["synth"],
    ],
    ids=" ".join,
)
def test_ctrl_c_leaves_no_traceback(tmp_path: Path, args: list[str], group: bool) -> None:
    """A terminal sends Ctrl-C to each process of a command; the command says one word and ends."""
    file = tmp_path / "pipeline.py"
    file.write_text(SCRIPT)
    # Steps of processes have no stdout of their own, so their line comes from stderr.
    process = subprocess.Popen(
        [sys.executable, str(file), *args],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    printed = next(line for line in process.stdout if "ready" in line)
    if group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed + rest
    assert "Aborted!" in rest
    assert "Traceback" not in rest
    assert "Error" not in rest


def test_ctrl_c_while_the_package_loads_shows_the_users_line_alone(tmp_path: Path) -> None:
    """The traceback has the script's import, and none of the modules that were loading."""
    file = tmp_path / "pipeline.py"
    file.write_text(
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'lokki_tf.model.graph':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from lokki_tf import step\n"
    )
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("  File")]
    assert [line.split('"')[1] for line in lines] == [str(file), str(ROOT / "lokki_tf/__init__.py")]
    assert done.stderr.endswith("KeyboardInterrupt\n")
