"""Completion of commands and options in the shells that this computer has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lokki_tf.__main__ import commands

ROOT = Path(__file__).parents[2]
PIPELINE = """
from lokki_tf import Pipeline, main, step

@step
def load(): ...

pipe = Pipeline("squares", steps=[load()])

if __name__ == "__main__":
    main(pipe)
"""
BASH = """
source completion
COMP_WORDS=({words})
COMP_CWORD={last}
_lokki_tf_pipeline
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a pipeline, another script, and a `python` that has lokki_tf."""
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    (tmp_path / "other.py").write_text("import lokki_tf\nopen('was-run', 'w')\n\ndef main(): ...\n")
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def completed(shell: str, folder: Path, *words: str) -> list[str]:
    """What a shell suggests for the last word."""
    script = CliRunner().invoke(commands, ["completion", shell])
    assert script.exit_code == 0
    (folder / "completion").write_text(script.stdout)
    if shell == "bash":
        quoted = " ".join(f"'{word}'" for word in words)
        code = BASH.format(words=quoted, last=len(words) - 1)
    else:
        code = f"source completion; complete -C '{' '.join(words)}'"
    done = subprocess.run(
        [shell, "-c", code],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.split("\t")[0] for line in done.stdout.splitlines() if line]


@pytest.fixture(params=["bash", "fish"])
def shell(request: pytest.FixtureRequest) -> str:
    """A shell of this computer."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


def test_pipelines_are_completed(shell: str, folder: Path) -> None:
    """A pipeline's commands, their options and the values of these are completed."""
    assert completed(shell, folder, "python", "pipeline.py", "re") == [
        "redrive",
        "replay",
        "result",
    ]
    assert completed(shell, folder, "python", "pipeline.py", "start", "--w") == ["--wait"]
    values = completed(shell, folder, "python", "pipeline.py", "run", "--executor", "")
    assert sorted(values) == ["process", "thread"]


def test_other_scripts_are_not_run(shell: str, folder: Path) -> None:
    """A script that does not call main(…) of lokki_tf is not run for completions."""
    completed(shell, folder, "python", "other.py", "s")
    assert not (folder / "was-run").exists()


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_lokki_tf_itself_is_completed(name: str) -> None:
    """The script completes lokki-tf as click's do, and python for pipelines."""
    done = CliRunner().invoke(commands, ["completion", name])
    assert f"_LOKKI_TF_COMPLETE={name}_complete" in done.stdout
    assert f"_LOKKI_TF_PIPELINE_COMPLETE={name}_complete" in done.stdout


def test_the_shell_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variable SHELL names the shell; an unknown one is an error."""
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "complete --command python" not in CliRunner().invoke(commands, ["completion"]).stderr
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    done = CliRunner().invoke(commands, ["completion"])
    assert done.exit_code == 2
    assert "name a shell: bash, zsh, fish; SHELL is 'tcsh'" in done.stderr
