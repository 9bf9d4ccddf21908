"""The repository of a pipeline's images, as a stack that is applied before the pipeline's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from lokki_tf.asl.text import escaped
from lokki_tf.config import Config
from lokki_tf.config.image_names import repository_name
from lokki_tf.model import TerraformRef
from lokki_tf.terraform import iam
from lokki_tf.terraform.cdk import Construct, TerraformStack, aws, core
from lokki_tf.terraform.names import functions_named

from .provider import add_backend, add_provider

if TYPE_CHECKING:
    from collections.abc import Mapping


class ImageRepositoryStack(TerraformStack):
    """A stack with the ECR repository of one pipeline's images.

    It is not part of the pipeline's stack, since the image must exist before the functions that use
    it. Tags are immutable, pushed images are scanned, old ones expire, and the policy gives access
    only to Lambda, for the pipeline's functions.

    Args:
        scope: The app.
        id: The name of the stack, and of its folder in ``stacks``.
        pipeline: The pipeline's name in AWS.
        region: AWS region; by default the environment's (``AWS_REGION``).
        tags: The pipeline's tags.
        config: Settings, as in ``lokki.toml``; by default the default settings.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  # CDKTF's own name for it
        pipeline: str,
        region: str | None = None,
        tags: Mapping[str, str] | None = None,
        config: Config | None = None,
    ) -> None:
        super().__init__(scope, id)
        config = (config or Config()).in_region(region)
        add_backend(self, _beside(config))
        add_provider(self, config.aws)
        key = config.aws.kms_key
        assert not isinstance(key, TerraformRef)  # checked_plan refuses it
        own = {"lokki:pipeline": pipeline, **config.aws.tags, **(tags or {})}
        self.repository = aws.ecr_repository.EcrRepository(
            self,
            "repository",
            name=repository_name(pipeline),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr_repository.EcrRepositoryImageScanningConfiguration(
                scan_on_push=True
            ),
            encryption_configuration=[_encryption(key)],
            tags={name: escaped(text) for name, text in own.items()},
        )
        aws.ecr_lifecycle_policy.EcrLifecyclePolicy(
            self,
            "repository_lifecycle",
            repository=self.repository.name,
            policy=_keep(config.image.keep),
        )
        aws.ecr_repository_policy.EcrRepositoryPolicy(
            self,
            "repository_policy",
            repository=self.repository.name,
            policy=iam.pull_images(self._functions(pipeline)),
        )
        for name, text, value in (
            ("repository_url", "Where images are pushed", self.repository.repository_url),
            ("repository_arn", "The repository", self.repository.arn),
        ):
            output = core.TerraformOutput(self, f"output-{name}", value=value, description=text)
            output.override_logical_id(name)

    def _functions(self, pipeline: str) -> str:
        account = aws.data_aws_caller_identity.DataAwsCallerIdentity(self, "account").account_id
        region = aws.data_aws_region.DataAwsRegion(self, "region").id
        partition = aws.data_aws_partition.DataAwsPartition(self, "partition").partition
        named = functions_named(pipeline)
        return f"arn:{partition}:lambda:{region}:{account}:function:{named}"


def _beside(config: Config) -> Config:
    """Return the settings with another key of the state, which must differ from the pipeline's."""
    if not config.terraform.key:
        return config
    own = replace(config.terraform, key=f"{config.terraform.key}-images")
    return replace(config, terraform=own)


def _encryption(key: str | None) -> aws.ecr_repository.EcrRepositoryEncryptionConfiguration:
    if key is None:
        return aws.ecr_repository.EcrRepositoryEncryptionConfiguration(encryption_type="AES256")
    return aws.ecr_repository.EcrRepositoryEncryptionConfiguration(
        encryption_type="KMS", kms_key=key
    )


def _keep(count: int) -> str:
    """Return a lifecycle policy that keeps this number of newest images."""
    rule = {
        "rulePriority": 1,
        "description": f"Keep the newest {count} images",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]})
