"""A pipeline of zips, images and jobs: built, pushed, pulled, deployed by Terraform, and run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.config import AwsConfig, Config, ImageConfig
from lokki_tf.images import find_repository, publish
from lokki_tf.testing import LocalAws

from .conftest import pull

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("leaves_nothing")
PYTHON = "python3.11"
"""The base image, used instead of Lambda's own."""


@step
def load(count: int) -> list[int]:
    return list(range(count))


@step(package="image", python_runtime=PYTHON)
def scale(row: int) -> float:
    return row * 0.5


@step(job_type="batch", python_runtime=PYTHON, vcpu=1, memory_mb=2048)
def total(rows: list[float]) -> tuple[float, set[int]]:
    print("adding", len(rows))
    return sum(rows), {len(rows)}


def no_ecr(region: str | None) -> Any:
    """Fail: the repository of another registry is found without ECR."""
    raise AssertionError(f"ECR was asked in {region}")


@pytest.mark.terraform
def test_containers_agree_with_the_local_run(
    engine: Any, base_image: str, registry: str, local_aws: LocalAws, tmp_path: Path
) -> None:
    """Deployed in real containers, a pipeline returns the values of a local run, types included."""
    loaded = load(4)
    pipeline = Pipeline("daily", steps=[total(loaded.map(scale)), loaded])
    config = Config(
        aws=AwsConfig(image_repository=f"{registry}/lokki-tf-test-team"),
        image=ImageConfig(base=base_image),
    )
    made = pipeline.synth(tmp_path, config=config)
    assert made.images is None
    image = json.loads((made.folder / "image.json").read_text())["uri"]
    context = pipeline.image(tmp_path, config=config)
    published = publish(context, find_repository(config.aws, "daily", no_ecr), client=engine)
    assert (published.uri, published.pushed) == (image, True)
    engine.images.remove(image, force=True)
    pull(engine, image)

    outputs = local_aws.deploy(made.folder)
    execution = local_aws.execute(outputs["state_machine_arn"])
    assert execution.succeeded, execution.cause
    assert local_aws.values(execution) == {"total": pipeline.local_run().outputs["total"]}
    assert local_aws.plan_is_empty(made.folder)
