"""The repository of a pipeline's images, and which context synth would write."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from applied import Applied, stack

from lokki_tf import Pipeline, step
from lokki_tf.config import (
    AwsConfig,
    Config,
    ImageConfig,
    LambdaConfig,
    TerraformConfig,
    load_config,
)
from lokki_tf.errors import ConfigError, DefinitionError
from lokki_tf.terraform.names import function_name, functions_named
from lokki_tf.terraform.repository import synth_repository
from lokki_tf.testing import LocalAws

IMAGE = Config(lambda_=LambdaConfig(package="image"))


@step
def load() -> list[int]:
    return [1]


@step(architecture="arm64")
def count(rows: list[int]) -> int:
    return len(rows)


def written(tmp_path: Path, config: Config, name: str = "sales", **more: Any) -> dict[str, Any]:
    folder = synth_repository(name, tmp_path, config=config, **more)
    assert folder == tmp_path / "stacks" / f"{name}-images"
    made: dict[str, Any] = json.loads((folder / "cdk.tf.json").read_text())
    return made


def resource(made: dict[str, Any], kind: str) -> Any:
    return next(iter(made["resource"][kind].values()))


@stack
def repository(aws: LocalAws, folder: Path) -> Path:
    """A stack of images alone."""
    made = synth_repository("applied", folder, config=Config(), tags={"team": "data"})
    assert made is not None
    return made


def test_a_repository_is_applied(applied: Applied) -> None:
    """Tags that do not move, scans, and a policy for Lambda alone."""
    url = applied.outputs["repository"]["repository_url"]
    assert url.endswith(".amazonaws.com/applied")
    ecr = applied.aws.client("ecr")
    (made,) = ecr.describe_repositories(repositoryNames=["applied"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = json.loads(ecr.get_repository_policy(repositoryName="applied")["policyText"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    source = statement["Condition"]["StringLike"]["aws:SourceArn"]
    assert source == f"arn:aws:lambda:{applied.aws.region}:123456789012:function:applied-*"
    rules = ecr.get_lifecycle_policy(repositoryName="applied")["lifecyclePolicyText"]
    assert json.loads(rules)["rules"][0]["selection"]["countNumber"] == 50
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert {"Key": "team", "Value": "data"} in tags


def test_keys_and_numbers_are_the_settings(tmp_path: Path) -> None:
    """A key of the user's encrypts, and as many images are kept as the settings say."""
    arn = "arn:aws:kms:eu-west-1:123456789012:key/k"
    config = Config(aws=AwsConfig(kms_key=arn, region="eu-west-1"), image=ImageConfig(keep=7))
    made = written(tmp_path, config)
    assert resource(made, "aws_ecr_repository")["encryption_configuration"] == [
        {"encryption_type": "KMS", "kms_key": arn}
    ]
    rules = json.loads(resource(made, "aws_ecr_lifecycle_policy")["policy"])["rules"]
    assert rules[0]["selection"]["countNumber"] == 7
    (tmp_path / "lokki.toml").write_text("[image]\nkeep = 0\n")
    with pytest.raises(ConfigError, match=r"image\.keep is 0: expected a whole number from 1"):
        load_config(tmp_path)


@pytest.mark.parametrize("key", [None, "daily.tfstate"])
def test_its_state_is_not_the_pipelines(tmp_path: Path, key: str | None) -> None:
    """In a shared bucket the two stacks have separate keys, with any settings."""
    terraform = TerraformConfig(backend="s3", bucket="states", key=key)
    made = written(tmp_path, Config(terraform=terraform))
    expected = f"{key}-images" if key else "sales-images/terraform.tfstate"
    assert made["terraform"]["backend"]["s3"]["key"] == expected


@pytest.mark.parametrize("repository", ["local", "localhost:5000/x"])
def test_no_repository_is_made_where_images_go_elsewhere(tmp_path: Path, repository: str) -> None:
    """With a registry of the user's there is nothing to apply first."""
    config = Config(aws=AwsConfig(image_repository=repository))
    assert synth_repository("sales", tmp_path, config=config) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pipeline", ["p", "daily", "d" * 54, "d" * 55, "d" * 60, "d" * 80])
def test_a_policy_fits_all_functions_of_a_pipeline(pipeline: str) -> None:
    """However long its name and a step's are, each function's name begins as the policy says."""
    named = functions_named(pipeline)
    for name in ("s", "score", "s" * 64):
        assert function_name(pipeline, name).startswith(named.removesuffix("*"))
    assert named.endswith("*")


def test_a_pipelines_image_has_its_steps_and_settings(tmp_path: Path) -> None:
    """Settings give Python, base image and tag; the steps' own code is inside."""
    config = replace(
        IMAGE,
        lambda_=LambdaConfig(package="image", python_runtime="python3.12", image_tag="v1"),
        image=ImageConfig(base="python:3.12"),
    )
    made = Pipeline("daily", steps=[load()]).image(tmp_path, config=config)
    assert (made.tag, made.base_image, made.platform) == ("v1", "python:3.12", "linux/amd64")
    assert b"def load" in made.files["app/load/lambda_function.py"]
    plain = Pipeline("daily", steps=[load()]).image(tmp_path, config=IMAGE)
    assert plain.base_image == "public.ecr.aws/lambda/python:3.13"
    assert Pipeline("daily", steps=[load()]).image(tmp_path, config=config, tag="v2").tag == "v2"


def test_a_pipeline_without_images_or_with_errors_has_none(tmp_path: Path) -> None:
    """Where no step runs in an image, or steps cannot share one, there is an error to read."""
    pipe = Pipeline("daily", steps=[count(load())])
    with pytest.raises(ConfigError, match="no step of 'daily' runs in a container image"):
        pipe.image(tmp_path, config=Config())
    with pytest.raises(DefinitionError, match="share one image"):
        pipe.image(tmp_path, config=IMAGE)
    handle = open(__file__)  # noqa: SIM115  # what cannot travel is the point
    with handle:

        @step
        def reads() -> str:
            return handle.read()

        with pytest.raises(DefinitionError, match="handle"):
            Pipeline("daily", steps=[reads()]).image(tmp_path, config=IMAGE)
