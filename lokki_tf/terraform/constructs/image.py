"""The container image of a pipeline, to which its functions and jobs refer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lokki_tf.config.image_names import EcrHost, image_repository
from lokki_tf.packaging.image.context import APP, ENTRY, FOLDER, ImageContext
from lokki_tf.terraform.images import make_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config
    from lokki_tf.packaging import LayerBuilder
    from lokki_tf.terraform.plan import StackPlan

    from .construct import PipelineConstruct


@dataclass(frozen=True, slots=True)
class Image:
    """The build context of an image and its repository.

    Args:
        context: The build context.
        repository: The registry and the name, or only the name, in the account's own registry.
    """

    context: ImageContext
    repository: str

    @classmethod
    def of(cls, plan: StackPlan, config: Config, builder: LayerBuilder) -> Image | None:
        """Return the image of a pipeline, or ``None`` if no step runs in one."""
        name = plan.definition.name
        context = make_image(name, plan.in_image, config, builder)
        if context is None:
            return None
        return cls(context, image_repository(config.aws.image_repository, name))

    @property
    def is_own(self) -> bool:
        """Whether it is in the account's own registry, so that the name has no registry part."""
        return "/" not in self.repository

    @property
    def files(self) -> Mapping[str, bytes]:
        """The build context's files, by path in the stack's folder, and the image's record."""
        uri = f"{self.repository}:{self.context.tag}"
        about = {"uri": uri, "app": f"{FOLDER}/{APP}", "entry": ENTRY}
        files = {f"{FOLDER}/{path}": data for path, data in self.context.files.items()}
        return {**files, "image.json": (json.dumps(about, indent=2) + "\n").encode()}

    def place(self, pipeline: PipelineConstruct) -> tuple[str, str | None]:
        """Return the image's URI, and the ARN of its repository if it is in ECR.

        Args:
            pipeline: The pipeline's construct.
        """
        if not self.is_own:
            return f"{self.repository}:{self.context.tag}", _ecr_arn(self.repository, pipeline)
        account = pipeline.account
        registry = f"{account.number}.dkr.ecr.{account.region}.{account.domain}"
        arn = account.arn("ecr", f"repository/{self.repository}")
        return f"{registry}/{self.repository}:{self.context.tag}", arn


def _ecr_arn(repository: str, pipeline: PipelineConstruct) -> str | None:
    """Return the ARN of a repository in ECR, from its URI."""
    host, _, name = repository.partition("/")
    own = EcrHost.of(host)
    if own is None:
        return None
    return f"arn:{pipeline.account.partition}:ecr:{own.region}:{own.account}:repository/{name}"
