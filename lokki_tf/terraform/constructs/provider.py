"""Where Terraform keeps its state, and which AWS it speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdktf import LocalBackend, S3Backend
from cdktf_cdktf_provider_aws.provider import AwsProvider, AwsProviderEndpoints

from lokki_tf.config import REGION, is_loopback
from lokki_tf.errors import ConfigError

if TYPE_CHECKING:
    from cdktf import TerraformStack

    from lokki_tf.config import AwsConfig, TerraformConfig

# Those of the resources here, and those that a pipeline may be wired to.
_SERVICES = (
    "batch", "ec2", "ecr", "events", "iam", "kms", "lambda_", "logs", "s3", "scheduler", "sfn",
    "sns", "sqs", "sts",
)  # fmt: skip
_LOCAL_REGION = "us-east-1"


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
    if region is not None and not REGION.fullmatch(region):
        raise ConfigError(
            f"{region!r} is no AWS region", remedy='write it as AWS does, "eu-west-1" for example'
        )
    AwsProvider(stack, "aws", **_addressed(settings, region))


def _addressed(settings: AwsConfig, region: str | None) -> dict[str, Any]:
    """Which AWS is meant, as the provider is told."""
    if not settings.endpoint:
        return {"region": region, "profile": settings.profile}
    elsewhere: dict[str, Any] = {
        "region": region,
        "profile": settings.profile,
        "endpoints": [AwsProviderEndpoints(**dict.fromkeys(_SERVICES, settings.endpoint))],
        "s3_use_path_style": True,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": "true",
    }
    if is_loopback(settings.endpoint):
        # Whoever listens there knows no account of the user's, so no key of his goes there.
        keys = {"access_key": "local", "secret_key": "local"}
        return {**elsewhere, **keys, "profile": None, "region": region or _LOCAL_REGION}
    return elsewhere
