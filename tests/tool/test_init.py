"""Projects that `lokki-tf init` writes."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from lokki_tf.__main__ import commands
from lokki_tf.config import load_config
from lokki_tf.errors import NamingError, OutputError
from lokki_tf.tool.init import STYLES, write_project

if TYPE_CHECKING:
    from lokki_tf.testing import LocalAws


@pytest.fixture(scope="module", params=list(STYLES))
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of each style."""
    return write_project(f"my-{request.param}", request.param, tmp_path_factory.mktemp("projects"))


@pytest.fixture
def modules(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ModuleType]]:
    """The pipeline's module and that of its tests, as pytest imports them in the project."""
    names = ["pipeline", "test_pipeline"]
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)
    for name in names:
        sys.modules.pop(name, None)
    yield [importlib.import_module(name) for name in names]
    for name in names:
        sys.modules.pop(name, None)


def test_the_pipeline_is_checked_without_findings(modules: list[ModuleType], project: Path) -> None:
    """The pipeline has the project's name, and neither errors nor warnings."""
    assert modules[0].pipe.name == project.name
    assert modules[0].pipe.check() == []


def test_its_tests_pass(modules: list[ModuleType], local_aws: LocalAws) -> None:
    """The local run and the state machine return the result that the tests name."""
    modules[1].test_local_run()
    modules[1].test_state_machine(local_aws)


def test_code_is_formatted(project: Path) -> None:
    """ruff finds nothing to change in the code."""
    for command in (
        ["check", "--select=E,F,W,I,UP,B,C4,SIM,RUF,RET,ANN"],
        ["format", "--check"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--line-length=100", "--isolated", "."],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_settings_are_valid_with_and_without_their_comments(project: Path, tmp_path: Path) -> None:
    """The settings load, and so do those that are written as comments."""
    config = load_config(project, {})
    assert config.aws.tags == {"project": project.name}
    text = (project / "lokki.toml").read_text()
    lines = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    assert tomllib.loads(lines)["terraform"]["backend"] == "s3"
    (tmp_path / "lokki.toml").write_text(lines)
    assert load_config(tmp_path, {}).terraform.use_lockfile


def test_github_deploys_with_a_token_after_the_tests(project: Path) -> None:
    """The workflow deploys main after the tests, with GitHub's token instead of keys."""
    text = (project / ".github" / "workflows" / "pipeline.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["deploy"]["needs"] == "test"
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert "id-token" not in jobs["test"].get("permissions", {})
    assert "refs/heads/main" in jobs["deploy"]["if"]
    runs = [one["run"] for name in jobs for one in jobs[name]["steps"] if "run" in one]
    assert "python -m pytest" in runs
    assert runs[-1] == "python pipeline.py deploy --auto-approve"
    assert "secrets." not in text


def test_only_locks_of_the_terraform_folder_are_kept(project: Path) -> None:
    """Git ignores what synth writes, except the lock of the provider's version."""
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    stack = "terraform-out/stacks/my-calls"
    ignored = [
        f"{stack}/cdk.tf.json",
        f"{stack}/lambdas/load/code.zip",
        f"{stack}/terraform.tfstate",
    ]
    kept = [f"{stack}/.terraform.lock.hcl", "pipeline.py", ".github/workflows/pipeline.yml"]
    done = subprocess.run(
        ["git", "check-ignore", *ignored, *kept],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ignored


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    """A folder that is not empty, or a file, is refused; an empty folder is used."""
    (tmp_path / "empty").mkdir()
    assert (write_project("empty", "calls", tmp_path) / "pipeline.py").is_file()
    (tmp_path / "empty" / "pipeline.py").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("empty", "file"):
        with pytest.raises(OutputError, match=f"{name} exists, and nothing was written"):
            write_project(name, "flow", tmp_path)
    assert (tmp_path / "empty" / "pipeline.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", "", "ä", "x" * 81, "a.b"])
def test_bad_names_are_refused(name: str, tmp_path: Path) -> None:
    """A name that AWS refuses is an error before anything is written."""
    with pytest.raises(NamingError, match="pipeline"):
        write_project(name, "calls", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints the files and the next commands; wrong use has exit code 2."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(commands, ["init", "--style", "flow", "daily"])
    assert done.exit_code == 0
    assert done.stdout.startswith("daily: pipeline.py, test_pipeline.py, lokki.toml")
    assert "cd daily\n" in done.stderr
    assert "@flow" in (tmp_path / "daily" / "pipeline.py").read_text()
    refused = CliRunner().invoke(commands, ["init", "da/ily"])
    assert refused.exit_code == 2
    assert "Invalid value for NAME: pipeline name 'da/ily'" in refused.stderr
    assert CliRunner().invoke(commands, ["init", "--style", "x", "y"]).exit_code == 2
