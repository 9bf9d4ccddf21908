"""Where Terraform keeps its state, and which AWS it speaks to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cdktf import LocalBackend, S3Backend
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderEndpoints

from lokki_tf.errors import ConfigError

if TYPE_CHECKING:
    from cdktf import TerraformStack

    from lokki_tf.config import AwsConfig, TerraformConfig

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_SERVICES = ("ec2", "ecr", "iam", "lambda_", "logs", "s3", "scheduler", "sfn", "sts")


def add_backend(stack: TerraformStack, settings: TerraformConfig) -> None:
    """The state's place: a file beside the configuration, or a bucket.

    Args:
        stack: Of which it is the state.
        settings: ``[terraform]``.

    Raises:
        ConfigError: If a bucket is wanted and not named.
    """
    if settings.backend == "local":
        # CDKTF's own default would write an absolute path of this machine.
        LocalBackend(stack, path="terraform.tfstate")
        return
    if not settings.bucket:
        raise ConfigError(
            'backend = "s3" in [terraform] needs a bucket',
            remedy='add bucket = "…", and key = "…" unless the stack\'s name will do',
        )
    S3Backend(
        stack,
        bucket=settings.bucket,
        key=settings.key or f"{stack.node.id}/terraform.tfstate",
        region=settings.region,
        dynamodb_table=settings.dynamodb_table,
        encrypt=True,
    )
    if settings.use_lockfile:  # newer than CDKTF's own class
        stack.add_override("terraform.backend.s3.use_lockfile", True)


def add_provider(stack: TerraformStack, settings: AwsConfig, region: str | None) -> None:
    """The AWS provider.

    Args:
        stack: Where it stands.
        settings: ``[aws]``.
        region: Instead of the settings' region.

    Raises:
        ConfigError: If the region is none.
    """
    region = region or settings.region
    if region is not None and not _REGION.fullmatch(region):
        raise ConfigError(
            f"{region!r} is no AWS region", remedy='write it as AWS does, "eu-west-1" for example'
        )
    more: dict[str, Any] = {}
    if settings.endpoint:
        more = {
            "endpoints": [AwsProviderEndpoints(**dict.fromkeys(_SERVICES, settings.endpoint))],
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
            "skip_requesting_account_id": False,
            "skip_metadata_api_check": "true",
        }
    AwsProvider(stack, "aws", region=region, profile=settings.profile, **more)
