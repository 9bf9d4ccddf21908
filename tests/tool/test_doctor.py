"""What `lokki-tf doctor` finds on a computer."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from lokki_tf.__main__ import commands
from lokki_tf.checks.runtimes import DEPRECATED, DEPRECATIONS
from lokki_tf.model.options import RUNTIMES
from lokki_tf.tool import doctor
from lokki_tf.tool.doctor import Check, Examined, checks

if TYPE_CHECKING:
    from lokki_tf.testing import LocalAws

EMPTY = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and an environment without AWS."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "LOKKI_", "CI")):
            monkeypatch.delenv(name)
    for name, value in EMPTY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(name: str, **options: Any) -> Check:
    """The check of a name."""
    return next(one for one in checks(Examined(**options)) if one.name == name)


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let modules seem not to be installed."""
    find = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name in modules else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_missing_region_and_credentials_are_errors() -> None:
    """Without region and credentials the exit code is 1, and the remedies name settings."""
    done = CliRunner().invoke(commands, ["doctor"])
    assert done.exit_code == 1
    assert "error    region" in done.stdout
    assert 'write region = "…" under [aws] in lokki.toml' in done.stdout
    assert "none in the environment or in AWS's configuration files" in done.stdout


def test_json_has_every_check() -> None:
    """--json prints the same checks; the worst status is that of the whole."""
    done = CliRunner().invoke(commands, ["doctor", "--json"])
    whole = json.loads(done.stdout)
    names = [one["name"] for one in whole["checks"]]
    assert names == [one.name for one in checks(Examined())]
    assert whole["status"] == "error"
    assert all("remedy" in one for one in whole["checks"] if one["status"] != "ok")


def test_nothing_is_asked_without_online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --online no connection to another address than a local socket is opened."""

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        if watching and event == "socket.connect" and not isinstance(args[1], str | bytes):
            raise AssertionError(f"connects to {args[1]}")
        if watching and event == "socket.getaddrinfo":
            raise AssertionError(f"looks up {args[0]}")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    watching = True
    sys.addaudithook(refuse)
    try:
        listed = {one.name: one for one in checks(Examined())}
    finally:
        watching = False
    assert listed["credentials"].text == "from env (not verified without --online)"
    assert listed["containers"].text == (
        "the engine at tcp://192.0.2.1:2375 (not asked without --online)"
    )


def test_a_local_aws_is_asked_with_online(
    local_aws: LocalAws, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint on this computer requires no credentials; --online asks it who calls."""
    settings = f'[aws]\nendpoint = "{local_aws.endpoint_url}"\nregion = "eu-west-1"\n'
    (bare / "lokki.toml").write_text(settings)
    assert found("region") == Check("region", "eu-west-1")
    assert found("credentials").text == f"not needed at {local_aws.endpoint_url}, a local AWS"
    monkeypatch.setattr(doctor, "_provider", lambda _: Check("AWS provider", "not asked here"))
    assert "arn:aws:" in found("credentials", online=True).text
    assert CliRunner().invoke(commands, ["doctor", "--online"]).exit_code in (0, 1)


def test_an_aws_that_does_not_answer_is_an_error(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --online an endpoint without a server is an error that names it."""
    settings = '[aws]\nendpoint = "http://127.0.0.1:9"\nregion = "eu-west-1"\n'
    (bare / "lokki.toml").write_text(settings)
    monkeypatch.setattr(doctor, "_provider", lambda _: Check("AWS provider", "not asked here"))
    one = found("credentials", online=True)
    assert one.status == "error"
    assert "127.0.0.1:9" in one.text


@pytest.mark.parametrize(
    ("runtime", "today", "status", "text"),
    [
        ("python3.13", date(2027, 1, 1), "ok", "which AWS supports until 30 June 2029"),
        ("python3.11", date(2027, 1, 2), "warning", "which AWS supports until 30 June 2027"),
        ("python3.9", date(2026, 1, 1), "warning", "which AWS deprecated on 15 December 2025"),
        ("python3.8", date(2026, 1, 1), "error", "which Lambda does not offer"),
    ],
)
def test_lambda_runtimes(bare: Path, runtime: str, today: date, status: str, text: str) -> None:
    """A runtime is a warning half a year before AWS deprecates it, and an error if unknown."""
    (bare / "lokki.toml").write_text(f'[lambda]\npython_runtime = "{runtime}"\n')
    one = found("Lambda runtime", today=today)
    assert one.status == status
    assert text in one.text


def test_every_runtime_has_a_date() -> None:
    """The dates are those of the runtimes that Lambda offers."""
    assert tuple(DEPRECATIONS) == RUNTIMES
    assert set(DEPRECATED) < set(DEPRECATIONS)


@pytest.mark.parametrize(
    ("modules", "name", "status", "remedy"),
    [
        (("boto3",), "boto3", "error", "pip install 'lokki-tf[aws]'"),
        (("moto",), "local AWS", "warning", "pip install 'lokki-tf[testing]'"),
        (("cdktf", "cdktn"), "CDK library", "error", "pip install 'lokki-tf[terraform]'"),
    ],
)
def test_missing_packages_are_named_with_their_extra(
    monkeypatch: pytest.MonkeyPatch, modules: tuple[str, ...], name: str, status: str, remedy: str
) -> None:
    """A package that is not installed is reported with the pip command that installs it."""
    without(monkeypatch, *modules)
    one = found(name)
    assert one.status == status
    assert remedy in str(one.remedy)


def test_a_state_in_a_file_is_an_error_on_ci(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service of continuous integration would lose a state in a file."""
    assert found("Terraform state").status == "ok"
    monkeypatch.setenv("CI", "true")
    assert found("Terraform state").status == "error"
    (bare / "lokki.toml").write_text('[terraform]\nbackend = "s3"\nbucket = "states"\n')
    assert found("Terraform state") == Check("Terraform state", "in the bucket states")


def test_invalid_settings_are_an_error_with_their_line(bare: Path) -> None:
    """Settings that cannot be used are reported; the other checks use defaults."""
    (bare / "lokki.toml").write_text("[lambda]\nmemory = 3\n")
    one = found("settings")
    assert one.status == "error"
    assert "lokki.toml:2" in one.text
    assert found("Lambda runtime").status == "ok"


def test_missing_terraform_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Terraform and OpenTofu the remedy names where to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("Terraform", "AWS provider"):
        one = found(name)
        assert one.status == "error"
        assert "neither terraform nor tofu" in one.text


def test_a_node_that_does_not_run_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path in JSII_NODE without a Node is reported with the variable."""
    monkeypatch.setenv("JSII_NODE", "/nowhere/node")
    remedy = "set JSII_NODE to the path of a Node, or unset it"
    assert found("Node") == Check("Node", "/nowhere/node does not run", "error", remedy)


def test_the_module_is_a_command(tmp_path: Path) -> None:
    """`python -m lokki_tf version` and the script print the version."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "lokki_tf", "version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    version = CliRunner().invoke(commands, ["version"]).stdout
    assert done.stdout == version
    assert version.startswith("lokki_tf 0")
