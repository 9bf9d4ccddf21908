"""`python -m lokki_tf local-aws`: an AWS to play with."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from operate_folder import SQUARES, Folder


def test_it_prints_what_to_write_into_the_settings(tmp_path: Path) -> None:
    """The lines that it prints make a pipeline's commands use it, without credentials."""
    folder = Folder(tmp_path, SQUARES, "")
    running = subprocess.Popen(
        [sys.executable, "-m", "lokki_tf", "local-aws", "--region", "eu-north-1"],
        env=folder.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert running.stderr is not None
        lines = []
        for line in running.stderr:
            lines.append(line.removeprefix("# "))
            if "Ctrl-C" in line:
                break
        start = lines.index("[aws]\n")
        settings = "".join(lines[start : start + 3])
        assert tomllib.loads(settings)["aws"]["region"] == "eu-north-1"
        (tmp_path / "lokki.toml").write_text(settings)
        done = folder.run("show")
        assert "squares is not deployed in eu-north-1 of account 123456789012" in done.stderr
        assert done.returncode == 2
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30)
    assert running.returncode == 0
