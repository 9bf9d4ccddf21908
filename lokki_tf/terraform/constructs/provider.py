"""Where Terraform keeps its state, and which AWS it speaks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lokki_tf.config import is_loopback, refuse_region
from lokki_tf.errors import ConfigError
from lokki_tf.terraform.cdk import TerraformStack, aws, core

if TYPE_CHECKING:
    from lokki_tf.config import AwsConfig, Config

# Those of the resources here, and those that a pipeline may be wired to.
_SERVICES = (
    "batch", "ec2", "ecr", "events", "iam", "kms", "lambda_", "logs", "s3", "scheduler", "sfn",
    "sns", "sqs", "sts",
)  # fmt: skip
_LOCAL_REGION = "us-east-1"
AWS_PROVIDER_VERSIONS = ">= 5.100.0, < 7.0.0"
"""The AWS provider's versions in which all arguments of the generated Terraform are valid."""
VERSIONS_WITH_RUNTIME = {"python3.14": ">= 6.21.0, < 7.0.0"}
"""Those that accept a runtime, where not all of the above do.

Source: CHANGELOG of terraform-provider-aws, 6.21.0.
"""


def add_backend(stack: TerraformStack, settings: Config) -> None:
    """The state's place: a file beside the configuration, or a bucket.

    Args:
        stack: Of which it is the state.
        settings: ``[terraform]``, and ``[aws]`` for the account of the bucket.

    Raises:
        ConfigError: If a bucket is wanted and not named.
    """
    state, aws = settings.terraform, settings.aws
    if state.backend == "local":
        # CDKTF's own default would write an absolute path of this machine.
        core.LocalBackend(stack, path="terraform.tfstate")
        return
    if not state.bucket:
        raise ConfigError(
            'backend = "s3" in [terraform] needs a bucket',
            remedy='add bucket = "…", and key = "…" unless the stack\'s name will do',
        )
    core.S3Backend(
        stack,
        bucket=state.bucket,
        key=state.key or f"{stack.node.id}/terraform.tfstate",
        dynamodb_table=state.dynamodb_table,
        encrypt=True,
        **_account_of(aws, state.region or aws.region),
    )
    newer = _elsewhere(aws.endpoint) if aws.endpoint else {}  # than CDKTF's own class
    if state.use_lockfile:
        newer["use_lockfile"] = True
    for name, value in newer.items():
        stack.add_override(f"terraform.backend.s3.{name}", value)


def _elsewhere(endpoint: str) -> dict[str, Any]:
    """The state in another AWS."""
    return {
        "endpoints": dict.fromkeys(("dynamodb", "iam", "s3", "sts"), endpoint),
        "use_path_style": True,
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": True,
    }


def _account_of(aws: AwsConfig, region: str | None) -> dict[str, Any]:
    """By which keys, and in which region."""
    if aws.endpoint and is_loopback(aws.endpoint):
        # Whoever listens there knows no account of the user's, so no key of his goes there.
        keys = {"access_key": "local", "secret_key": "local"}
        return {**keys, "region": region or _LOCAL_REGION}
    return {"region": region, "profile": aws.profile}


def add_provider(stack: TerraformStack, settings: AwsConfig) -> None:
    """The AWS provider.

    Args:
        stack: Where it stands.
        settings: ``[aws]``.

    Raises:
        ConfigError: If the region is none.
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
    """Require a range of versions; the bindings require the one that they are generated from.

    Args:
        stack: The stack.
        versions: The range, as Terraform writes it.
    """
    requirement = {"source": "hashicorp/aws", "version": versions}
    stack.add_override("terraform.required_providers.aws", requirement)
