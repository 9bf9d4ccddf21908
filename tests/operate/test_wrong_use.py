"""What can be wrong before anything is done: one message with a remedy, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from operate_folder import ROOT, SQUARES, Folder

NOWHERE = "http://127.0.0.1:1"
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
REGION = {"AWS_REGION": "eu-west-1"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A pipeline that was never deployed, on a machine without AWS."""
    return Folder(tmp_path, SQUARES, "")


def program(folder: Folder, text: str) -> str:
    """A program that prints a text."""
    path = folder.path / "terraform"
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return str(path)


def refused(done: subprocess.CompletedProcess[str], code: int, message: str, remedy: str) -> None:
    """Holds what a command says against what it should."""
    assert message in done.stderr
    assert remedy in done.stderr
    assert done.stderr.count("error") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.returncode == code


def test_no_terraform(folder: Folder) -> None:
    """Neither Terraform nor OpenTofu on the PATH."""
    done = folder.run("deploy", "--auto-approve", env={**KEYS, **REGION, "PATH": "/nowhere"})
    refused(done, 2, "neither terraform nor tofu is on the PATH", "LOKKI_TERRAFORM")
    named = folder.run("plan", env={**KEYS, **REGION, "LOKKI_TERRAFORM": "no-such-program"})
    refused(named, 2, "LOKKI_TERRAFORM is 'no-such-program'", "unset it")


def test_terraform_too_old(folder: Folder) -> None:
    """A Terraform that is older than what the generated configuration needs."""
    old = program(folder, '{"terraform_version": "1.4.7"}')
    done = folder.run("plan", env={**KEYS, **REGION, "LOKKI_TERRAFORM": old})
    refused(done, 2, "is version 1.4.7, and 1.5 or later is needed", "install it from")
    assert not (folder.path / "terraform-out").exists()


def test_nobody_to_ask(folder: Folder) -> None:
    """deploy and destroy without a terminal and without --auto-approve."""
    for command in ("deploy", "destroy"):
        done = folder.run(command)
        refused(done, 2, "there is no terminal", f"{command} --auto-approve")
    assert not (folder.path / "terraform-out").exists()


@pytest.mark.parametrize("command", ["deploy --auto-approve", "plan", "show", "logs", "start"])
def test_no_credentials(folder: Folder, command: str) -> None:
    """No credentials anywhere: told before anything is written."""
    new = program(folder, '{"terraform_version": "1.11.4"}')
    done = folder.run(*command.split(), env={**REGION, "LOKKI_TERRAFORM": new})
    refused(done, 2, "there are no AWS credentials", "aws configure")
    assert not (folder.path / "terraform-out").exists()


def test_no_such_profile(folder: Folder) -> None:
    """A profile that the AWS configuration has not."""
    done = folder.run("show", env={**REGION, "AWS_PROFILE": "nobody"})
    refused(done, 2, "nobody", "AWS_PROFILE")


def test_no_region(folder: Folder) -> None:
    """Nothing says in which region."""
    done = folder.run("show", env=KEYS)
    refused(done, 2, "no AWS region is set", "AWS_REGION")


@pytest.mark.parametrize(
    "command", ["deploy --auto-approve", "show", "result", "destroy --confirm"]
)
def test_nobody_answers(folder: Folder, command: str) -> None:
    """An endpoint at which nothing listens."""
    (folder.path / "lokki.toml").write_text(f'[aws]\nendpoint = "{NOWHERE}"\nregion = "eu-west-1"')
    new = program(folder, '{"terraform_version": "1.11.4"}')
    done = folder.run(*command.split(), env={"LOKKI_TERRAFORM": new})
    refused(done, 1, f"AWS cannot be reached at {NOWHERE}", "endpoint")
    assert not (folder.path / "terraform-out").exists()


def test_not_synthesized(folder: Folder) -> None:
    """Terraform's own commands want a folder to run in."""
    done = folder.run("terraform", "--", "state", "list")
    refused(done, 2, "there is no Terraform of squares", "pipeline.py synth")


def test_a_stack_name_that_aws_refuses(folder: Folder) -> None:
    """--stack-name is held to the rules of names."""
    done = folder.run("plan", "--stack-name", "a b", env={**KEYS, **REGION})
    refused(done, 1, "pipeline name 'a b' has characters that AWS refuses", "use letters")


def test_tail_has_no_end(folder: Folder) -> None:
    """Options that contradict each other are refused before any request to AWS."""
    done = folder.run("logs", "--tail", "--end", "2024-01-01")
    assert done.returncode == 2
    assert "--follow has no end" in done.stderr


def test_without_boto3_the_extra_is_named(folder: Folder) -> None:
    """What needs boto3 names the extra that brings it."""
    (folder.path / "botocore.py").write_text("raise ImportError('No module named botocore')")
    done = subprocess.run(  # a forked process has imported it
        folder.command("show"),
        env=folder.environment({**KEYS, **REGION}),
        capture_output=True,
        text=True,
        check=False,
    )
    refused(done, 2, "'boto3', which is not installed", "pip install 'lokki-tf[aws]'")


def test_commands_load_what_they_need() -> None:
    """The command line loads no botocore before a command calls AWS."""
    code = "import sys, lokki_tf.cli; print('botocore' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
