"""Layers of declared packages in Terraform: one a set, the same each time, or nothing at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fake_uv import FakeUv

from lokki_tf import Pipeline, step
from lokki_tf.errors import LimitError, OptionError
from lokki_tf.packaging import LayerBuilder
from lokki_tf.terraform import cdk
from lokki_tf.terraform.synth import Synthesized

ARN = "arn:aws:lambda:us-east-1:123456789012:layer:mine:1"


@step(requirements=["six", "markupsafe==3.0.2"])
def load(day: str) -> list[int]:
    import six

    return [len(six.ensure_str(day))]


@step(requirements=["markupsafe==3.0.2", "six"], layers=[ARN])
def clean(rows: list[int]) -> list[int]:
    return rows


@step(requirements=["markupsafe==3.0.2", "six"], architecture="arm64")
def count(rows: list[int]) -> int:
    return len(rows)


@step
def plain(number: int) -> int:
    return number


def pipeline() -> Pipeline:
    return Pipeline("daily", steps=[plain(count(clean(load("2024-01-01"))))])


def resources(made: Synthesized, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((made.folder / "cdk.tf.json").read_text())["resource"]
    return found.get(kind, {})


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def locks(folder: Path) -> dict[str, str]:
    return {lock.parent.name: lock.read_text() for lock in folder.rglob("requirements.lock")}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From here on no registry, and a cache of uv's that is empty."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "no-uv-cache"))


def test_steps_of_a_set_share_a_layer(layer_cache: Path, tmp_path: Path) -> None:
    """Two sets make two layers, whose zips Terraform uploads and functions refer to."""
    made = pipeline().synth(tmp_path)
    assert made.layers == 2
    layers = resources(made, "aws_lambda_layer_version")
    objects = resources(made, "aws_s3_object")
    for name, layer in layers.items():
        key = name.removeprefix("layer_")
        code = objects[f"layer_{key}_code"]
        assert layer["layer_name"] == f"daily-{key[:8]}"
        assert layer["compatible_runtimes"] == ["python3.13"]
        assert layer["s3_key"] == f"${{aws_s3_object.layer_{key}_code.key}}"
        assert layer["skip_destroy"] is False
        assert code["source"] == f"${{path.module}}/layers/{key}/layer.zip"
        assert code["key"] == f"layers/{key}-{code['source_hash'][:32]}.zip"
        [architecture] = layer["compatible_architectures"]
        machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
        with zipfile.ZipFile(made.folder / "layers" / key / "layer.zip") as archive:
            assert f"python/markupsafe/_speedups.cpython-313-{machine}-linux-gnu.so" in (
                archive.namelist()
            )
    arns = {
        layer["compatible_architectures"][0]: f"${{aws_lambda_layer_version.{name}.arn}}"
        for name, layer in layers.items()
    }
    functions = resources(made, "aws_lambda_function")
    assert {name: one.get("layers") for name, one in functions.items()} == {
        "load": [arns["x86_64"]],
        "clean": [arns["x86_64"], ARN],
        "count": [arns["arm64"]],
        "plain": None,
    }


def test_a_second_synth_gives_the_same_bytes_without_a_registry(
    layer_cache: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In another folder, by another process, offline: cache and locks are enough."""
    first = tree(pipeline().synth(tmp_path / "first").folder)
    request.getfixturevalue("offline")
    assert tree(pipeline().synth(tmp_path / "second").folder) == first
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_the_lock_in_the_folder_decides(
    layer_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the cache, for example on another computer, versions are those of the lock."""
    folder = pipeline().synth(tmp_path / "out").folder
    for name in locks(folder):
        (folder / "layers" / name / "requirements.lock").write_text(
            "six==1.16.0\nmarkupsafe==3.0.2\n"
        )
    monkeypatch.setenv("LOKKI_CACHE_DIR", str(tmp_path / "other"))
    pipeline().synth(tmp_path / "out")
    for name, lock in locks(folder).items():
        assert lock == "six==1.16.0\nmarkupsafe==3.0.2\n"
        with zipfile.ZipFile(folder / "layers" / name / "layer.zip") as archive:
            assert "python/six-1.16.0.dist-info/METADATA" in archive.namelist()
    pipeline().synth(tmp_path / "out", upgrade=True)
    assert all("six==1.17" in lock for lock in locks(folder).values())


def test_the_lock_serves_as_requirements(layer_cache: Path, tmp_path: Path) -> None:
    """Given back as the step's file, it leaves nothing open and makes the same layer."""

    @step(requirements=["attrs>=22", "six"])
    def first() -> None: ...

    [before] = Path(Pipeline("p", steps=[first()]).synth(tmp_path).folder, "layers").iterdir()
    (tmp_path / "requirements.lock").write_bytes((before / "requirements.lock").read_bytes())
    zipped = (before / "layer.zip").read_bytes()

    @step(requirements=tmp_path / "requirements.lock")
    def second() -> None: ...

    pinned = Pipeline("p", steps=[second()])
    assert pinned.early_findings() == []
    [after] = Path(pinned.synth(tmp_path).folder, "layers").iterdir()
    assert after.name != before.name
    assert (after / "layer.zip").read_bytes() == zipped


def test_a_layer_that_is_gone_is_taken_away(layer_cache: Path, tmp_path: Path) -> None:
    """Files of a set that no step declares any more do not stay."""
    folder = pipeline().synth(tmp_path).folder
    assert len(locks(folder)) == 2
    made = Pipeline("daily", steps=[clean(load("d"))]).synth(tmp_path)
    assert len(locks(folder)) == made.layers == 1
    made = Pipeline("daily", steps=[plain(1)]).synth(tmp_path)
    assert not (folder / "layers").exists() or not tree(folder / "layers")
    assert resources(made, "aws_lambda_layer_version") == {}


def test_what_cannot_be_resolved_leaves_everything_as_it_was(
    layer_cache: Path, tmp_path: Path
) -> None:
    """An error, and neither a new folder nor a change in an old one."""

    @step(requirements=["six==99"])
    def load(day: str) -> None: ...

    with pytest.raises(OptionError, match="no version of six==99") as info:
        Pipeline("daily", steps=[load("d")]).synth(tmp_path / "new")
    assert info.value.place == load.step.place
    assert not (tmp_path / "new").exists()
    folder = pipeline().synth(tmp_path / "old").folder
    before = tree(folder)
    with pytest.raises(OptionError):
        Pipeline("daily", steps=[load("d")]).synth(tmp_path / "old")
    assert tree(folder) == before


def test_a_function_that_is_too_large_with_its_layer_is_refused(tmp_path: Path) -> None:
    """The layer fits and the function fits, and both together do not."""
    from lokki_tf import PipelineStack

    code = len(
        b"".join(tree(Pipeline("p", steps=[plain(1)]).synth(tmp_path / "p").folder).values())
    )
    fake = FakeUv(tmp_path, size=250 * 1_048_576 - 1_000)
    assert code > 1_000

    @step(requirements=["fake==1.0"])
    def large(number: int) -> int:
        return number

    builder = LayerBuilder(uv=fake.path, cache=tmp_path / "cache")
    app = cdk.new_app(tmp_path / "out")
    with pytest.raises(LimitError, match=r"'large' has 250 MB .* largest are fake 1.0 250 MB"):
        PipelineStack(app, "p", Pipeline("p", steps=[large(1)]), layer_builder=builder)
    assert not tree(tmp_path / "out")


def test_only_synth_resolves(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defining, checking, drawing and running here need neither uv nor a registry."""
    monkeypatch.setenv("LOKKI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "uv", None)
    one = pipeline()
    rules = [finding.rule for finding in one.check()]
    # What is installed here need not be what is required.
    assert [rule for rule in rules if rule != "version-differs"] == ["requirements-open"] * 2
    assert one.local_run().result == 1
    assert one.to_mermaid()
    assert one.generate_step_functions()
    assert not (tmp_path / "cache").exists()


def test_the_command_says_what_it_waits_for(layer_cache: Path, tmp_path: Path) -> None:
    """One line a set that has to be fetched, a warning for open versions, and --upgrade."""
    (tmp_path / "requirements.txt").write_text("six>=1.16\n")
    (tmp_path / "pipeline.py").write_text(
        textwrap.dedent(
            """\
            from lokki_tf import Pipeline, main, step

            @step(requirements="requirements.txt")
            def load():
                import six
                return six.__version__

            main(Pipeline("command", steps=[load()]))
            """
        )
    )

    def run(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "pipeline.py"), *args],
            cwd="/",
            env={**os.environ, "LOKKI_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stderr

    out = ("--output", str(tmp_path / "out"))
    first = run("synth", *out)
    assert "resolving 1 requirement for python3.13 x86_64 …" in first
    assert "warning [requirements-open] step 'load' does not pin the version of six" in first
    assert "command: 1 function, 1 layer, one state machine" in first
    assert "resolving" not in run("synth", *out)
    assert "resolving" in run("synth", *out, "--upgrade")


def test_inside_another_stack_each_pipeline_keeps_its_locks(
    layer_cache: Path, tmp_path: Path
) -> None:
    """Files and locks of a construct are written to its own folder and read from there."""
    from lokki_tf import PipelineConstruct

    for _ in range(2):
        app = cdk.new_app(tmp_path)
        stack = cdk.core.TerraformStack(app, "mine")
        cdk.aws.provider.AwsProvider(stack, "aws", region="eu-west-1")
        PipelineConstruct(stack, "first", pipeline())
        app.synth()
        first = tmp_path / "stacks" / "mine" / "first"
        assert len(locks(first)) == 2
        for name in locks(first):
            (first / "layers" / name / "requirements.lock").write_text("six==1.16.0\n")
    written = json.loads((tmp_path / "stacks" / "mine" / "cdk.tf.json").read_text())
    sources = [one["source"] for one in written["resource"]["aws_s3_object"].values()]
    layers = [source for source in sources if "/layers/" in source]
    assert len(layers) == 2
    assert all(source.startswith("${path.module}/first/layers/") for source in layers)
    for name in locks(first):
        with zipfile.ZipFile(first / "layers" / name / "layer.zip") as archive:
            assert all("six" in entry for entry in archive.namelist())
