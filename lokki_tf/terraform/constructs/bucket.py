"""The pipeline's bucket: code, literals, and what is too large to travel inline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdktf_cdktf_provider_aws.data_aws_s3_bucket import DataAwsS3Bucket
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import S3BucketOwnershipControls
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import S3BucketVersioningA

from lokki_tf.terraform import iam

if TYPE_CHECKING:
    from constructs import Construct

BUCKET_PARTS = (
    "bucket_encryption",
    "bucket_lifecycle",
    "bucket_ownership",
    "bucket_policy",
    "bucket_public_access",
    "bucket_versioning",
)
"""Ids of what belongs to the bucket."""
RUN_DATA_DAYS = 90  # Step Functions forgets an execution after 90 days as well
OLD_VERSION_DAYS = 30


def given_bucket(scope: Construct, name: str) -> DataAwsS3Bucket:
    """A bucket that stands already, and that others may use too.

    Args:
        scope: Where it is looked up.
        name: Its name.
    """
    return DataAwsS3Bucket(scope, "bucket", bucket=name)


def artifact_bucket(
    scope: Construct, name: str, tags: dict[str, str], key: str | None = None
) -> S3Bucket:
    """A private, encrypted, versioned bucket whose run data expires.

    Args:
        scope: Where it stands.
        name: Its name.
        tags: Its tags.
        key: ARN of the KMS key that encrypts; AWS's own for S3 unless given.
    """
    bucket = S3Bucket(scope, "bucket", bucket=name, tags=tags)
    S3BucketOwnershipControls(
        scope,
        "bucket_ownership",
        bucket=bucket.id,
        rule={"object_ownership": "BucketOwnerEnforced"},
    )
    block = S3BucketPublicAccessBlock(
        scope,
        "bucket_public_access",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    S3BucketServerSideEncryptionConfigurationA(
        scope,
        "bucket_encryption",
        bucket=bucket.id,
        rule=[
            S3BucketServerSideEncryptionConfigurationRuleA(
                apply_server_side_encryption_by_default=(
                    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
                        sse_algorithm="aws:kms", kms_master_key_id=key
                    )
                ),
                bucket_key_enabled=True,
            )
        ],
    )
    versioning = S3BucketVersioningA(
        scope,
        "bucket_versioning",
        bucket=bucket.id,
        versioning_configuration={"status": "Enabled"},
    )
    S3BucketLifecycleConfiguration(
        scope,
        "bucket_lifecycle",
        bucket=bucket.id,
        rule=[
            S3BucketLifecycleConfigurationRule(
                id="run-data",
                status="Enabled",
                filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="runs/")],
                expiration=[S3BucketLifecycleConfigurationRuleExpiration(days=RUN_DATA_DAYS)],
            ),
            S3BucketLifecycleConfigurationRule(
                id="old-versions",
                status="Enabled",
                filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
                noncurrent_version_expiration=[
                    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                        noncurrent_days=OLD_VERSION_DAYS
                    )
                ],
                abort_incomplete_multipart_upload=[
                    S3BucketLifecycleConfigurationRuleAbortIncompleteMultipartUpload(
                        days_after_initiation=7
                    )
                ],
            ),
        ],
        depends_on=[versioning],
    )
    S3BucketPolicy(
        scope,
        "bucket_policy",
        bucket=bucket.id,
        policy=iam.tls_only(bucket.arn),
        depends_on=[block],
    )
    return bucket
