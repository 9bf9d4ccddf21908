"""The backend of Terraform's state, and the AWS provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.config import is_loopback, refuse_region
from lokki_tf.errors import ConfigError
from lokki_tf.terraform.cdk import TerraformStack, aws, core

if TYPE_CHECKING:
    from lokki_tf.config import AwsConfig, Config

# The services of the resources here, and those with which a pipeline can be used.
_SERVICES = (
    "batch", "ec2", "ecr", "events", "iam", "kms", "lambda_", "logs", "s3", "scheduler", "sfn",
    "sns", "sqs", "sts",
)  # fmt: skip
_LOCAL_REGION = "us-east-1"
AWS_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""The AWS provider's versions in which all arguments of the generated Terraform are valid."""
VERSIONS_WITH_RUNTIME = {"python3.14": ">= 6.21.0, < 7.0.0"}
"""The provider's versions that accept a runtime, if not all of the above do.

Source: CHANGELOG of terraform-provider-aws, 6.21.0.
"""


def add_backend(stack: TerraformStack, settings: Config) -> None:
    """Add the backend: a file in the configuration's folder, or a bucket.

    Args:
        stack: The stack.
        settings: ``[terraform]``, and ``[aws]`` for the account of the bucket.

    Raises:
        ConfigError: If the backend is a bucket without a name.
    """
    state, aws = settings.terraform, settings.aws
    if state.backend == "local":
        # CDKTF's own default would write an absolute path.
        core.LocalBackend(stack, path="terraform.tfstate")
        return
    if not state.bucket:
        raise ConfigError(
            'backend = "s3" in [terraform] needs a bucket',
            remedy='add bucket = "…", and key = "…" unless the key is to be the stack\'s name',
        )
    core.S3Backend(
        stack,
        bucket=state.bucket,
        key=state.key or f"{stack.node.id}/terraform.tfstate",
        dynamodb_table=state.dynamodb_table,
        encrypt=True,
        **_account_of(aws, state.region or aws.region),
    )
    # CDKTF's class has no argument for the lock file; the other fields are set in the same way.
    more = _other_endpoint(aws.endpoint) if aws.endpoint else {}
    if state.use_lockfile:
        more["use_lockfile"] = True
    for name, value in more.items():
        stack.add_override(f"terraform.backend.s3.{name}", value)


def _other_endpoint(endpoint: str) -> dict[str, Any]:
    """Return the settings with which the backend uses another implementation of AWS."""
    return {
        "endpoints": dict.fromkeys(("dynamodb", "iam", "s3", "sts"), endpoint),
        "use_path_style": True,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
    }


def _account_of(aws: AwsConfig, region: str | None) -> dict[str, Any]:
    """Return the provider's credentials and region."""
    if aws.endpoint and is_loopback(aws.endpoint):
        # The server at that endpoint does not check credentials, so the user's keys are not sent to
        # it.
        keys = {"access_key": "local", "secret_key": "local"}
        return {**keys, "region": region or _LOCAL_REGION}
    return {"region": region, "profile": aws.profile}


def add_provider(stack: TerraformStack, settings: AwsConfig) -> None:
    """Add the AWS provider.

    Args:
        stack: The stack.
        settings: Table ``[aws]`` of ``lokki.toml``.

    Raises:
        ConfigError: If the region does not exist.
    """
    region = settings.region
    if region is not None:
        refuse_region(region)
    more: dict[str, Any] = {}
    if settings.endpoint:
        more = {
            "endpoints": [
                aws.provider.AwsProviderEndpoints(**dict.fromkeys(_SERVICES, settings.endpoint))
            ],
            "s3_use_path_style": True,
            "skip_credentials_validation": True,
            "skip_metadata_api_check": "true",
        }
    aws.provider.AwsProvider(stack, "aws", **_account_of(settings, region), **more)
    require_provider(stack, AWS_PROVIDER_VERSIONS)


def require_provider(stack: TerraformStack, versions: str) -> None:
    """Require a range of versions of the AWS provider.

    Otherwise, Terraform would require the one version from which the Python bindings are generated.

    Args:
        stack: The stack.
        versions: The range, as Terraform writes it.
    """
    requirement = {"source": "hashicorp/aws", "version": versions}
    stack.add_override("terraform.required_providers.aws", requirement)
