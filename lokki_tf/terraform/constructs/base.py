"""What all resources of a pipeline share: account, network, bucket, permissions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.asl.text import escaped
from lokki_tf.model import TerraformRef
from lokki_tf.terraform.account import Account
from lokki_tf.terraform.cdk import aws, value_in_json, value_of, written
from lokki_tf.terraform.names import prefix_of
from lokki_tf.terraform.permissions import Permissions, permissions_of
from lokki_tf.terraform.policies import own_policies

from .bucket import artifact_bucket, given_bucket
from .network import Network, Vpc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lokki_tf.config import Config
    from lokki_tf.model import Step, TextOrRef
    from lokki_tf.terraform.content import Content
    from lokki_tf.terraform.plan import StackPlan

    from .scope import PipelineScope


@dataclass(frozen=True, slots=True)
class Base:
    """What all resources of a pipeline share.

    Args:
        scope: The construct that contains the resources.
        plan: The stack plan.
        config: Settings, as in ``lokki.toml``.
        account: The account and region, as references to data sources.
        network: Where functions in a VPC are.
        bucket: The bucket.
        permissions: The statements of all policies.
    """

    scope: PipelineScope
    plan: StackPlan
    config: Config
    account: Account
    network: Network | None
    bucket: aws.s3_bucket.S3Bucket | aws.data_aws_s3_bucket.DataAwsS3Bucket
    permissions: Permissions

    @property
    def prefix(self) -> str:
        """The prefix of the pipeline's keys in the bucket."""
        return prefix_of(self.plan.definition.name, self.config)

    @property
    def store(self) -> str:
        """``s3://bucket/prefix`` under which the pipeline stores all objects."""
        return f"s3://{self.bucket.bucket}/{self.prefix}".rstrip("/")

    @property
    def publishes(self) -> bool | None:
        """The argument ``publish`` of functions that the state machine calls."""
        return True if self.config.lambda_.versions else None

    def called_arn(self, function: aws.lambda_function.LambdaFunction) -> str:
        """Return the ARN with which the state machine calls a function, its version included."""
        return str(function.qualified_arn if self.publishes else function.arn)

    def text(self, value: TextOrRef) -> str:
        """Return a text, escaped for Terraform, or the value of a reference."""
        return escaped(self.account.text(value))

    def text_in_json(self, value: TextOrRef) -> str:
        """Return a text, or the value of a reference as it is written inside a string of JSON.

        The text is not escaped: the JSON that contains it is.
        """
        return value_in_json(value) if isinstance(value, TerraformRef) else value

    def own_policies(self, step: Step) -> list[str]:
        """Return the policy documents of a step, escaped for Terraform, with references."""
        return list(map(escaped, own_policies(step, self.account)))

    def key(self, path: str) -> str:
        """Return a key of the bucket, with this pipeline's prefix."""
        return f"{self.prefix}{path}"

    def upload(
        self,
        name: str,
        key: str,
        path: str,
        content: str,
        own: Mapping[str, str] | None = None,
    ) -> aws.s3_object.S3Object:
        """Add an object to the bucket, with the contents of a file in the pipeline's folder.

        Args:
            name: Its id.
            key: Its key, without the pipeline's prefix.
            path: Path of the file.
            content: Hash of the contents; the object is uploaded again when it changes.
            own: Its own tags.
        """
        return aws.s3_object.S3Object(
            self.scope,
            self.scope.resource_id(name),
            bucket=self.bucket.id,
            key=self.key(key),
            source=self.scope.file(path),
            source_hash=content,
            tags=self.object_tags(own),
        )

    def object_tags(self, own: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return tags of an S3 object, at most ten; the bucket has all of them.

        Source: Amazon S3 User Guide, "Categorizing your storage using tags".
        """
        return dict(islice(self.scope.tags(own).items(), 10))

    def role(
        self, name: str, trusted: str, tags: dict[str, str], *, separator: str = "."
    ) -> aws.iam_role.IamRole:
        """Add a role that one AWS service may assume.

        Args:
            name: Its id, and the end of its name after the pipeline's.
            trusted: Its trust policy.
            tags: Its tags.
            separator: Between the two names, as for :meth:`Permissions.role_name`.
        """
        return aws.iam_role.IamRole(
            self.scope,
            self.scope.resource_id(name),
            name=self.permissions.role_name(name, separator=separator),
            assume_role_policy=trusted,
            permissions_boundary=self.account.text(self.config.aws.permissions_boundary),
            tags=tags,
        )

    def log_group(
        self, name: str, log_group: str, tags: dict[str, str]
    ) -> aws.cloudwatch_log_group.CloudwatchLogGroup:
        """Add a log group with retention."""
        return aws.cloudwatch_log_group.CloudwatchLogGroup(
            self.scope,
            self.scope.resource_id(name),
            name=log_group,
            retention_in_days=self.config.aws.log_retention_days,
            kms_key_id=self.permissions.key,
            tags=tags,
        )


def add_base(scope: PipelineScope, content: Content, vpc: Vpc | None) -> Base:
    """Add the data sources of the account, the network and the bucket.

    Args:
        scope: The construct that contains them.
        content: The content of the stack.
        vpc: The VPC of the functions, if they are in one.
    """
    plan, config = content.plan, content.config
    account = _account(scope)
    members = "Lambda functions" if plan.functions else "Batch jobs"
    network = Network.of(scope, vpc, account, members) if vpc else None
    given = account.text(config.aws.artifact_bucket)
    bucket = given_bucket(scope, given) if given else _own_bucket(scope, content, account)
    permissions = permissions_of(plan, config, account, bucket.arn)
    return Base(scope, plan, config, account, network, bucket, permissions)


def add_literals(base: Base) -> list[aws.s3_object.S3Object]:
    """Add the objects with large literals, which must exist before a run."""
    return [
        base.upload(f"literal_{digest}", key, key, digest)
        for key in base.plan.objects
        for digest in [Path(key).name.partition(".")[0]]
    ]


def _account(scope: PipelineScope) -> Account:
    # Data sources, so that the same output is valid in every account and region.
    partition = aws.data_aws_partition.DataAwsPartition(scope, scope.resource_id("partition"))
    return Account(
        aws.data_aws_caller_identity.DataAwsCallerIdentity(
            scope, scope.resource_id("account")
        ).account_id,
        aws.data_aws_region.DataAwsRegion(scope, scope.resource_id("region")).id,
        partition.partition,
        partition.dns_suffix,
        value_of,
        written,
    )


def _own_bucket(scope: PipelineScope, content: Content, account: Account) -> aws.s3_bucket.S3Bucket:
    name = account.bucket_name(content.plan.definition.name)
    settings = content.config.aws
    return artifact_bucket(
        scope,
        name,
        scope.tags(),
        account.text(settings.kms_key),
        run_data_days=settings.run_data_days,
    )
