"""Tests that require a program say so where it is missing, and fail where it is demanded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEST = "tests/agreement/test_deployed.py::test_the_four_steps_of_step_in_line_run_to_the_end"


@pytest.mark.parametrize(
    ("demanded", "code", "words"),
    [
        ("", 0, "1 test skipped, terraform: neither terraform nor tofu is on the PATH; install"),
        ("terraform", 1, "LOKKI_TESTS_DEMAND demands terraform: neither terraform nor tofu"),
    ],
    ids=["skipped", "demanded"],
)
def test_without_terraform(tmp_path: Path, demanded: str, code: int, words: str) -> None:
    """A skipped test is counted at the end with the remedy; a demanded one fails with it."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", TEST],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path), "LOKKI_TESTS_DEMAND": demanded},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert words in done.stdout
