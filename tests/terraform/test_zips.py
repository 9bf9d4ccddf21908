"""Zips in Terraform: changes are detected by contents, whatever zlib made of them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.config import AwsConfig, Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from lokki_tf.testing import LocalAws

UNZIPPED = ("cdk.tf.json", "statemachine.json")


def greet() -> str:
    return "hello"


def greet_again() -> str:
    return "hello again"


@step(requirements=["six==1.17.0"])
def measure(text: str) -> int:
    import six

    return len(six.ensure_str(text))


def synth(folder: Path, function: Callable[[], str] = greet) -> Path:
    first: Any = step(function, name="greet")
    config = Config(aws=AwsConfig(endpoint="http://127.0.0.1:1", region="us-east-1"))
    return Pipeline("zips", steps=[measure(first())]).synth(folder, config=config).folder


def with_another_zlib(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Compress at level 1 from here on, with an empty cache of layers."""
    compressobj = zlib.compressobj
    monkeypatch.setattr(zlib, "compressobj", lambda _, *rest: compressobj(1, *rest))
    monkeypatch.setenv("LOKKI_CACHE_DIR", str(cache))


def zips(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.zip")}


def contents(zip_file: Path) -> list[tuple[Any, ...]]:
    with zipfile.ZipFile(zip_file) as archive:
        return [
            (one.filename, one.date_time, one.external_attr, one.create_system, archive.read(one))
            for one in archive.infolist()
        ]


def test_another_zlib_changes_nothing_but_compressed_bytes(
    layer_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where zlib compresses differently, the Terraform and the zips' contents are the same."""
    first = synth(tmp_path / "first")
    with_another_zlib(monkeypatch, tmp_path / "cache")
    second = synth(tmp_path / "second")
    one, two = zips(first), zips(second)
    assert one.keys() == two.keys()
    assert len(one) == 3
    for name in one:
        assert one[name] != two[name]
        assert contents(first / name) == contents(second / name)
    for name in UNZIPPED:
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.terraform
def test_terraform_updates_what_changed_and_nothing_else(
    layer_cache: Path, local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After apply the plan is empty, also with zips of another zlib; new code is one update.

    deploy() goes to its own account, not to the endpoint of the settings.
    """
    lambdas = local_aws.client("lambda")

    def states() -> dict[str, tuple[str, str]]:
        found = (lambdas.get_function_configuration(FunctionName=name) for name in names)
        return {one["FunctionName"]: (one["CodeSha256"], one["LastModified"]) for one in found}

    def versions() -> list[str]:
        found = lambdas.list_layers()["Layers"]
        return [one["LatestMatchingVersion"]["LayerVersionArn"] for one in found]

    names = ["zips-greet", "zips-measure"]
    folder = synth(tmp_path)
    local_aws.deploy(folder)
    before, layers = states(), versions()
    assert local_aws.plan_is_empty(folder)

    with monkeypatch.context() as patch:
        compressed = zips(folder)
        with_another_zlib(patch, tmp_path / "cache")
        synth(tmp_path)
        assert all(compressed[name] != data for name, data in zips(folder).items())
    assert local_aws.plan_is_empty(folder)

    synth(tmp_path, greet_again)
    local_aws.deploy(folder)
    after = states()
    assert after["zips-greet"][0] != before["zips-greet"][0]
    assert after["zips-measure"] == before["zips-measure"]
    assert versions() == layers
