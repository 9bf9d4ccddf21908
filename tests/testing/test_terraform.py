"""Real Terraform with the real provider deploys to the local AWS."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import terraform_cli
from lokki_tf.errors import MissingToolError
from lokki_tf.testing import LocalAws, TerraformFailed

pytestmark = pytest.mark.terraform
CONFIGURATION = Path(__file__).parent / "terraform" / "pipeline" / "main.tf.json"
SECOND = {
    "value": "second",
    "size": 2048,
    "tracing": "PassThrough",
    "level": "ALL",
    "format": "JSON",
}


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """A local AWS for these tests alone: destroy must leave nothing in it."""
    with LocalAws(enforce_iam=False) as aws:  # its roles have hardly any policies
        yield aws


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with all kinds of resources that a pipeline has."""
    import zipfile

    path = tmp_path_factory.mktemp("pipeline")
    shutil.copy(CONFIGURATION, path)
    code = "import os, extra\ndef handler(e, c): return [e, os.environ['VALUE'], extra.X]"
    for name, entry, text in (
        ("step.zip", "handler.py", code),
        ("layer.zip", "python/extra.py", "X = 'layer'"),
    ):
        with zipfile.ZipFile(path / name, "w") as archive:
            archive.writestr(entry, text)
    return path


@pytest.fixture(scope="module")
def deployed(account: LocalAws, folder: Path) -> dict[str, Any]:
    """The outputs of its deployment."""
    return account.deploy(folder)


def test_outputs(deployed: dict[str, Any]) -> None:
    """deploy() returns the outputs as plain values."""
    assert deployed["place"] == ["aws", "us-east-1", "123456789012"]
    assert deployed["machine"] == "arn:aws:states:us-east-1:123456789012:stateMachine:tf"


def test_functions_are_created_in_parallel(deployed: dict[str, Any], account: LocalAws) -> None:
    """21 functions by S3 key do not wait for each other: after each the provider waits 5 s."""
    functions = account.client("lambda").list_functions()["Functions"]
    created = sorted(datetime.fromisoformat(one["LastModified"]) for one in functions)
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(created)]
    assert len(gaps) >= 20
    assert statistics.median(gaps) < 5


def test_nothing_left_in_the_folder(deployed: dict[str, Any], folder: Path) -> None:
    """State, plugins, lock file and override stay out of the folder, for a later real apply."""
    assert sorted(os.listdir(folder)) == ["layer.zip", "main.tf.json", "step.zip"]


def test_deployed_machine_runs(deployed: dict[str, Any], account: LocalAws) -> None:
    """What was deployed runs: zip by S3 key, layer, environment, its own log group."""
    assert account.execute(deployed["machine"], {"a": 1}).output == [{"a": 1}, "first", "layer"]
    assert account.logs("tf-step")[0].startswith("START")


def test_plan_is_empty_after_apply(
    deployed: dict[str, Any], account: LocalAws, folder: Path
) -> None:
    """A plan after apply changes nothing, and one with other variables something."""
    assert account.plan_is_empty(folder)
    assert not account.plan_is_empty(folder, SECOND)


def test_update_and_destroy(deployed: dict[str, Any], account: LocalAws, folder: Path) -> None:
    """Updates take effect with an empty plan after them; destroy leaves nothing."""
    account.deploy(folder, SECOND)
    assert account.execute("tf").output == [{}, "second", "layer"]
    assert account.plan_is_empty(folder, SECOND)
    account.destroy(folder, SECOND)
    left = {
        "functions": account.client("lambda").list_functions()["Functions"],
        "layers": account.client("lambda").list_layers()["Layers"],
        "machines": account.client("stepfunctions").list_state_machines()["stateMachines"],
        "roles": account.client("iam").list_roles()["Roles"],
        "policies": account.client("iam").list_policies(Scope="Local")["Policies"],
        "buckets": account.client("s3").list_buckets()["Buckets"],
        "logs": account.client("logs").describe_log_groups()["logGroups"],
        "schedules": account.client("scheduler").list_schedules()["Schedules"],
        "rules": account.client("events").list_rules()["Rules"],
    }
    assert {kind: found for kind, found in left.items() if found} == {}


def test_failure_has_terraforms_words(account: LocalAws, tmp_path: Path) -> None:
    """An invalid definition fails in the plan, and the error has Terraform's own text."""
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}
    machine = {
        "name": "bad",
        "role_arn": account.admin_role,
        "definition": json.dumps(definition),
    }
    configuration = {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}},
        "resource": {"aws_sfn_state_machine": {"bad": machine}},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(configuration))
    with pytest.raises(TerraformFailed, match="Missing 'Next' target: B"):
        account.deploy(tmp_path)


def test_a_mirror_without_the_needed_version(
    account: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error has Terraform's words, and names the mirror and the versions that it has."""
    name = f"registry.terraform.io/hashicorp/aws/4.1.0/{terraform_cli._platform()}"
    (tmp_path / "mirror" / name).mkdir(parents=True)
    (tmp_path / "stack").mkdir()
    required = {"aws": {"source": "hashicorp/aws", "version": ">= 5.0"}}
    configuration = {"terraform": {"required_providers": required}}
    (tmp_path / "stack" / "main.tf.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "none.tfrc"))
    monkeypatch.setenv("LOKKI_PROVIDER_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(TerraformFailed, match="no available releases match") as caught:
        account.deploy(tmp_path / "stack")
    assert f"{tmp_path / 'mirror'} has hashicorp/aws 4.1.0" in str(caught.value.remedy)


def test_missing_terraform(
    account: LocalAws, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Terraform the error says where to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="install it from"):
        account.deploy(folder)


FILLING = """#!/bin/sh
[ "$1" = output ] && echo "{}"
[ "$1" = version ] && echo '{"terraform_version": "1.11.4"}'
[ "$1" = init ] || exit 0
mkdir "$TF_PLUGIN_CACHE_DIR/filling" || exit 1
sleep 0.2
rmdir "$TF_PLUGIN_CACHE_DIR/filling"
"""


def test_sessions_fill_the_cache_of_providers_one_by_one(
    account: LocalAws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two terraform init at once would break the cache that they share, so the second waits."""
    program = tmp_path / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(FILLING)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Terraform finds the provider here by itself, so no mirror takes the place of the cache.
    name = f"registry.terraform.io/hashicorp/aws/6.0.0/{terraform_cli._platform()}"
    (tmp_path / ".terraform.d" / "plugins" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LOKKI_PROVIDER_MIRROR", raising=False)
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.delenv("TF_PLUGIN_CACHE_DIR", raising=False)
    folders = [tmp_path / name for name in "ab"]
    for one in folders:
        one.mkdir()
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(account.deploy, folders)) == [{}, {}]
