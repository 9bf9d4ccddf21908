"""A provider that runs serves several commands of Terraform, in one folder at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lokki_tf.terraform_cli import find_program
from lokki_tf.testing.provider import KeptProvider, ProviderProcess, program_in
from lokki_tf.testing.state_server import StateServer
from lokki_tf.testing.terraform import Terraform

FAKE = """#!/bin/sh
echo "$@ $AWS_CA_BUNDLE $PWD" > {folder}/begun
echo $$ > {folder}/pid
echo "Provider started."
cat {folder}/printed
exec sleep 60
"""

ADDRESS = {"Network": "tcp", "String": "127.0.0.1:1"}
CONNECTION = json.dumps({"aws": {"ProtocolVersion": 5, "Pid": 1, "Addr": ADDRESS}})


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that prints what a provider prints."""
    path = tmp_path / "provider"
    path.write_text(FAKE.format(folder=tmp_path))
    (tmp_path / "printed").write_text(f"\tTF_REATTACH_PROVIDERS='{CONNECTION}'\n")
    path.chmod(0o755)
    return path


def ends(folder: Path) -> bool:
    """Whether the program in a folder ends."""
    pid = int((folder / "pid").read_text())
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_it_says_how_terraform_connects_and_ends(program: Path, tmp_path: Path) -> None:
    """It runs in the folder, without certificates for the server on this computer."""
    environment = {**os.environ, "AWS_CA_BUNDLE": "/certificates"}
    provider = ProviderProcess(program, tmp_path, environment)
    assert provider.environment == {"TF_REATTACH_PROVIDERS": CONNECTION}
    assert (tmp_path / "begun").read_text().split() == ["-debug", str(tmp_path)]
    provider.close()
    assert ends(tmp_path)


def test_it_ends_with_a_process_that_is_killed(program: Path, tmp_path: Path) -> None:
    """A session that is killed leaves no provider."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from lokki_tf.testing.provider import ProviderProcess\n"
        "one = ProviderProcess(Path(sys.argv[1]), Path(sys.argv[2]), os.environ)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, program, tmp_path], check=False)
    assert done.returncode == -9
    assert ends(tmp_path)


@pytest.mark.terraform
def test_terraform_reads_the_schema_of_the_types_that_are_named(tmp_path: Path) -> None:
    """Those of configuration and state; another command sees what was added to the files."""
    folder, state = tmp_path / "stack", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    (folder / "main.tf.json").write_text(json.dumps({"resource": {"aws_s3_bucket": {"one": {}}}}))
    (state / "terraform.tfstate").write_text('{"type": "aws_iam_role"}')
    environment = {**os.environ, "TF_DATA_DIR": str(tmp_path / "data")}

    def terraform(*command: str, **connection: str) -> Any:
        options = {"cwd": folder, "env": {**environment, **connection}, "text": True}
        program = find_program().path
        return subprocess.run([program, *command], check=True, capture_output=True, **options)

    terraform("init")
    installed = program_in(tmp_path / "data")
    assert installed is not None
    provider = ProviderProcess(installed, folder, environment, state)

    def types() -> list[set[str]]:
        written = terraform("providers", "schema", "-json", **provider.environment).stdout
        (schema,) = json.loads(written)["provider_schemas"].values()
        return [set(schema[f"{kind}_schemas"]) for kind in ("resource", "data_source")]

    try:
        assert types() == [{"aws_s3_bucket", "aws_iam_role"}] * 2
        (folder / "more.tf.json").write_text('{"data": {"aws_region": {"here": {}}}}')
        resources, data_sources = types()
    finally:
        provider.close()
    assert "aws_region" in data_sources
    assert "aws_region" not in resources


def test_a_program_that_does_not_start_leaves_it_to_terraform(tmp_path: Path) -> None:
    """Terraform then starts its own."""
    program = tmp_path / "provider"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    provider = ProviderProcess(program, tmp_path, os.environ)
    assert provider.environment == {}
    provider.close()
    assert provider.ended


def test_one_is_kept_for_the_folder_used_last(program: Path, tmp_path: Path) -> None:
    """A folder that was made again is another one; a command meanwhile starts its own."""
    kept, folder = KeptProvider(), tmp_path / "stack"
    seen = []
    for remake in (False, False, True):
        if remake:
            folder.rename(tmp_path / "earlier")
        folder.mkdir(exist_ok=True)
        with kept.attached(program, folder, os.environ) as variables:
            assert variables
            seen.append((tmp_path / "pid").read_text())
            with kept.attached(program, tmp_path, os.environ) as meanwhile:
                assert meanwhile == {}
    assert seen[0] == seen[1] != seen[2]
    kept.close()
    assert ends(tmp_path)


MODULE = {"module": {"one": {"source": "./one"}}}


@pytest.mark.parametrize(
    ("files", "whether"),
    [
        ({"main.tf.json": {"provider": {"aws": {"region": "us-east-1"}}}}, True),
        ({"main.tf.json": {"provider": {"aws": [{}]}}, "more.tf.json": {}}, True),
        ({"main.tf.json": MODULE, "one/a.tf.json": {"provider": {"aws": {}}}}, True),
        ({"main.tf.json": {"provider": {"aws": [{}, {"alias": "west"}]}}}, False),
        ({"main.tf.json": {"provider": {"aws": {"alias": "west"}}}}, False),
        (
            {
                "main.tf.json": {**MODULE, "provider": {"aws": {}}},
                "one/a.tf.json": {"provider": {"aws": {}}},
            },
            False,
        ),
        ({"main.tf.json": {}, "other.tf": 'provider "aws" {}'}, False),
        ({"main.tf.json": {}, "other.tf": 'module "one" { source = "./one" }'}, False),
        ({"main.tf.json": {}, "other.tf": 'resource "aws_sns_topic" "told" {}'}, True),
        (
            {"main.tf.json": {"module": {"one": {"source": "../one"}}}, "../one/a.tf.json": {}},
            False,
        ),
        ({"main.tf.json": MODULE, "one/other.tf": 'provider "aws" {}'}, False),
        ({"main.tf.json": {}, "one/other.tf": 'provider "aws" {}'}, True),
    ],
)
@pytest.mark.terraform
def test_only_one_configuration_can_share_it(
    files: dict[str, Any], whether: bool, tmp_path: Path
) -> None:
    """Aliases, providers of modules or in HCL, and modules elsewhere: Terraform starts its own."""
    for name, content in files.items():
        path = tmp_path / "stack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    terraform = Terraform(tmp_path / "stack", tmp_path, {}, (), KeptProvider(), StateServer())
    assert terraform._has_one_provider() is whether
