"""Temporary folders, with plans and Terraform, after a process that was killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lokki_tf.terraform.scratch import scratch_folder

HOLDS = """
import sys
from lokki_tf.terraform.scratch import scratch_folder

with scratch_folder() as folder:
    (folder / "plan").write_text("a password")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, of this process and those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holding() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_has_left_is_removed_by_the_next(temporary: Path) -> None:
    """A plan may contain secrets; that of a process that still uses it stays."""
    killed, left = holding()
    running, used = holding()
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert (left / "plan").exists()
    with scratch_folder() as own:
        assert not left.exists()
        assert (used / "plan").exists()
        assert stat.S_IMODE(own.stat().st_mode) == stat.S_IMODE(own.parent.stat().st_mode) == 0o700
    running.communicate("")
    assert list(temporary.iterdir()) == []


def test_folders_that_are_not_ones_own_stay(temporary: Path) -> None:
    """What is linked into the folder for temporary files is not followed."""
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".in-use").touch()
    (temporary / "lokki_tf-link").symlink_to(elsewhere)
    with scratch_folder():
        assert (elsewhere / ".in-use").exists()
